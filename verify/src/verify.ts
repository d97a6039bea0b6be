/** Checks evidence: the same checks, in the same order, as Verify of package evidence in the Go sources. */
import { sha256, utf8 } from './bytes.js';
import { leaf, proves, root, seal, version } from './commitment.js';
import type { Evidence, Log, Substrate } from './evidence.js';
import { included, openCheckpoint, parseKey, parseLeaf } from './log.js';
import { networkOf } from './network.js';
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
  | 'chain'
  | 'token';

export interface Check {
  readonly name: Name;
  readonly status: Status;
}

/** The verifier's own data, in addition to the evidence. */
export interface Options {
  /** The recording's SHA-256 and size, when it was given. */
  readonly media?: { readonly sha256: string; readonly size: bigint } | undefined;
  /** The trusted verifier keys. Without any, the evidence's own key is used; this does not prove who owns the log. */
  readonly keys: readonly string[];
  /** In a PDF: whether its page was changed after it was issued. */
  readonly changed?: boolean | undefined;
}

/** Whether nothing failed. A check that was not made proves nothing. */
export const holds = (checks: readonly Check[]): boolean => checks.every((c) => c.status !== 'failed');

export function verify(e: Evidence, { media, keys, changed }: Options): Check[] {
  const checks: Check[] = [];
  const add: Add = (name, holds) => {
    checks.push({ name, status: holds === 'not_checked' ? holds : holds ? 'ok' : 'failed' });
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
  if ('leaf' in e.at) verifyLog(e, e.at, keys, add);
  else verifyChain(e, e.at, add);
  if (e.token) add('token', 'not_checked');
  return checks;
}

type Add = (name: Name, holds: boolean | 'not_checked') => void;

function verifyChain(e: Evidence, s: Substrate, add: Add): void {
  add('transaction', blake2b256(s.extrinsic) === e.txHash);
  add('entry', registers(s.extrinsic, e.commitment, e.protocol, e.atsId, e.version));
  const number = headerNumber(s.header);
  add('block', number !== undefined && BigInt(number) === e.block.number && blake2b256(s.header) === e.block.hash);
  // Only the chain can answer these checks.
  add('inclusion', 'not_checked');
  add('chain', 'not_checked');
  add('time', 'not_checked');
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
