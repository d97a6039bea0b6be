/** Beginning a download of a file that may still be in the making. Knows no screen; shared with the second file. */
import type { Env } from './env.js';
import { malformed, problemOf, type Problem } from './problem.js';

/** How a download stands. */
export interface Fetching {
  readonly state: 'busy' | 'waiting' | 'begun' | 'refused';
  readonly problem?: Problem;
}

/** A certificate is asked for again after a second, then ever more slowly up to the longest, for as long as patience lasts; in ms. */
const first = 1000;
const longest = 10_000;
const patience = 120_000;

/** Waits for a certificate that is being made, telling so once, and begins the download. Throws what else is in the way. */
export async function download(ask: () => Promise<{ url: string }>, waiting: () => void, env: Env, signal: AbortSignal): Promise<void> {
  const until = env.now() + patience;
  for (let pause = first; ; pause = Math.min(pause * 1.5, longest)) {
    try {
      const { url } = await ask();
      signal.throwIfAborted();
      return save(url);
    } catch (thrown) {
      if (signal.aborted || problemOf(thrown).code !== 'work.certificate_unavailable' || env.now() + pause > until) throw thrown;
      if (pause === first) waiting();
      await env.sleep(pause, signal);
    }
  }
}

/** The store sends it as an attachment: the page stays. */
function save(url: string): void {
  if (!/^https?:\/\//i.test(url)) throw malformed('url');
  const a = globalThis.document.createElement('a');
  a.href = url;
  a.download = '';
  a.rel = 'noopener';
  a.click();
}
