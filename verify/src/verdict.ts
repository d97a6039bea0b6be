/** What all checks together say, in one word. */
import type { Evidence } from './evidence.js';
import { holds, verify, type Check, type Options } from './verify.js';

export type Verdict =
  | 'verified' // everything, the recording among it
  | 'registered' // everything but the recording, which was not given
  | 'page_changed' // the evidence has no fault, but the page of the PDF that it came in was changed
  | 'other_recording' // the recording that was given is not the registered one; the evidence has no fault
  | 'untrusted' // the parts match each other, in a log whose key is not trusted
  | 'unknown' // what was checked matches, but the network cannot be checked here
  | 'fails';

export interface Finding {
  readonly verdict: Verdict;
  readonly checks: readonly Check[];
}

/** The same as Judge of package evidence. */
export function find(e: Evidence, options: Options): Finding {
  const checks = verify(e, options);
  const status = (name: Check['name']) => checks.find((c) => c.name === name)?.status;
  const log = 'leaf' in e.at;
  const trusted = status('log_key') === 'ok';
  const verdict = (): Verdict => {
    // With another log's key its signature fails, too. Its own key says whether the evidence was damaged.
    const own = log && !trusted ? verify(e, { ...options, keys: [] }) : checks;
    if (!holds(own.filter((c) => c.name !== 'media' && c.name !== 'page'))) return 'fails';
    if (status('page') === 'failed') return 'page_changed';
    if (status('media') === 'failed') return 'other_recording';
    if (!log) return 'unknown';
    if (!trusted) return 'untrusted';
    return status('media') === 'ok' ? 'verified' : 'registered';
  };
  return { verdict: verdict(), checks };
}
