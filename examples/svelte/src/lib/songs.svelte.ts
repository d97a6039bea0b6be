import type { CompleteDetail } from '@timbre/ats-widget';

/** The songs that this visitor has registered since the page was opened. Only a browser adds to it. */
export const songs = $state<CompleteDetail[]>([]);
