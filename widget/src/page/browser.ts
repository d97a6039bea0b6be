/** The browser's implementation of the environment. */
import { clock, type Env } from '../env.js';

/** Messages already written to the console of this page: each is written once. */
const logged = new Set<string>();

/** An upload that moves no byte for this long is aborted and counts as a failed attempt. */
const stalled = 60_000;
/** The same before the first byte, while the browser may hold the upload back, and after the last one, while the store writes. */
const queued = 120_000;

export const browserEnv: Env = {
  ...clock,
  online: () => navigator.onLine,
  untilOnline: (signal) =>
    new Promise((resolve, reject) => {
      addEventListener('online', () => resolve(), { once: true, signal });
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  put: (url, file, onProgress, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      // XMLHttpRequest, because fetch does not report the progress of an upload.
      const xhr = new XMLHttpRequest();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const rearm = (ms: number) => {
        clearTimeout(timer);
        timer = setTimeout(() => xhr.abort(), ms);
      };
      const stop = () => xhr.abort();
      xhr.upload.onprogress = (e) => {
        rearm(e.loaded < e.total ? stalled : queued);
        onProgress(e.loaded);
      };
      xhr.onloadend = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        // Read from the list of all headers: when a bucket does not expose a header, Chromium logs an error if it is read by name.
        const after = /^retry-after: (\d+)\r?$/im.exec(xhr.getAllResponseHeaders())?.[1];
        resolve({ status: xhr.status, body: xhr.responseText, ...(after && { retryAfter: +after }) });
      };
      signal.addEventListener('abort', stop);
      rearm(queued);
      xhr.open('PUT', url);
      xhr.send(file);
    }),
  socket: (url) => new WebSocket(url),
  log: (how, text) => {
    if (logged.has(text)) return;
    logged.add(text);
    console[how](text);
  },
};
