/**
 * The entry of ats-widget-hash.js: reads a recording that is not sent, piece by piece, and returns its SHA-256. The same file is also the
 * worker that does this. Where the page allows no worker, the page itself reads small pieces.
 */
/*! With @noble/hashes, Copyright (c) 2022 Paul Miller (https://paulmillr.com), MIT License */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { hash as texts } from '../../../web/i18n/locales/en.json';
import { ProblemError } from '../ats/problem.js';
import { en } from '../i18n/catalogues.js';
import type { Hash } from '../parts/contract.js';
import { kindOf } from '../file/kinds.js';

/** Bytes of a piece: in a worker, and in a page, which must answer its user in between (about 10 ms on a phone). */
const pieces = { worker: 1 << 20, page: 256 << 10 };

/** The messages of a worker: its progress, or its end. */
type Answer = number | { hex: string } | { failed: string };

/** A page has a document. A worker has none, and none of the page's modules. */
if (typeof document === 'undefined') {
  globalThis.onmessage = ({ data: file }: MessageEvent<Blob>) => {
    const answer = (a: Answer) => globalThis.postMessage(a);
    digest(file, pieces.worker, answer).then(
      (hex) => answer({ hex }),
      (e: unknown) => answer({ failed: String(e) }),
    );
  };
}

async function digest(file: Blob, piece: number, onProgress: (loaded: number) => void, signal?: AbortSignal): Promise<string> {
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

/** Undefined when the page allows no worker. */
function inWorker(file: File, onProgress: (loaded: number) => void, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let worker: Worker | undefined;
    const url = address();
    const end = (give: () => void) => {
      worker?.terminate();
      URL.revokeObjectURL(url);
      signal.removeEventListener('abort', stop);
      give();
    };
    const stop = () => end(() => reject(signal.reason));
    try {
      worker = new Worker((policy?.createScriptURL(url) ?? url) as string, { type: 'module' });
    } catch {
      return end(() => resolve(undefined));
    }
    signal.addEventListener('abort', stop);
    worker.onerror = (e) => {
      e.preventDefault();
      end(() => resolve(undefined));
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (typeof data === 'number') onProgress(data);
      else end(() => ('hex' in data ? resolve(data.hex) : reject(new Error(data.failed))));
    };
    worker.postMessage(file);
  });
}

/** This file, in a form that a worker may load: a file of another origin needs a script of the page's origin. */
function address(): string {
  const here = import.meta.url;
  if (new URL(here).origin === globalThis.location?.origin) return here;
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(here)}`], { type: 'text/javascript' }));
}

interface Policy {
  createScriptURL(url: string): unknown;
}
let policy: Policy | undefined;
try {
  policy = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes?.createPolicy(
    'ats-widget',
    {
      createScriptURL: (url) => url,
    },
  );
} catch {
  // The page's policy lists its policies by name, and this one is missing.
}

export const hash: Hash = async (file, onProgress, signal) => {
  Object.assign(en, texts);
  try {
    const detected = kindOf(new Uint8Array(await file.slice(0, 512).arrayBuffer()));
    if (detected) throw new ProblemError('registration.invalid_audio_format', { detected });
    return (await inWorker(file, onProgress, signal)) ?? (await digest(file, pieces.page, onProgress, signal));
  } catch (e) {
    signal.throwIfAborted();
    // The file was moved, changed or deleted since it was chosen.
    throw e instanceof ProblemError ? e : new ProblemError('widget.upload_error', { reason: 'unreadable' });
  }
};
