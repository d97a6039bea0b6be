/** One verdict from all checks. */
import type { Evidence } from './evidence.js';
import { verify, type Check, type Options } from './verify.js';

export type Verdict =
  | 'verified' // everything passed, with the recording
  | 'registered' // everything passed, but no recording was given
  | 'page_changed' // the evidence passed, but the page of its PDF was changed
  | 'other_recording' // the evidence passed, but the given recording is not the registered one
  | 'untrusted' // the parts match each other, but the key of the log, or the authorities of the chain, are not trusted
  | 'unwitnessed' // everything passed, but too few of the trusted witnesses saw the block
  | 'unknown' // the checks that were made passed, but the network cannot be checked here
  | 'fails';

export interface Finding {
  readonly verdict: Verdict;
  readonly checks: readonly Check[];
}

/** The checks that have verdicts of their own. */
const aside: readonly Check['name'][] = ['media', 'page', 'witnesses'];

/** The same rules as Judge of package evidence. */
export function find(e: Evidence, options: Options): Finding {
  const checks = verify(e, options);
  const status = (name: Check['name']) => checks.find((c) => c.name === name)?.status;
  const log = 'leaf' in e.at;
  const trusted = status('log_key') === 'ok' || onChain(checks);
  const verdict = (): Verdict => {
    const failed = new Map<Check['name'], boolean>();
    const note = (all: readonly Check[], besides: readonly Check['name'][]) => {
      for (const c of all) if (c.part === undefined && !besides.includes(c.name)) failed.set(c.name, c.status === 'failed');
    };
    note(checks, aside);
    // With the key of another log the signature fails too. The evidence's own key, or no checkpoint, shows whether the evidence was damaged.
    if (status('log_key') === 'failed' || status('chain') === 'failed')
      note(verify(e, { ...options, keys: [], policy: undefined, chains: [] }), [...aside, 'token', 'token_authority', 'dates']);
    if ([...failed.values()].includes(true)) return 'fails';
    if (status('page') === 'failed') return 'page_changed';
    if (status('media') === 'failed') return 'other_recording';
    if (!log && !final(checks)) return 'unknown';
    if (!trusted) return 'untrusted';
    if (status('witnesses') === 'failed') return 'unwitnessed';
    return status('media') === 'ok' ? 'verified' : 'registered';
  };
  return { verdict: verdict(), checks };
}

const has = (checks: readonly Check[], ...names: readonly Check['name'][]): boolean =>
  names.every((name) => checks.some((c) => c.name === name && c.status === 'ok'));

/** Whether the chain's state proves the registration, by the authorities that the evidence names, or that are trusted. */
const final = (checks: readonly Check[]): boolean => has(checks, 'state', 'time', 'finality');
const onChain = (checks: readonly Check[]): boolean => final(checks) && has(checks, 'chain');

/** A date of the registration, in nanoseconds since 1970, and the word of the sentence that states it. */
export interface Dated {
  readonly time: bigint;
  readonly key: 'since_witnesses' | 'since_anchor' | 'since_log' | 'since_log_alone' | 'since_chain' | 'since_chain_final';
  readonly by: readonly string[];
}

/** The dates that others than the log state and that the checks prove, the earliest first, and at last that of the log itself. */
export function dates(e: Evidence, checks: readonly Check[]): Dated[] {
  const others = checks
    .filter((c) => c.status === 'ok' && c.time !== undefined)
    .map((c): Dated => ({ time: c.time!, key: c.by ? 'since_witnesses' : 'since_anchor', by: c.by ?? [] }))
    .sort((a, b) => Number(a.time - b.time));
  const key = !('leaf' in e.at) ? (onChain(checks) ? 'since_chain_final' : 'since_chain') : others.length ? 'since_log' : 'since_log_alone';
  return [...others, { time: e.block.time, key, by: [] }];
}

export type Level = 'registered' | 'named' | 'logged' | 'witnessed' | 'chained';

/** How far the proof goes: the levels that the checks prove, in their order. This page reads no tokens. 'registered' stands alone. */
export function levels(checks: readonly Check[]): Level[] {
  if (checks.some((c) => c.status === 'failed' && c.part === undefined && c.name !== 'witnesses')) return [];
  const logged = has(checks, 'log_key', 'inclusion');
  const all: [Level, boolean][] = [
    ['named', final(checks) && !onChain(checks)],
    ['logged', logged],
    ['witnessed', logged && has(checks, 'witnesses')],
    ['chained', onChain(checks) || has(checks, 'anchor')],
  ];
  const reached = all.filter(([, yes]) => yes).map(([level]) => level);
  return reached.length ? reached : ['registered'];
}
