/** Hashes the pieces that the page sends, away from the page. It never opens the file: WebKit forbids that to a worker of a saved page. */
import { createSHA256 } from 'hash-wasm';
import { inScript, type Digest } from './digest.js';
import type { Answer, Piece } from './hashing.js';

/** WebAssembly is several times as fast. Some browsers forbid it, as phones in lockdown do. */
async function begin(): Promise<Digest> {
  try {
    return (await createSHA256()).init();
  } catch {
    return inScript();
  }
}

const digest = begin();
addEventListener('message', async ({ data }: MessageEvent<Piece>) => {
  const d = await digest;
  if (data) d.update(new Uint8Array(data));
  const answer: Answer = data ? '' : d.digest();
  postMessage(answer);
});
