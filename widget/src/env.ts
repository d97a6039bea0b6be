/** The environment of the flow: time, the network, sockets and storage. Tests bring their own. */

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
  /** Seconds, if the store asks for a wait. */
  retryAfter?: number;
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
  /** Sends the file unchanged. Resolves with any status; rejects only when the signal aborts. */
  put(url: string, file: Blob, onProgress: (loaded: number) => void, signal: AbortSignal): Promise<PutAnswer>;
  socket(url: string): Socket;
  /** Writes to the console, for the page's developer. */
  log(how: 'warn' | 'error', text: string): void;
}

/** setTimeout fires at once when its delay is larger. */
const longest = 2 ** 31 - 1;

/** The part that the first screen needs. */
export const clock: Pick<Env, 'now' | 'sleep' | 'fetch'> = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const end = () => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const timer = setTimeout(end, Math.min(ms, longest));
      signal.addEventListener('abort', stop, { once: true });
    }),
  fetch: (url, init) => fetch(url, init),
};
