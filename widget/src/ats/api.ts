/** Calls to the ATS: headers, retries, token renewal, and a check of each answer before it is used. Knows no screens. */
import { within } from './abort.js';
import type { Env } from '../env.js';
import { ProblemError, classOf, isSetup, malformed, problemOfBody, type Problem } from './problem.js';
import type { Tokens } from './token.js';

export interface Target {
  readonly siteKey: string;
  /** An absolute URL. */
  readonly atsUrl: string;
  readonly network: string;
  readonly externalUserId: string;
  /** The language of the texts on the screen. */
  readonly language: string;
}

/** The reason why a call waits, for the screen. */
export type Notice = '' | 'token' | 'offline' | 'retry' | 'limited';

/** The longest time that a call may take. */
const callTimeout = 120_000;
/** The longest wait for the connection to come back. */
export const offlinePatience = 120_000;
/** A longer Retry-After is shown to the user instead of being waited for. */
export const longestRetryAfter = 30;
/** How often the page is asked for a token in one call. A page that keeps giving unusable tokens is not asked forever. */
const renewals = 3;

export type Shape = Record<string, 'string' | 'number' | 'boolean'>;
export type Shaped<S extends Shape> = {
  [K in keyof S]: S[K] extends 'string' ? string : S[K] extends 'number' ? number : boolean;
} & Record<string, unknown>;

export interface CallOptions {
  body?: unknown;
  /** The call needs a token. If the token is missing or refused, the page is asked for one. */
  auth?: boolean;
  /** The token to try first, instead of the page's newest: a job continues with the token that started it. */
  token?: string;
  signal: AbortSignal;
}

export class Api {
  /** The token of the last call that succeeded. */
  used = '';

  constructor(
    readonly env: Env,
    readonly target: Target,
    readonly tokens: Tokens,
    /** seconds: the rest of a wait that the server asked for. */
    readonly notice: (n: Notice, seconds?: number) => void,
  ) {}

  /** An address from the server, relative or absolute, as an absolute URL. */
  resolve(url: string): string {
    try {
      const base = this.target.atsUrl.replace(/\/+$/, '');
      return new URL(url.startsWith('/') ? base + url : url, base + '/').href;
    } catch {
      throw new ProblemError('widget.malformed_response', { reason: 'address' });
    }
  }

  /** Calls, and checks that the answer has the fields of shape. Throws ProblemError, or the signal's reason. */
  async call<S extends Shape>(method: string, path: string, shape: S, o: CallOptions): Promise<Shaped<S>> {
    const url = this.resolve(path);
    let limited = 0;
    let dropped = 0;
    let renewed = 0;
    let own = o.token;
    let reason: unknown;
    try {
      for (;;) {
        if (o.auth && !own && !this.tokens.value) {
          await this.#renew(o.signal, new ProblemError('common.auth.missing_token'));
          renewed++;
        }
        const token = own || this.tokens.value;
        let status: number;
        let text: string;
        let retryAfter: number;
        try {
          ({ status, text, retryAfter } = await this.#once(method, url, o, token));
        } catch {
          o.signal.throwIfAborted();
          if (this.env.online() || ++dropped > 2) throw new ProblemError('widget.network_error');
          await this.waitOnline(o.signal);
          continue;
        }
        if (status >= 200 && status < 300) {
          this.used = token;
          return read(text, shape);
        }

        const failure = problemOfBody(text) ?? new ProblemError('widget.malformed_response', { status });
        const { code } = failure.problem;
        const before = reason;
        reason = failure.problem.details?.['reason'];
        if (typeof reason === 'string') this.#explain(failure.problem, reason);
        // A quota lasts for a whole period: waiting a moment does not help.
        if (status === 429 && code !== 'common.quota_exceeded') {
          if (limited < 2 && !(retryAfter > longestRetryAfter)) {
            limited++;
            await this.waitOut(retryAfter >= 0 ? retryAfter : limited, o.signal);
            continue;
          }
          if (retryAfter > 0) failure.problem = { ...failure.problem, again: this.env.now() + retryAfter * 1000 };
        }
        // A page that is set up for another network would mint the same token again.
        const hopeless = reason === before && /^(network|key|work|\w+_external_user_ref)$/.test(String(reason));
        // While a page changes the end-user, it may still deliver the token of the previous one.
        const former = !!this.target.externalUserId && code === 'common.forbidden' && /_external_user_ref$/.test(String(reason));
        if (o.auth && (former || classOf(code) === 'refresh') && !hopeless && renewed++ < renewals) {
          own = undefined;
          // The page may have given another token in the meantime.
          if (!this.tokens.value || this.tokens.value === token) await this.#renew(o.signal, failure);
          continue;
        }
        throw failure;
      }
    } finally {
      this.notice('');
    }
  }

  /** A refusal whose code does not say the cause. */
  #explain({ code, requestId }: Problem, reason: string): void {
    const how = isSetup(code, reason) ? 'error' : 'warn';
    this.env.log(how, `ats-widget: ${code} (${reason}), request ${requestId ?? '?'}. See ${this.resolve('/docs/errors')}#${code}`);
  }

  /** Waits for the connection to come back. Throws widget.network_error if it stays away for too long. */
  async waitOnline(signal: AbortSignal): Promise<void> {
    this.notice('offline');
    try {
      const online = await within(signal, 0, (own) => {
        const back = this.env.untilOnline(own).then(() => true);
        const late = this.env.sleep(offlinePatience, own).then(() => false);
        back.catch(() => {});
        late.catch(() => {});
        return Promise.race([back, late]);
      });
      if (!online) throw new ProblemError('widget.network_error', { reason: 'offline' });
    } finally {
      this.notice('');
    }
  }

  /** Waits for as long as the server asks, and shows the remaining time. */
  async waitOut(seconds: number, signal: AbortSignal): Promise<void> {
    for (let left = seconds; left > 0; left--) {
      this.notice('limited', left);
      await this.env.sleep(1000, signal);
    }
    this.notice('retry');
  }

  async #renew(signal: AbortSignal, failure: ProblemError): Promise<void> {
    this.notice('token');
    if (!(await this.tokens.renew(signal))) throw failure;
    this.notice('');
  }

  async #once(method: string, url: string, o: CallOptions, token: string) {
    const headers: Record<string, string> = {
      'Content-Type': 'application/json',
      'X-Site-Key': this.target.siteKey,
      'Accept-Language': this.target.language,
    };
    if (token) headers['Authorization'] = `Bearer ${token}`;
    return within(o.signal, callTimeout, async (signal) => {
      const r = await this.env.fetch(url, {
        method,
        headers,
        body: o.body === undefined ? null : JSON.stringify(o.body),
        signal,
        credentials: 'omit',
        cache: 'no-store',
      });
      const after = r.headers.get('Retry-After');
      return {
        status: r.status,
        text: await r.text(),
        retryAfter: after !== null && /^\d+$/.test(after) ? Number(after) : -1,
      };
    });
  }
}

function read<S extends Shape>(text: string, shape: S): Shaped<S> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return expect(body, shape);
}

/** Throws widget.malformed_response unless body is an object with the fields of shape. */
export function expect<S extends Shape>(body: unknown, shape: S): Shaped<S> {
  if (typeof body !== 'object' || body === null) throw new ProblemError('widget.malformed_response');
  for (const [key, type] of Object.entries(shape)) {
    if (typeof (body as Record<string, unknown>)[key] !== type) throw malformed(key);
  }
  return body as Shaped<S>;
}
