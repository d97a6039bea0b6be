/** What all checks together say, in one word. */
import type { Evidence } from './evidence.js';
import { holds, verify, type Check, type Options } from './verify.js';

export type Verdict =
  | 'verified' // everything, the recording among it
  | 'registered' // everything but the recording, which was not given
  | 'untrusted' // it fits together, in a log whose key is not trusted
  | 'unknown' // what was checked fits, but the network cannot be checked here
  | 'fails';

export interface Finding {
  readonly verdict: Verdict;
  readonly checks: readonly Check[];
}

export function find(e: Evidence, options: Options): Finding {
  const checks = verify(e, options);
  const status = (name: Check['name']) => checks.find((c) => c.name === name)?.status;
  const verdict = (): Verdict => {
    if (status('log_key') !== 'ok' && 'leaf' in e.at) {
      // Anybody can make a log: that the evidence fits its own key says only that it was not damaged.
      return holds(verify(e, { ...options, keys: [] })) ? 'untrusted' : 'fails';
    }
    if (!holds(checks)) return 'fails';
    if (!('leaf' in e.at)) return 'unknown';
    return status('media') === 'ok' ? 'verified' : 'registered';
  };
  return { verdict: verdict(), checks };
}
