/**
 * The proofs of a chain: what its state says (a trie of Substrate), and that its authorities made a block final (GRANDPA). The Go sources
 * have this in proof/evidence: trie.go, grandpa.go, chain_state.go and chain_checkpoint.go. Everything here throws if a proof does not hold.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { concat, hex, unhex, utf8 } from './bytes.js';
import type { Finality, Substrate } from './evidence.js';
import { maxInt64 } from './log.js';
import { isNetworkName } from './network.js';

const hash = (b: Uint8Array, dkLen = 32): string => hex(blake2b(b, { dkLen }));

const bad = (): never => {
  throw new Error();
};

/** Reads SCALE from the front. */
class Scale {
  at = 0;
  constructor(readonly b: Uint8Array) {}

  take(n: number): Uint8Array {
    if (n > this.b.length - this.at) bad();
    return this.b.subarray(this.at, (this.at += n));
  }

  hex = (n = 32): string => hex(this.take(n));
  byte = (): number => this.take(1)[0]!;
  /** A number of n bytes, little-endian. */
  int = (n: number): bigint => this.take(n).reduceRight((all, b) => all * 256n + BigInt(b), 0n);
  compact(): number {
    const size = 1 << (this.take(1)[0]! & 3);
    this.at--;
    return size === 8 ? bad() : Number(this.int(size) >> 2n);
  }
  sized = (): Uint8Array => this.take(this.compact());
  end = (): void => {
    if (this.at < this.b.length) bad();
  };
}

/** Reads all bytes with a function. */
function whole<T>(b: Uint8Array, read: (r: Scale) => T): T {
  const r = new Scale(b);
  const is = read(r);
  r.end();
  return is;
}

const digit = (b: Uint8Array, i: number): number => (i % 2 ? b[i >> 1]! & 15 : b[i >> 1]! >> 4);

interface Node {
  readonly digits: number;
  readonly partial: Uint8Array;
  readonly value: Uint8Array | undefined;
  readonly hashed: boolean;
  readonly children: readonly (Uint8Array | undefined)[];
}

/** The first bits of a node are its kind: a branch or not, with a value, with its hash, and the bits of the number of digits. */
function nodeOf(r: Scale): Node {
  const first = r.byte();
  if (first === 0) return { digits: 0, partial: r.b, value: undefined, hashed: false, children: [] };
  const top = first >> 6;
  const hashed = top === 0;
  const branch = top > 1 || first >> 4 === 1;
  const bits = top ? 6 : first >> 5 ? 5 : first >> 4 ? 4 : bad();
  const most = (1 << bits) - 1;
  let digits = first & most;
  for (let more = digits === most; more;) {
    const next = r.byte();
    digits += next;
    more = next === 255;
  }
  const partial = r.take((digits + 1) >> 1);
  if (digits % 2 && partial[0]! >> 4) bad();
  const present = branch ? Number(r.int(2)) : 0;
  const value = hashed ? r.take(32) : top !== 2 ? r.sized() : undefined;
  const children = Array.from({ length: 16 }, (_, i) => {
    const child = (present >> i) & 1 ? r.sized() : undefined;
    return child && (child.length < 1 || child.length > 32) ? bad() : child;
  });
  return { digits, partial, value, hashed, children };
}

/** The error of a proof that lacks a node. */
const missing = new Error();

/** The part of a trie that the nodes of a proof show. */
class Trie {
  readonly #nodes: ReadonlyMap<string, Uint8Array>;
  readonly #used = new Set<string>();

  constructor(
    readonly root: string,
    nodes: readonly Uint8Array[],
  ) {
    this.#nodes = new Map(nodes.map((n) => [hash(n), n]));
  }

  #stored(h: string): Uint8Array {
    const n = this.#nodes.get(h);
    if (!n) throw missing;
    this.#used.add(h);
    return n;
  }

  /** The value of a key; undefined if the trie is proved to have none. */
  get(key: Uint8Array): Uint8Array | undefined {
    const digits = 2 * key.length;
    let text = this.#stored(this.root);
    for (let at = 0; ;) {
      const n = whole(text, nodeOf);
      if (n.digits > digits - at) return undefined;
      for (let i = 0; i < n.digits; i++) if (digit(n.partial, i + (n.digits % 2)) !== digit(key, at + i)) return undefined;
      at += n.digits;
      if (at === digits) return n.hashed ? this.#stored(hex(n.value!)) : n.value;
      const child = n.children[digit(key, at++)];
      if (!child) return undefined;
      text = child.length === 32 ? this.#stored(hex(child)) : child;
    }
  }

  /** Every node is needed: nothing in the evidence protects another one. */
  complete(): void {
    if (this.#used.size < this.#nodes.size) bad();
  }
}

const little = (n: bigint, size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => Number((n >> BigInt(8 * i)) & 255n));

/** The key of a map's entry, whose hasher is Blake2_128Concat. */
const mapKey = (b: Uint8Array): string => hash(b, 16) + hex(b);

const ats = 'd6a922a3bb930d4e184882d6db8d355f';

export interface State {
  readonly commitment: string;
  readonly protocol: number;
  readonly createdAt: bigint;
  readonly versions: bigint;
  /** The account of the work's owner. */
  readonly owner: string;
  /** In nanoseconds since 1970. */
  readonly time: bigint | undefined;
}

/** The version and its work in the chain's state. Undefined if the state stores works in an unknown form. */
export function stateOf(s: Pick<Substrate, 'header' | 'stateProof'>, atsId: bigint, version: bigint): State | undefined {
  const { state } = whole(s.header, blockOf);
  if (version > 0xffffffffn) bad();
  const trie = new Trie(state, s.stateProof);
  const work = mapKey(little(atsId, 8));
  const get = (key: string) => trie.get(unhex(key));
  const optional = (key: string) => {
    try {
      return get(key);
    } catch (e) {
      return e === missing ? undefined : bad();
    }
  };
  const v = get(`${ats}eb1a8703380c322f02a66a55ef253e7e${work}${mapKey(little(version - 1n, 4))}`) ?? bad();
  const w = get(`${ats}6594e7b0e619cc1e0c43aeb4e050e2a3${work}`) ?? bad();
  const now = optional('f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb');
  optional('5f9cc45b7a00c5899361e1c6099678dc8a2d09463effcc78a22d75b9cb87dffc');
  optional('26aa394eea5630e07c48ae0c9558cef7f9cce9c888469bb1a0dceaa129672ef8');
  trie.complete();
  const ms = now?.length === 8 ? new Scale(now).int(8) : undefined;
  try {
    const r = new Scale(v);
    const registered = { commitment: r.hex(), protocol: r.byte(), createdAt: r.int(4) };
    // Runtime 100 stores a deposit with each version and work, runtime 201 a list of deposits with the work.
    if (v.length !== 37 && v.length !== 53) bad();
    const of = new Scale(w);
    const owner = of.hex();
    of.take(4);
    const versions = of.int(4);
    if (w.length !== 56) {
      of.take(48 * of.compact());
      of.end();
    }
    return { ...registered, owner, versions, time: ms !== undefined && ms < 253_402_300_800_000n ? ms * 1_000_000n : undefined };
  } catch {
    return undefined;
  }
}

/** The proof shows that the block has the transaction at its place. */
export function includes(s: Substrate): void {
  const trie = new Trie(whole(s.header, blockOf).extrinsics, s.extrinsicProof);
  const n = s.index;
  if (n >= 1n << 30n) bad();
  const value = trie.get(n < 64n ? little(n << 2n, 1) : n < 16384n ? little((n << 2n) | 1n, 2) : little((n << 2n) | 2n, 4));
  trie.complete();
  if (!value || hex(value) !== hex(s.extrinsic)) bad();
}

/** An authority's key, and how much its vote counts. */
type Members = ReadonlyMap<string, bigint>;

const maxMembers = 256;

/** A set of authorities whose keys are different and whose weights have a sum. */
function setOf(all: readonly (readonly [string, bigint])[]): Members {
  const members = new Map(all);
  if (!all.length || all.length > maxMembers || members.size < all.length) bad();
  if (all.some(([, weight]) => weight < 1n) || total(members) > maxInt64) bad();
  return members;
}

const total = (m: Members): bigint => [...m.values()].reduce((a, b) => a + b, 0n);

function membersOf(r: Scale): Members {
  const n = r.compact();
  return n > maxMembers ? bad() : setOf(Array.from({ length: n }, () => [r.hex(), r.int(8)]));
}

interface Block {
  readonly hash: string;
  readonly parent: string;
  readonly number: number;
  readonly state: string;
  readonly extrinsics: string;
  /** The set to which this block hands over, and after how many blocks. */
  readonly next: Members | undefined;
  readonly delay: bigint;
  /** It announces a set by force. */
  readonly forced: boolean;
}

function blockOf(r: Scale): Block {
  const from = r.at;
  const [parent, number, state, extrinsics] = [r.hex(), r.compact(), r.hex(), r.hex()];
  let next: Members | undefined;
  let [delay, forced] = [0n, false];
  for (let n = r.compact(); n > 0; n--) {
    const kind = r.byte();
    if (kind === 8) continue;
    const engine = [4, 5, 6].includes(kind) ? r.hex(4) : kind ? bad() : '';
    const content = r.sized();
    if (kind !== 4 || engine !== '46524e4b') continue;
    if (content[0] === 1) {
      if (next) bad();
      whole(content.subarray(1), (c) => {
        next = membersOf(c);
        delay = c.int(4);
      });
    } else if (content[0] === 2) forced = true;
  }
  return { hash: hash(r.b.subarray(from, r.at)), parent, number, state, extrinsics, next, delay, forced };
}

const maxVotes = 1024;
const maxHeaders = 512;

/** Checks the justifications of one document. */
class Votes {
  #n = 0;

  /** More than two thirds of the set voted for the block or for descendants of it. */
  check(justification: Uint8Array, target: Block, set: Members, id: bigint): void {
    whole(justification, (r) => {
      const round = r.take(8);
      if (r.hex() !== target.hash || r.int(4) !== BigInt(target.number)) bad();
      const n = r.compact();
      if ((this.#n += n) > maxVotes) bad();
      const votes = Array.from({ length: n }, () => ({ precommit: r.take(36), signature: r.take(64), key: r.take(32) }));
      const headers = new Map<string, Block>();
      const above = r.compact();
      if (above > maxHeaders) bad();
      for (let i = 0; i < above; i++) {
        const b = blockOf(r);
        if (headers.has(b.hash)) bad();
        headers.set(b.hash, b);
      }
      const needed = new Set<string>();
      const left = new Map(set);
      let counted = 0n;
      for (const { precommit, signature, key } of votes) {
        counted += left.get(hex(key)) ?? bad();
        left.delete(hex(key));
        const vote = new Scale(precommit);
        let at = vote.hex();
        if (vote.int(4) !== BigInt((at === target.hash ? target : (headers.get(at) ?? bad())).number)) bad();
        while (at !== target.hash && !needed.has(at)) {
          const b = headers.get(at) ?? bad();
          if (b.number !== (headers.get(b.parent) ?? target).number + 1) bad();
          needed.add(at);
          at = b.parent;
        }
        const message = concat(Uint8Array.of(1), precommit, round, little(id, 8));
        if (!ed25519.verify(signature, message, key, { zip215: false })) bad();
      }
      const all = total(set);
      if (needed.size < headers.size || counted < all - (all - 1n) / 3n) bad();
    });
  }
}

/** The numbers of sets of authorities, and the sets. */
type Sets = ReadonlyMap<bigint, Members>;

/**
 * Checks a proof of finality by itself: every vote, header and hand-over. Returns the sets from the first one to the one that signed the
 * block. Undefined if the authorities were changed by force, which no justification shows.
 */
export function finalityOf(f: Finality, header: Uint8Array): Sets | undefined {
  let set = whole(f.authorities, membersOf);
  let id = f.setId;
  const sets = new Map([[id, set]]);
  const votes = new Votes();
  let last = 0;
  for (const h of f.handOffs) {
    const b = whole(h.header, blockOf);
    if (b.number <= last) bad();
    if (b.forced) return undefined;
    if (!b.next || b.delay) bad();
    votes.check(h.justification, b, set, id);
    last = b.number;
    set = b.next!;
    sets.set(++id, set);
  }
  let b = whole(header, blockOf);
  for (const h of f.headers) {
    const next = whole(h, blockOf);
    if (next.parent !== b.hash || next.number !== b.number + 1 || b.next) bad();
    b = next;
  }
  if (b.number <= last) bad();
  votes.check(f.justification, b, set, id);
  return sets;
}

/** A set of authorities that the reader trusts. */
export interface Checkpoint {
  readonly network: string;
  readonly genesis: string;
  readonly id: bigint;
  readonly members: Members;
}

const same = (a: Members, b: Members): boolean => [...a].join() === [...b].join();

/** Whether the sets begin at one that the reader trusts: true, false if at another one, or undefined if that is not known. */
export function trusts(all: readonly Checkpoint[], network: string, genesis: string, sets: Sets): boolean | undefined {
  const ours = all.filter((c) => c.genesis === genesis);
  const met = ours.filter((c) => sets.has(c.id));
  if ((all.length && !ours.length) || ours.some((c) => c.network !== network) || met.some((c) => !same(c.members, sets.get(c.id)!)))
    return false;
  return met.length ? true : undefined;
}

/** Reads a file of checkpoints, as ParseChainCheckpoints of the Go sources. Undefined for any other text. */
export function parseCheckpoints(text: string): Checkpoint[] | undefined {
  if (utf8(text).length > 1 << 18) return undefined;
  const number = (digits: string, least: bigint): bigint => {
    const n = /^(0|[1-9][0-9]{0,18})$/.test(digits) ? BigInt(digits) : -1n;
    return n < least || n > maxInt64 ? bad() : n;
  };
  const key = (digits: string): string => (/^[0-9a-f]{64}$/.test(digits) ? digits : bad());
  const sets: { readonly id: bigint; readonly members: [string, bigint][] }[] = [];
  let network = '';
  let genesis = '';
  try {
    for (const line of text.split('\n')) {
      const [verb, a = '', b, more] = line.split(/[ \t]+/).filter(Boolean);
      if (verb === undefined || verb.startsWith('#')) continue;
      const last = sets.at(-1);
      if (verb === 'network' && b === undefined && !network) network = isNetworkName(a) ? a : bad();
      else if (verb === 'genesis' && b === undefined && network && !genesis) genesis = key(a);
      else if (verb === 'set' && b === undefined && genesis && sets.length < 64)
        sets.push({ id: number(a, last ? last.id + 1n : 0n), members: [] });
      else if (verb === 'authority' && b !== undefined && more === undefined && last) last.members.push([key(a), number(b, 1n)]);
      else bad();
    }
    return sets.length ? sets.map(({ id, members }) => ({ network, genesis, id, members: setOf(members) })) : undefined;
  } catch {
    return undefined;
  }
}
