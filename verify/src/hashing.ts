/**
 * Hashes a file. The page reads it in pieces. A worker, whose source is part of this page, hashes them with WebAssembly. If no worker
 * starts, or it has no WebAssembly, the page hashes small pieces itself, and draws in between.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import source from 'worker:hash.worker.ts';
import { hex } from './bytes.js';

/** The messages to a worker: a piece, or null for the end. */
export type Piece = ArrayBuffer | null;
/** The answers of a worker: an empty text for a piece, and the hash in hexadecimal for the end; undefined when it cannot hash. */
export type Answer = string | undefined;

/** Hashes pieces in their order. */
interface Hasher {
  /** The size of a piece in bytes. */
  readonly piece: number;
  send(piece: Piece): Promise<string>;
  /** Frees its resources. */
  end(): void;
}

/** Large enough that a message costs little, small enough that two pieces use little memory. */
const piece = 4 << 20;
/** The page needs some 10 ms for it: less than a frame. */
const smallPiece = 1 << 19;

/** A page may only start a worker from an address that its own Trusted Types policy made. */
interface Policies {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}
const { trustedTypes } = globalThis as { trustedTypes?: Policies };
const policy = trustedTypes?.createPolicy('verify', { createScriptURL: (url) => url });

class WorkerFailed extends Error {}

/** Throws WorkerFailed when no worker starts or the worker breaks; so do its promises. */
function inWorker(): Hasher {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  let worker: Worker;
  try {
    worker = new Worker(policy?.createScriptURL(url) ?? url);
  } catch (e) {
    URL.revokeObjectURL(url);
    throw new WorkerFailed(String(e));
  }
  let broken = false;
  let settle: { answer: (a: string) => void; fail: (e: Error) => void } | undefined;
  const fail = () => {
    broken = true;
    settle?.fail(new WorkerFailed());
  };
  worker.onerror = worker.onmessageerror = fail;
  worker.onmessage = ({ data }: MessageEvent<Answer>) => (data === undefined ? fail() : settle?.answer(data));
  return {
    piece,
    send: (bytes) =>
      new Promise((answer, reject) => {
        settle = { answer, fail: reject };
        if (broken) fail();
        else worker.postMessage(bytes, bytes ? [bytes] : []);
      }),
    end: () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

function inPage(): Hasher {
  const d = sha256.create();
  return {
    piece: smallPiece,
    send: async (bytes) => {
      if (!bytes) return hex(d.digest());
      d.update(new Uint8Array(bytes));
      await new Promise((drawn) => setTimeout(drawn));
      return '';
    },
    end: () => undefined,
  };
}

async function feed(file: Blob, hasher: Hasher, progress: (done: number) => void, signal: AbortSignal): Promise<string> {
  const read = (at: number) => file.slice(at, at + hasher.piece).arrayBuffer();
  try {
    let next = read(0);
    for (let at = 0; at < file.size; at += hasher.piece) {
      const bytes = await next;
      // The next piece is read while this one is hashed.
      next = at + hasher.piece < file.size ? read(at + hasher.piece) : Promise.resolve(bytes);
      next.catch(() => undefined); // awaited above, unless hashing fails first
      await hasher.send(bytes);
      signal.throwIfAborted();
      progress(Math.min(at + hasher.piece, file.size));
    }
    return await hasher.send(null);
  } finally {
    hasher.end();
  }
}

/** The SHA-256 of the file in hexadecimal. The promise is rejected when the signal aborts, and when the file cannot be read. */
export async function hash(file: Blob, progress: (done: number) => void, signal: AbortSignal): Promise<string> {
  try {
    return await feed(file, inWorker(), progress, signal);
  } catch (e) {
    if (!(e instanceof WorkerFailed)) throw e;
    return await feed(file, inPage(), progress, signal);
  }
}
