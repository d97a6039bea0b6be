/**
 * The entry of ats-widget-hash.js: reads a recording that is not sent, piece by piece, and returns its SHA-256. The same file is also the
 * worker that does this. Where the page allows no worker, the page itself reads small pieces.
 */
import { hash as texts } from '../../../web/i18n/locales/en.json';
import { ProblemError } from '../ats/problem.js';
import { en } from '../i18n/catalogues.js';
import type { Hash } from '../parts/contract.js';
import { kindOf } from '../file/kinds.js';
import { digest, listen, pieces, type Answer } from './digest.js';
import { start } from './script.js';

/** A page has a document. A worker has none, and none of the page's modules. */
if (typeof document === 'undefined') listen();

/** Undefined when the page allows no worker. */
function inWorker(file: File, onProgress: (loaded: number) => void, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let worker: Worker | undefined;
    let copy = '';
    const end = (give: () => void) => {
      worker?.terminate();
      URL.revokeObjectURL(copy);
      signal.removeEventListener('abort', stop);
      give();
    };
    const stop = () => end(() => reject(signal.reason));
    try {
      worker = start((script) => {
        // A file of another origin needs a script of the page's origin.
        if (script.origin !== globalThis.location?.origin)
          copy = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)}`], { type: 'text/javascript' }));
        const url = copy || script.href;
        return new globalThis.Worker((policy?.createScriptURL(url) ?? url) as string, { type: 'module' });
      });
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
