/** Starts the download of a file that the server may still be making. Knows no screen; shared with the works file. */
import type { Env } from '../env.js';
import { malformed, problemOf, type Problem } from './problem.js';

/** The state of a download. */
export interface Fetching {
  readonly state: 'busy' | 'waiting' | 'begun' | 'refused';
  readonly problem?: Problem;
}

/** Intervals for asking again for a certificate: one second at first, then longer up to a maximum, until the timeout; in ms. */
const first = 1000;
const longest = 10_000;
const timeout = 120_000;

/** Waits for a certificate that is being made, reports that once, and starts the download. Throws any other problem. */
export async function download(ask: () => Promise<{ url: string }>, waiting: () => void, env: Env, signal: AbortSignal): Promise<void> {
  const until = env.now() + timeout;
  for (let pause = first; ; pause = Math.min(pause * 1.5, longest)) {
    try {
      const { url } = await ask();
      signal.throwIfAborted();
      save(url);
      return;
    } catch (thrown) {
      if (signal.aborted || problemOf(thrown).code !== 'work.certificate_unavailable' || env.now() + pause > until) throw thrown;
      if (pause === first) waiting();
      await env.sleep(pause, signal);
    }
  }
}

/** The store sends the file as an attachment: the page stays. */
function save(url: string): void {
  if (!/^https?:\/\//i.test(url)) throw malformed('url');
  const a = globalThis.document.createElement('a');
  a.href = url;
  a.download = '';
  a.rel = 'noopener';
  a.click();
}
