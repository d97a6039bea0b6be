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

/** Whether the extrinsic is signed and ends with the call that registers the commitment. */
export function registers(extrinsic: Uint8Array, commitment: string, protocol: number, atsId: bigint, version: bigint): boolean {
  const c = compact(extrinsic);
  if (!c || c.n === 0 || c.n !== c.rest.length || c.rest[0] !== signedVersion4) return false;
  const id = new Uint8Array(8);
  new DataView(id.buffer).setBigUint64(0, atsId, true);
  const call = concat(version > 1n ? concat(Uint8Array.of(1), id) : Uint8Array.of(0), unhex(commitment), Uint8Array.of(protocol));
  return c.rest.length >= call.length && hex(c.rest.subarray(-call.length)) === hex(call);
}
