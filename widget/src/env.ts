/** What the flow needs from the world, as one seam: time, the network, sockets, and a place to remember. Tests bring their own. */

/** The part of a WebSocket that tracking uses. */
export interface Socket {
  onmessage: ((e: MessageEvent) => void) | null;
  onclose: ((e: CloseEvent) => void) | null;
  onerror: ((e: Event) => void) | null;
  close(): void;
}

export interface PutAnswer {
  /** 0 when there was no response. */
  status: number;
  body: string;
}

export interface Env {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after ms; rejects when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  online(): boolean;
  /** Resolves when the browser is online again; rejects when the signal aborts. */
  untilOnline(signal: AbortSignal): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Sends the file as it is. Resolves whatever the status; rejects only when the signal aborts. */
  put(url: string, file: Blob, onProgress: (loaded: number) => void, signal: AbortSignal): Promise<PutAnswer>;
  socket(url: string): Socket;
  /** Tells whoever builds the page. */
  tell(how: 'warn' | 'error', text: string): void;
}

/** What was told on this page: once is enough. */
const told = new Set<string>();

/** setTimeout fires at once when it is asked for more. */
const longest = 2 ** 31 - 1;

/** An upload that moves no byte for this long is given up and counted as a failed attempt. */
const stalled = 60_000;

export const browserEnv: Env = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const stop = () => (clearTimeout(timer), reject(signal.reason));
      const timer = setTimeout(() => (signal.removeEventListener('abort', stop), resolve()), Math.min(ms, longest));
      signal.addEventListener('abort', stop, { once: true });
    }),
  online: () => navigator.onLine,
  untilOnline: (signal) =>
    new Promise((resolve, reject) => {
      addEventListener('online', () => resolve(), { once: true, signal });
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  fetch: (url, init) => fetch(url, init),
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
        if (signal.aborted) reject(signal.reason);
        else resolve({ status: xhr.status, body: xhr.responseText });
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
