/** SHA-256 of what comes in pieces. */
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from './bytes.js';

export interface Digest {
  update(bytes: Uint8Array): unknown;
  /** Hexadecimal. */
  digest(): string;
}

/** Without WebAssembly: 40 MB/s where that has 225. */
export function inScript(): Digest {
  const d = sha256.create();
  return { update: (bytes) => d.update(bytes), digest: () => hex(d.digest()) };
}
