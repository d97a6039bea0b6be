/** Hashes a file in a worker, whose source is part of this page. */
import source from 'worker:hash.worker.ts';

export type Message = { readonly done: number } | { readonly sha256: string } | { readonly unreadable: string };

/** A page may only start a worker from an address that a policy of its own made. */
interface Policies {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}
const { trustedTypes } = globalThis as { trustedTypes?: Policies };
const policy = trustedTypes?.createPolicy('verify', { createScriptURL: (url) => url });

/** Hashes until the signal says stop; then, and when the file cannot be read, the promise is rejected. */
export function hash(file: File, progress: (done: number) => void, signal: AbortSignal): Promise<string> {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(policy?.createScriptURL(url) ?? url);
  return new Promise<string>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
    worker.onerror = () => reject(new Error('the worker did not start'));
    worker.onmessage = ({ data }: MessageEvent<Message>) => {
      if ('done' in data) progress(data.done);
      else if ('sha256' in data) resolve(data.sha256);
      else reject(new Error(data.unreadable));
    };
    worker.postMessage(file);
  }).finally(() => {
    worker.terminate();
    URL.revokeObjectURL(url);
  });
}
