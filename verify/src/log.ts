/**
 * The published data of a transparency log: the text of an entry, a signed checkpoint, and the proof that the checkpoint includes the
 * entry. The Go sources have it in internal/network/log/leaf and golang.org/x/mod/sumdb.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { base64, hex, sha256, unbase64, unhex, utf8, type Bytes } from './bytes.js';
import { moment } from './time.js';

export const maxInt64 = 2n ** 63n - 1n;

/** The largest size of a log: half of the largest int64, so that calculations with sizes do not overflow. */
const maxSize = 2n ** 62n;

export interface Leaf {
  readonly commitment: string;
  readonly protocol: number;
  readonly atsId: bigint;
  readonly version: bigint;
  readonly block: bigint;
  readonly at: bigint;
  /** The hash of the transaction: of the first five lines. */
  readonly tx: string;
}

const form =
  /^(timbre-log\/v1\n(?:create|update ([1-9][0-9]*))\ncommitment ([0-9a-f]{64})\nprotocol ([1-9][0-9]{0,2})\nnonce [0-9a-f]{64}\n)ats ([1-9][0-9]*)\nversion ([1-9][0-9]*)\nblock ([1-9][0-9]*)\ntime ([0-9T:-]{19}\.[0-9]{6}Z)\n$/;

/** Reads an entry in its only valid form; undefined for every other text, and for an entry that contradicts itself. */
export function parseLeaf(text: string): Leaf | undefined {
  const m = form.exec(text);
  if (!m) return undefined;
  const numbers = [m[2] ?? '0', m[5]!, m[6]!, m[7]!].map(BigInt) as [bigint, bigint, bigint, bigint];
  const [updates, atsId, version, block] = numbers;
  const protocol = Number(m[4]);
  const at = moment(m[8]!);
  if (at === undefined || protocol > 255 || numbers.some((n) => n > maxInt64)) return undefined;
  if ((updates === 0n) !== (version === 1n) || (updates !== 0n && updates !== atsId)) return undefined;
  return { commitment: m[3]!, protocol, atsId, version, block, at, tx: sha256(utf8(m[1]!)) };
}

/** A verifier key, in the text form "name+hash+key". */
export interface Key {
  readonly name: string;
  readonly hash: number;
  readonly point: Bytes;
}

export const validName = (name: string): boolean => name !== '' && !/[\p{White_Space}+]/u.test(name);

const uint32 = (b: Uint8Array): number => new DataView(b.buffer, b.byteOffset).getUint32(0);

/** Reads a verifier key: undefined when it is invalid, or not an Ed25519 key. */
export function parseKey(text: string): Key | undefined {
  const [name = '', hash = '', ...rest] = text.split('+');
  const key = unbase64(rest.join('+'));
  if (!validName(name) || !/^[0-9a-fA-F]{8}$/.test(hash) || key?.length !== 33 || key[0] !== 1) return undefined;
  const named = parseInt(hash, 16);
  if (parseInt(sha256(utf8(name + '\n'), key).slice(0, 8), 16) !== named) return undefined;
  return { name, hash: named, point: key.slice(1) };
}

/** The fingerprint that people compare: 128 bits of the SHA-256 of the key's text, in groups. */
export const fingerprint = (key: string): string => sha256(utf8(key)).slice(0, 32).match(/.{4}/g)!.join(' ');

function signed(key: Key, text: string, signature: Bytes): boolean {
  try {
    return ed25519.verify(signature, utf8(text), key.point, { zip215: false });
  } catch {
    return false; // not the length of a signature, or not a point of the curve
  }
}

const maxSignatures = 100;

/** A signed note: its text, and its signature lines without the newlines. */
export interface Note {
  readonly text: string;
  readonly lines: readonly string[];
}

/** Separates a signed note; undefined for any other text. */
export function splitNote(note: string): Note | undefined {
  if (/[\x00-\x09\x0b-\x1f]/.test(note)) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return undefined;
  const lines = note.slice(split + 2).split('\n');
  if (lines.pop() !== '' || lines.length === 0 || lines.length > maxSignatures) return undefined;
  return lines.every(signatureOf) ? { text: note.slice(0, split + 1), lines } : undefined;
}

/** One signature line of a note. */
export interface Signature {
  readonly name: string;
  readonly hash: number;
  readonly bytes: Bytes;
}

/** Reads a signature line in its only form; undefined for every other text. */
export function signatureOf(line: string): Signature | undefined {
  const m = /^— ([^ ]*) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
  const raw = m && unbase64(m[2]!);
  if (!m || !validName(m[1]!) || !raw || raw.length < 5 || base64(raw) !== m[2]) return undefined;
  return { name: m[1]!, hash: uint32(raw), bytes: raw.slice(4) };
}

/**
 * The text of a signed note, if the key signed it. Undefined when the text is not a note, or the key's signature is wrong or missing.
 * Signatures of other keys are ignored.
 */
function openNote(note: string, key: Key): string | undefined {
  if (/[\x00-\x09\x0b-\x1f]/.test(note)) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return undefined;
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2).split('\n');
  if (lines.pop() !== '' || lines.length === 0 || lines.length > maxSignatures) return undefined;
  let found = false;
  for (const line of lines) {
    const m = /^— ([^ ]*) (.+)$/u.exec(line);
    const signature = m && unbase64(m[2]!);
    if (!m || !validName(m[1]!) || !signature || signature.length < 5) return undefined;
    if (found || m[1] !== key.name || uint32(signature) !== key.hash) continue;
    if (!signed(key, text, signature.slice(4))) return undefined;
    found = true;
  }
  return found ? text : undefined;
}

/** A tree: its size, and its root in hexadecimal. */
export interface Tree {
  readonly size: bigint;
  readonly root: string;
}

/** Reads a checkpoint that the key signed, of the log with this origin. The origin is also the name of the key. */
export function openCheckpoint(note: string, origin: string, key: Key): Tree | undefined {
  if (key.name !== origin) return undefined;
  const lines = openNote(note, key)?.split('\n');
  if (lines?.length !== 4 || lines[0] !== origin || lines[3] !== '' || !/^(?:0|[1-9][0-9]*)$/.test(lines[1]!)) return undefined;
  const size = BigInt(lines[1]!);
  const root = unbase64(lines[2]!);
  return size <= maxSize && root?.length === 32 ? { size, root: hex(root) } : undefined;
}

const node = (left: string, right: string): string => sha256(Uint8Array.of(1), unhex(left + right));

/** Whether the proof (RFC 6962) shows that the text is at this position of the tree. */
export function included(tree: Tree, index: bigint, text: string, proof: readonly string[]): boolean {
  if (index < 0n || index >= tree.size) return false;
  // From the root down: the side of each neighbour.
  const left: boolean[] = [];
  for (let [from, to] = [0n, tree.size]; to - from > 1n;) {
    let half = 1n;
    while (half * 2n < to - from) half *= 2n;
    left.push(index >= from + half);
    if (index >= from + half) from += half;
    else to = from + half;
  }
  if (left.length !== proof.length) return false;
  const leaf = sha256(Uint8Array.of(0), utf8(text));
  return left.reverse().reduce((h, isLeft, i) => (isLeft ? node(proof[i]!, h) : node(h, proof[i]!)), leaf) === tree.root;
}

/**
 * Whether the proof (RFC 6962, section 2.1.2) shows that the newer tree continues the older one.
 */
export function continues(older: Tree, newer: Tree, proof: readonly string[]): boolean {
  if (older.size < 1n || older.size > newer.size) return false;
  const used = { at: 0 };
  const next = (): string | undefined => proof[used.at++];
  // The roots of the older and of the newer tree over the leaves from lo to hi, as the proof gives them.
  const roots = (lo: bigint, hi: bigint, n: bigint, whole: boolean): [string, string] | undefined => {
    if (n === hi) {
      const hash = whole ? older.root : next();
      return hash === undefined ? undefined : [hash, hash];
    }
    let half = 1n;
    while (half * 2n < hi - lo) half *= 2n;
    if (n <= lo + half) {
      const left = roots(lo, lo + half, n, whole);
      const right = next();
      return left && right !== undefined ? [left[0], node(left[1], right)] : undefined;
    }
    const right = roots(lo + half, hi, n, false);
    const left = next();
    return right && left !== undefined ? [node(left, right[0]), node(left, right[1])] : undefined;
  };
  const found = roots(0n, newer.size, older.size, true);
  return found !== undefined && used.at === proof.length && found[0] === older.root && found[1] === newer.root;
}
