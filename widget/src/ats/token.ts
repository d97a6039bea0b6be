/** The session token: kept in memory only, renewed by asking the page. */
import { within } from './abort.js';
import type { Env } from '../env.js';
import type { ProblemError } from './problem.js';

/** The timeout for an answer to allfeat:token-expired, in ms. */
const timeout = 60_000;
/** How long the widget waits, in ms, for the page to give a token unasked, after the page changed the mode or created the element. */
const grace = 2000;

export class Tokens {
  #token = '';
  readonly #waiting = new Set<(refused?: ProblemError) => void>();
  /** The end of that wait. */
  #grace = 0;
  #end = new AbortController();
  /** The time until which an answer to the last request may come. */
  #asked = 0;
  readonly #env: Env;
  readonly #ask: () => void;

  /** ask emits allfeat:token-expired. */
  constructor(env: Env, ask: () => void) {
    this.#env = env;
    this.#ask = ask;
  }

  get value(): string {
    return this.#token;
  }

  /** True when there is no token, or a call waits for another one. */
  get needed(): boolean {
    return !this.#token || this.#waiting.size > 0;
  }

  set(token: string): void {
    this.#token = token;
    if (!token) return;
    this.#asked = 0;
    for (const wake of this.#waiting) wake();
  }

  /** The page's backend refuses a token: every call that waits for one fails for this reason. */
  refuse(why: ProblemError): void {
    this.#asked = 0;
    for (const wake of this.#waiting) wake(why);
  }

  /** Forgets the token, and all requests for one. */
  clear(): void {
    this.#token = '';
    this.#asked = 0;
    this.#grace = 0;
    this.#end.abort();
  }

  /**
   * The page will soon give a token: the widget does not ask before the wait ends. A page changes the mode first, and gives the token when
   * its server has answered. asks: ask after the wait, even if nothing needs a token yet.
   */
  expect(asks: boolean): void {
    if (this.#token) return;
    this.#grace = this.#env.now() + grace;
    if (!asks) return;
    this.#end = new AbortController();
    const unasked = (given: boolean) => given || this.#question();
    this.#given(grace, this.#end.signal).then(unasked, () => {});
  }

  /** Asks, unless an answer may be on its way. */
  #question(): void {
    if (this.#env.now() < this.#asked) return;
    this.#asked = this.#env.now() + timeout;
    this.#ask();
  }

  /** Asks for a new token, and waits for it. False when none came in time; throws the refusal of the page's backend. */
  async renew(signal: AbortSignal): Promise<boolean> {
    // The refused token may be the one of the previous mode: the page will soon give one for this mode.
    const rest = this.#grace - this.#env.now();
    if (rest > 0 && (await this.#given(rest, signal))) return true;
    // The waiter is registered before the request: the page may answer inside its event handler.
    const given = this.#given(timeout, signal);
    this.#question();
    try {
      return await given;
    } finally {
      // The next attempt asks again: the page may have failed to answer.
      if (!this.#waiting.size) this.#asked = 0;
    }
  }

  /** Waits for a token from the page. */
  #given(wait: number, parent: AbortSignal): Promise<boolean> {
    return within(parent, 0, async (signal) => {
      let wake!: (refused?: ProblemError) => void;
      const given = new Promise<true>((resolve, reject) => (wake = (refused) => (refused ? reject(refused) : resolve(true))));
      this.#waiting.add(wake);
      const late = this.#env.sleep(wait, signal).then(() => false as const);
      late.catch(() => {});
      try {
        return await Promise.race([given, late]);
      } finally {
        this.#waiting.delete(wake);
      }
    });
  }
}
