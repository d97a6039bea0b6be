/** Hashes one file, piece by piece, away from the page. */
import { sha256 } from '@noble/hashes/sha2.js';
import { createSHA256 } from 'hash-wasm';
import { hex } from './bytes.js';
import type { Message } from './hashing.js';

/** Large enough that asking costs nothing, small enough that two of them are no burden. */
const piece = 4 << 20;

interface Digest {
  update(bytes: Uint8Array): unknown;
  digest(): string;
}

/** WebAssembly is several times as fast. Some browsers forbid it, as phones in lockdown do. */
async function begin(): Promise<Digest> {
  try {
    return (await createSHA256()).init();
  } catch {
    const slow = sha256.create();
    return { update: (bytes) => slow.update(bytes), digest: () => hex(slow.digest()) };
  }
}

const post = (m: Message) => postMessage(m);

addEventListener('message', async ({ data: file }: MessageEvent<File>) => {
  try {
    const digest = await begin();
    const read = (at: number) => file.slice(at, at + piece).arrayBuffer();
    // The next piece is on its way while this one is hashed.
    let next = read(0);
    for (let at = 0; at < file.size; at += piece) {
      const bytes = new Uint8Array(await next);
      if (at + piece < file.size) next = read(at + piece);
      digest.update(bytes);
      post({ done: Math.min(at + piece, file.size) });
    }
    post({ sha256: digest.digest() });
  } catch (e) {
    post({ unreadable: String(e) });
  }
});
