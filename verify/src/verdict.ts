/** One verdict from all checks. */
import type { Evidence } from './evidence.js';
import { holds, verify, type Check, type Options } from './verify.js';

export type Verdict =
  | 'verified' // everything passed, with the recording
  | 'registered' // everything passed, but no recording was given
  | 'page_changed' // the evidence passed, but the page of its PDF was changed
  | 'other_recording' // the evidence passed, but the given recording is not the registered one
  | 'untrusted' // the parts match each other, but the key of the log is not trusted
  | 'unknown' // the checks that were made passed, but the network cannot be checked here
  | 'fails';

export interface Finding {
  readonly verdict: Verdict;
  readonly checks: readonly Check[];
}

/** The same rules as Judge of package evidence. */
export function find(e: Evidence, options: Options): Finding {
  const checks = verify(e, options);
  const status = (name: Check['name']) => checks.find((c) => c.name === name)?.status;
  const log = 'leaf' in e.at;
  const trusted = status('log_key') === 'ok';
  const verdict = (): Verdict => {
    // With the key of another log the signature fails too. The evidence's own key shows whether the evidence was damaged.
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
