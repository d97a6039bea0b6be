/** Checks evidence: the same checks, in the same order, as Verify of package evidence in the Go sources. */
import { finalityOf, includes, stateOf, trusts, type Checkpoint } from './chain.js';
import { sha256, utf8 } from './bytes.js';
import { leaf, proves, root, seal, version } from './commitment.js';
import { subjectOf, type Attestation, type Evidence, type Log, type Substrate } from './evidence.js';
import { continues, included, openCheckpoint, parseKey, parseLeaf, splitNote } from './log.js';
import { networkOf } from './network.js';
import { asks, witnessed, type Cosigned, type Policy } from './policy.js';
import { blake2b256, headerNumber, registers } from './substrate.js';

export type Status = 'ok' | 'failed' | 'not_checked';

export type Name =
  | 'page'
  | 'media'
  | 'creators'
  | 'all_creators'
  | 'commitment'
  | 'entry'
  | 'time'
  | 'log_key'
  | 'checkpoint'
  | 'inclusion'
  | 'block'
  | 'transaction'
  | 'state'
  | 'finality'
  | 'chain'
  | 'cosignatures'
  | 'witnesses'
  | 'token'
  | 'token_authority'
  | 'later'
  | 'bitcoin'
  | 'anchor'
  | 'attestation'
  | 'dates';

export interface Check {
  readonly name: Name;
  readonly status: Status;
  /** The attestation that the check is about. If it fails, the attestation is ignored. */
  readonly part?: number | undefined;
  /** The date that the check proves, in nanoseconds since 1970, and the names of those who state it. */
  readonly time?: bigint | undefined;
  readonly by?: readonly string[] | undefined;
  /** The owner's account that the chain's state proves. */
  readonly owner?: string | undefined;
  /** The number of the set of authorities that must be trusted. */
  readonly set?: bigint | undefined;
}

/** The verifier's own data, in addition to the evidence. */
export interface Options {
  /** The recording's SHA-256 and size, when it was given. */
  readonly media?: { readonly sha256: string; readonly size: bigint } | undefined;
  /** The trusted verifier keys. Without any, the evidence's own key is used; this does not prove who owns the log. */
  readonly keys: readonly string[];
  /** The trusted witnesses. */
  readonly policy?: Policy | undefined;
  /** The trusted sets of authorities of chains. */
  readonly chains?: readonly Checkpoint[] | undefined;
  /** The time of the check, in milliseconds since 1970. */
  readonly now?: number | undefined;
  /** In a PDF: whether its page was changed after it was issued. */
  readonly changed?: boolean | undefined;
}

/** Whether nothing of the proof failed. A check that was not made proves nothing. */
export const holds = (checks: readonly Check[]): boolean => checks.every((c) => c.status !== 'failed' || c.part !== undefined);

export function verify(e: Evidence, { media, keys: own, policy, chains = [], changed, now = Date.now() }: Options): Check[] {
  const checks: Check[] = [];
  const keys = policy ? [...own, ...policy.logs] : own;
  const add: Add = (name, holds, owner) => {
    checks.push({ name, status: holds === 'not_checked' ? holds : holds ? 'ok' : 'failed', ...(owner && { owner }) });
  };
  const leaves = e.creators.map(leaf);
  if (changed !== undefined) add('page', changed ? false : 'not_checked');
  add('media', media ? media.sha256 === e.media.sha256 && media.size === e.media.size : 'not_checked');
  add(
    'creators',
    e.creators.every((c, i) => proves(leaves[i]!, c.proof, e.merkleRoot)),
  );
  add('all_creators', root(leaves) === e.merkleRoot || 'not_checked');
  add('commitment', e.protocol === version && seal(e.title, e.media.sha256, e.merkleRoot) === e.commitment);
  if ('leaf' in e.at) {
    verifyLog(e, e.at, keys, add);
    checks.push(...verifyWitnesses(e, e.at, keys, policy));
  } else verifyChain(e, e.at, chains, add);
  if (e.token) checks.push(...unreadToken(undefined));
  e.attestations.forEach((a, i) => checks.push(...verifyAttestation(e, a, i, keys, chains)));
  checks.push(...verifyDates(e, checks, now));
  return checks;
}

/** This page reads no tokens. */
const unreadToken = (part: number | undefined): Check[] => [
  { name: 'token', status: 'not_checked', part },
  { name: 'token_authority', status: 'not_checked', part },
];

const usedKey = (own: string, keys: readonly string[]): string => (keys.length && !keys.includes(own) ? keys[0]! : own);

const noteText = (signed: string): string => splitNote(signed)?.text ?? '';

/** How a later checkpoint of the log relates to the block: the log signed both, and the later one continues the block's. */
function later(l: Log, a: Attestation & { kind: 'checkpoint' }, keys: readonly string[]): 'ok' | 'failed' | 'fork' {
  const key = parseKey(usedKey(l.key, keys));
  const then = key && openCheckpoint(l.checkpoint, l.origin, key);
  const tree = key && openCheckpoint(a.checkpoint, l.origin, key);
  if (!then || !tree) return 'failed';
  if (then.size === tree.size && then.root !== tree.root) return 'fork';
  return continues(then, tree, a.consistency) ? 'ok' : 'failed';
}

function verifyAttestation(e: Evidence, a: Attestation, part: number, keys: readonly string[], chains: readonly Checkpoint[]): Check[] {
  switch (a.kind) {
    case 'rfc3161':
      return unreadToken(part);
    case 'opentimestamps':
      return [{ name: 'bitcoin', status: 'not_checked', part }];
    case 'checkpoint': {
      const is = later(e.at as Log, a, keys);
      // A contradiction of the log with itself concerns the whole evidence.
      return [{ name: 'later', status: is === 'ok' ? 'ok' : 'failed', part: is === 'fork' ? undefined : part }];
    }
    case 'anchor': {
      const of = subjectOf(a.of, e.attestations) as (Attestation & { kind: 'checkpoint' }) | undefined;
      const state = attempt(() => stateOf(a, a.atsId, a.version));
      const sets = attempt(() => finalityOf(a.finality!, a.header));
      const is =
        (!of || later(e.at as Log, of, keys) === 'ok') &&
        state &&
        state.commitment === (of ? sha256(utf8(of.checkpoint)) : e.block.hash) &&
        state.protocol === version &&
        state.createdAt === BigInt(headerNumber(a.header)!) &&
        state.versions >= a.version &&
        state.time !== undefined &&
        sets &&
        trusts(chains, e.network, a.genesis, sets);
      return [
        {
          name: 'anchor',
          status: is ? 'ok' : is === undefined ? 'not_checked' : 'failed',
          part,
          ...(is && state && { time: state.time }),
          ...(state && sets && { set: a.finality!.setId }),
        },
      ];
    }
    default:
      return [{ name: 'attestation', status: 'not_checked', part }];
  }
}

/** The cosignatures of the block's checkpoint, and those of later checkpoints that continue it. The best of them count. */
function verifyWitnesses(e: Evidence, l: Log, keys: readonly string[], policy: Policy | undefined): Check[] {
  const laters = e.attestations.filter((a) => a.kind === 'checkpoint');
  const any = l.cosignatures.length > 0 || laters.some((a) => a.cosignatures.length > 0);
  if (!any && !(policy && asks(policy))) return [];
  if (!policy) return [{ name: 'witnesses', status: 'not_checked' }];
  let best = witnessed(policy, noteText(l.checkpoint), l.cosignatures);
  if (!best)
    return [
      { name: 'cosignatures', status: 'failed' },
      { name: 'witnesses', status: 'not_checked' },
    ];
  for (const a of laters) {
    const one = later(l, a, keys) === 'ok' ? witnessed(policy, noteText(a.checkpoint), a.cosignatures) : undefined;
    if (one && better(one, best)) best = one;
  }
  const status = !best.met ? 'failed' : best.names.length > 0 ? 'ok' : 'not_checked';
  const proved = status === 'ok' ? { time: best.since! * 1_000_000_000n, by: best.names } : {};
  return [
    { name: 'cosignatures', status: 'ok' },
    { name: 'witnesses', status, ...proved },
  ];
}

/** Whether a says more than b: first the quorum, then the earlier time. */
function better(a: Cosigned, b: Cosigned): boolean {
  if (a.met !== b.met) return a.met;
  if (!a.met) return a.names.length > b.names.length;
  return a.names.length > 0 && (b.names.length === 0 || a.since! < b.since!);
}

/** The clocks of honest parties differ less than this, and the clock of the reader is less wrong than that; in nanoseconds. */
const clockTolerance = 300_000_000_000n;
const futureTolerance = 86_400_000_000_000n;

/** No one can see a block before the log made it, and no one can see anything in the future. */
function verifyDates(e: Evidence, checks: readonly Check[], now: number): Check[] {
  const future = BigInt(Math.floor(now)) * 1_000_000n + futureTolerance;
  const log = 'leaf' in e.at;
  const dated = checks.filter((c) => c.time !== undefined && c.status === 'ok');
  if (!log && dated.length === 0) return [];
  const wrong = (log && e.block.time > future) || dated.some((c) => c.time! > future || (log && c.time! + clockTolerance < e.block.time));
  return [{ name: 'dates', status: wrong ? 'failed' : 'ok' }];
}

type Add = (name: Name, holds: boolean | 'not_checked', owner?: string) => void;

/** The result of a proof that throws if it does not hold. */
function attempt<T>(proof: () => T): T | false {
  try {
    return proof();
  } catch {
    return false;
  }
}

/** Without a proof, only the chain can answer a check. */
function verifyChain(e: Evidence, s: Substrate, chains: readonly Checkpoint[], add: Add): void {
  add('transaction', blake2b256(s.extrinsic) === e.txHash);
  add('entry', registers(s.extrinsic, e.commitment, e.protocol, e.atsId, e.version));
  const number = headerNumber(s.header);
  add('block', number !== undefined && BigInt(number) === e.block.number && blake2b256(s.header) === e.block.hash);
  const { finality } = s;
  const state = s.stateProof.length ? attempt(() => stateOf(s, e.atsId, e.version)) : undefined;
  const registered =
    state &&
    state.commitment === e.commitment &&
    state.protocol === e.protocol &&
    state.createdAt === e.block.number &&
    state.versions >= e.version;
  const held = s.extrinsicProof.length ? attempt(() => (includes(s), true)) : 'not_checked';
  add('inclusion', held === true && !registered ? 'not_checked' : held);
  if (s.stateProof.length) add('state', registered ?? 'not_checked', registered && state ? state.owner : undefined);
  const sets = finality && attempt(() => finalityOf(finality, s.header));
  if (finality) add('finality', sets === undefined ? 'not_checked' : !!sets);
  add('chain', (sets ? trusts(chains, e.network, s.genesis, sets) : undefined) ?? 'not_checked');
  add('time', registered && state.time !== undefined ? state.time === e.block.time : 'not_checked');
}

function verifyLog(e: Evidence, l: Log, keys: readonly string[], add: Add): void {
  const entry = parseLeaf(l.leaf);
  const fits =
    entry !== undefined &&
    entry.commitment === e.commitment &&
    entry.protocol === e.protocol &&
    entry.atsId === e.atsId &&
    entry.version === e.version &&
    entry.tx === e.txHash &&
    entry.block === e.block.number;
  add('entry', fits);
  add('time', fits && entry.at === e.block.time);
  const known = keys.includes(l.key);
  add('log_key', keys.length ? known : 'not_checked');
  const key = parseKey(keys.length && !known ? keys[0]! : l.key);
  const tree = key && networkOf(l.origin) === e.network ? openCheckpoint(l.checkpoint, l.origin, key) : undefined;
  add('checkpoint', tree !== undefined);
  add('inclusion', tree !== undefined && included(tree, l.index, l.leaf, l.proof));
  add('block', sha256(utf8(l.checkpoint)) === e.block.hash);
}
