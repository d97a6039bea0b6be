/** Hashes the pieces that the page sends, in a worker. It never opens the file: WebKit forbids that to a worker of a saved page. */
import { createSHA256 } from 'hash-wasm';
import type { Answer, Piece } from './hashing.js';

const digest = createSHA256().then((d) => d.init());

addEventListener('message', ({ data }: MessageEvent<Piece>) => void answerTo(data));

async function answerTo(data: Piece): Promise<void> {
  let answer: Answer;
  try {
    const d = await digest;
    if (data) d.update(new Uint8Array(data));
    answer = data ? '' : d.digest();
  } catch {
    answer = undefined; // some browsers forbid WebAssembly, for example phones in Lockdown Mode
  }
  postMessage(answer);
}
