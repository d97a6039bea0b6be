/**
 * Checks the parts of a chain's evidence that need no chain: hashes, and the content of the transaction. Only the chain can show that it
 * has the block, that the block holds the transaction, and that the transaction succeeded. The Go sources have this in
 * proof/evidence/substrate.go.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { concat, hex, unhex } from './bytes.js';

export const blake2b256 = (b: Uint8Array): string => hex(blake2b(b, { dkLen: 32 }));

/**
 * Reads a number in SCALE's compact form, and returns the bytes after it too. Undefined when it is invalid, or larger than any number here.
 */
function compact(b: Uint8Array): { n: number; rest: Uint8Array } | undefined {
  const size = b.length ? 1 << (b[0]! & 3) : 0;
  if (size === 0 || size === 8 || b.length < size) return undefined;
  let n = 0;
  for (let i = size - 1; i >= 0; i--) n = n * 256 + b[i]!;
  return { n: Math.floor(n / 4), rest: b.subarray(size) };
}

/** The number in a block's header, which has the parent's hash, the number, two roots and a digest. */
export function headerNumber(header: Uint8Array): number | undefined {
  const c = header.length < 32 ? undefined : compact(header.subarray(32));
  return c && c.rest.length > 64 ? c.n : undefined;
}

const signedVersion4 = 0x84;

/** The bytes after the signer's account, the signature, the era, the nonce and the tip; undefined if these have another form. */
function afterTip(body: Uint8Array): number | undefined {
  if (body[1] !== 0 || !(body[34]! < 3)) return undefined;
  let at = body[34] === 2 ? 100 : 99;
  at += body[at] ? 2 : 1;
  for (let i = 0; i < 2; i++) at += (body[at]! & 3) === 3 ? (body[at]! >> 2) + 5 : 1 << (body[at]! & 3);
  return at > body.length ? undefined : body.length - at;
}

/** Whether the bytes are a batch of calls that has this one. */
function inBatch(b: Uint8Array, call: string): boolean {
  for (let skip = 0; skip < 8; skip++) {
    const c = compact(b.subarray(skip + 2));
    if (!c || c.n < 2) continue;
    let { n, rest } = c;
    let has = false;
    while (n > 0 && rest[0] === c.rest[0] && rest[1]! < 2) {
      const size = 35 + 8 * rest[1]!;
      if (rest.length < size) break;
      has ||= hex(rest.subarray(1, size)) === call;
      rest = rest.subarray(size);
      n--;
    }
    if (has && !n && !rest.length) return true;
  }
  return false;
}

/** Whether the extrinsic is signed and is the call that registers the commitment. The Go sources have the reasons. */
export function registers(
  extrinsic: Uint8Array,
  commitment: string,
  protocol: number,
  atsId: bigint,
  version: bigint,
): boolean | 'not_checked' {
  const c = compact(extrinsic);
  if (!c || c.n === 0 || c.n !== c.rest.length || c.rest[0] !== signedVersion4) return false;
  const id = new Uint8Array(8);
  new DataView(id.buffer).setBigUint64(0, atsId, true);
  const call = concat(version > 1n ? concat(Uint8Array.of(1), id) : Uint8Array.of(0), unhex(commitment), Uint8Array.of(protocol));
  const after = afterTip(c.rest);
  if (after !== undefined && inBatch(c.rest.subarray(c.rest.length - after), hex(call))) return true;
  if (c.rest.length < call.length || hex(c.rest.subarray(-call.length)) !== hex(call)) return false;
  if (after === undefined) return 'not_checked';
  const between = after - 1 - call.length;
  if (between < 0 || (version === 1n && between > 7 && between < 16 && c.rest.at(-call.length - 8) === 1)) return false;
  return between < 8 || 'not_checked';
}
