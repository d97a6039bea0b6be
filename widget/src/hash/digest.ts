/** Computes the SHA-256 of a file piece by piece, and is the whole script of the worker that does so. */
/*! With @noble/hashes, Copyright (c) 2022 Paul Miller (https://paulmillr.com), MIT License */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** Bytes of a piece: in a worker, and in a page, which must answer its user in between (about 10 ms on a phone). */
export const pieces = { worker: 1 << 20, page: 256 << 10 };

/** The messages of a worker: its progress, or its end. */
export type Answer = number | { hex: string } | { failed: string };

/** Makes this thread a worker: it answers each file that it receives. */
export function listen(): void {
  globalThis.onmessage = ({ data: file }: MessageEvent<Blob>) => {
    const answer = (a: Answer) => globalThis.postMessage(a);
    digest(file, pieces.worker, answer).then(
      (hex) => answer({ hex }),
      (e: unknown) => answer({ failed: String(e) }),
    );
  };
}

export async function digest(file: Blob, piece: number, onProgress: (loaded: number) => void, signal?: AbortSignal): Promise<string> {
  const hash = sha256.create();
  let at = 0;
  while (at < file.size) {
    // Reading lets other tasks run.
    const bytes = new Uint8Array(await file.slice(at, at + piece).arrayBuffer());
    signal?.throwIfAborted();
    if (!bytes.length) throw new Error('the file is shorter than it was');
    hash.update(bytes);
    onProgress((at += bytes.length));
  }
  return bytesToHex(hash.digest());
}
