/** Calls to one server: headers, timeouts, and the documented retries. Knows no route. */
import { TimbreError } from './errors.js';

export interface Options {
  /** The address of the server, such as `https://ats.example.org`. */
  server: string;
  /** An API key (`afo_sk_…`) of a backend. Refused in a page. */
  apiKey?: string;
  /** The token of a session, instead of an API key. */
  token?: string;
  /** The site key (`cpk_…`) of the pair that minted the token. Needed with `token`. */
  siteKey?: string;
  /** The secret key (`csk_…`) with which a backend mints sessions. Refused in a page. */
  secretKey?: string;
  /** The origin of the page that embeds the widget, for `mint`. */
  origin?: string;
  /** The preferred languages of certificates, as in `Accept-Language`. */
  language?: string;
  /** Milliseconds until a call without an answer ends; 120,000 by default. The upload of bytes gets more. */
  timeout?: number;
  /** How often a call is repeated after a failure that may pass; 4 by default, 0 for none. */
  retries?: number;
  /** Another fetch, for tests or for a proxy. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** The options of every call. */
export interface CallOptions {
  /** Ends the call: it throws the reason of the signal. */
  signal?: AbortSignal | undefined;
}

export interface Call extends CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  /** Parameters of the URL; those that are undefined are left out. */
  query?: Record<string, string | number | undefined> | undefined;
  /** Without the key or token: for public routes. */
  open?: boolean;
}

export interface Answer {
  status: number;
  text: string;
  requestId: string | undefined;
  retryAfter: number | undefined;
}

/** The longest wait between two attempts without `Retry-After`, in ms. */
const longestWait = 8000;
/** The longest wait that a server may ask for, in seconds. A longer one is the caller's decision. */
const longestAsked = 120;
/** The largest answer, in bytes. */
const largest = 16 << 20;
/** The longest time of a timer, in ms. */
const longestTimer = 2 ** 31 - 1;
/** The least rate of an upload that a server accepts, in bytes per millisecond. */
const leastRate = 8;

export class Http {
  readonly server: string;
  readonly retries: number;
  readonly #options: Options;

  constructor(options: Options) {
    if (!/^https?:\/\//.test(options.server)) throw new TypeError('server must be an address such as https://ats.example.org.');
    if ((options.apiKey || options.secretKey) && typeof document !== 'undefined')
      throw new TypeError('An API key or a secret key belongs on a backend. In a page, use the token of a session.');
    if (options.token && !options.siteKey) throw new TypeError('A token needs the siteKey of its pair.');
    // fetch would show a malformed key in its error.
    for (const name of ['apiKey', 'token', 'siteKey', 'secretKey'] as const)
      if (/[^!-~]/.test(options[name] ?? '')) throw new TypeError(`${name} has white space or other characters that no key has.`);
    this.#options = options;
    this.server = options.server.replace(/\/+$/, '');
    this.retries = options.retries ?? 4;
  }

  get options(): Options {
    return this.#options;
  }

  /** Calls, and returns the answer's text. Repeats what may pass. Throws TimbreError, or the signal's reason. */
  async text(method: string, path: string, call: Call = {}): Promise<string> {
    const { apiKey, token, siteKey, language } = this.#options;
    // Without the slash, the path would be a part of the host's name, and the key reach another host.
    if (path[0] !== '/') throw new TypeError('A path begins with /.');
    const url = new URL(this.server + path);
    for (const [name, value] of Object.entries(call.query ?? {})) if (value !== undefined) url.searchParams.set(name, String(value));
    const headers: Record<string, string> = { Accept: 'application/json', ...call.headers };
    if (call.body !== undefined) headers['Content-Type'] = 'application/json';
    if (language) headers['Accept-Language'] = language;
    if (!call.open && (apiKey ?? token)) headers['Authorization'] = `Bearer ${apiKey ?? token}`;
    if (!call.open && token && siteKey) headers['X-Site-Key'] = siteKey;
    const body = call.body === undefined ? null : JSON.stringify(call.body);
    return this.again(call.signal, async () => {
      const answer = await this.send(url.href, { method, headers, body }, call.signal);
      if (answer.status >= 200 && answer.status < 300) return answer.text;
      throw this.refusal(answer) ?? this.malformed(answer);
    });
  }

  /** As text, and reads the JSON of the answer. */
  async json<T>(method: string, path: string, call?: Call): Promise<T> {
    return this.parsed(await this.text(method, path, call)) as T;
  }

  /** Reads JSON: an object. Another server may answer with a page, such as one to sign in. */
  parsed(text: string): unknown {
    try {
      const value: unknown = JSON.parse(text);
      if (value instanceof Object) return value;
    } catch {
      // Something else than JSON.
    }
    throw this.malformed({ status: 200, text, requestId: undefined, retryAfter: undefined });
  }

  /** Repeats run as long as its error may pass, at most `retries` times. */
  async again<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      signal?.throwIfAborted();
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof TimbreError) || !error.retryable || failures >= this.retries || (error.retryAfter ?? 0) > longestAsked)
          throw error;
        // The spread keeps many clients from coming back at once.
        const own = Math.min(longestWait, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
        await sleep(Math.max((error.retryAfter ?? 0) * 1000, error.retryAfter === undefined ? own : 0), signal);
      }
    }
  }

  /** One request. Throws client.network, client.timeout, or the signal's reason. */
  async send(url: string, init: RequestInit, signal: AbortSignal | undefined, bytes = 0): Promise<Answer> {
    const end = new AbortController();
    const stop = () => end.abort(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener('abort', stop, { once: true });
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        end.abort();
      },
      Math.min(longestTimer, (this.#options.timeout ?? 120_000) + bytes / leastRate),
    );
    try {
      // A server never redirects a call, and a key must not reach another host.
      const own = this.#options.fetch ?? fetch;
      const r = await own(url, { ...init, redirect: 'manual', signal: end.signal });
      const after = r.headers.get('Retry-After');
      return {
        status: r.status,
        text: await this.#read(r),
        requestId: r.headers.get('X-Request-Id') ?? undefined,
        retryAfter: after !== null && /^\d{1,9}$/.test(after) ? Number(after) : undefined,
      };
    } catch (cause) {
      end.abort(); // the rest of the answer is not read
      signal?.throwIfAborted();
      if (cause instanceof TimbreError) throw cause;
      // The file was changed or removed while it was sent.
      if ((cause as Error).cause instanceof Error && ((cause as Error).cause as Error).name === 'NotReadableError')
        throw this.changed(cause);
      throw late
        ? this.own('client.timeout', 'The server did not answer in time.', { cause })
        : this.own('client.network', `No connection to ${new URL(url).origin}.`, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  /** The text of an answer, as far as it is not too large. */
  async #read(r: Response): Promise<string> {
    const decoder = new TextDecoder();
    let text = '';
    let size = 0;
    for (const reader = r.body?.getReader(); reader;) {
      const { done, value } = await reader.read();
      if (done) break;
      if ((size += value.length) > largest) throw this.malformed({ status: r.status, text, requestId: undefined, retryAfter: undefined });
      text += decoder.decode(value, { stream: true });
    }
    return text + decoder.decode();
  }

  /** The refusal in an answer; undefined when the answer is not one of a Timbre server. */
  refusal(answer: Answer): TimbreError | undefined {
    let e: { code?: unknown; message?: string; details?: unknown; request_id?: string } | undefined;
    try {
      e = (JSON.parse(answer.text) as { error?: typeof e }).error;
    } catch {
      return undefined;
    }
    if (typeof e?.code !== 'string') return undefined;
    return new TimbreError(e.code, {
      ...answer,
      server: this.server,
      message: e.message,
      details: e.details,
      requestId: e.request_id ?? answer.requestId,
    });
  }

  malformed(answer: Answer): TimbreError {
    const { status, requestId, retryAfter } = answer;
    return this.own('client.malformed_response', `The answer is not one of a Timbre server (status ${status}).`, {
      status: status < 400 ? 0 : status, // a backend passes on the status of a refusal alone
      requestId,
      retryAfter,
      details: { status },
    });
  }

  changed(cause?: unknown): TimbreError {
    return this.own('client.file_changed', 'The file changed while it was sent, or cannot be read.', { cause });
  }

  own(code: `client.${string}`, message: string, facts: object = {}): TimbreError {
    return new TimbreError(code, { ...facts, message, server: this.server });
  }
}

/** Waits. Throws the signal's reason when it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
