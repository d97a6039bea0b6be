/** The world as a browser has it. */
import { clock, type Env } from './env.js';

/** What was told on this page: once is enough. */
const told = new Set<string>();

/** An upload that moves no byte for this long is given up and counted as a failed attempt. */
const stalled = 60_000;

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
      // XMLHttpRequest because fetch tells nothing about the progress of an upload.
      const xhr = new XMLHttpRequest();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const rearm = () => (clearTimeout(timer), (timer = setTimeout(() => xhr.abort(), stalled)));
      const stop = () => xhr.abort();
      xhr.upload.onprogress = (e) => (rearm(), onProgress(e.loaded));
      xhr.onloadend = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        if (signal.aborted) return reject(signal.reason);
        // Of the list: Chromium complains on the console about one header that a bucket does not expose.
        const after = /^retry-after: (\d+)\r?$/im.exec(xhr.getAllResponseHeaders())?.[1];
        resolve({ status: xhr.status, body: xhr.responseText, ...(after && { retryAfter: +after }) });
      };
      signal.addEventListener('abort', stop);
      rearm();
      xhr.open('PUT', url);
      xhr.send(file);
    }),
  socket: (url) => new WebSocket(url),
  tell: (how, text) => {
    if (told.has(text)) return;
    told.add(text);
    console[how](text);
  },
};
