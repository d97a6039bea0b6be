/** The session token: kept in memory only, renewed by asking the page. */
import { within } from './abort.js';
import type { Env } from './env.js';

/** How long the page has to answer allfeat:token-expired, in ms. */
const patience = 60_000;
/** How long the page has to give a token by itself, after it changed the mode or made the element, in ms. */
const grace = 2000;

export class Tokens {
  #token = '';
  readonly #waiting = new Set<() => void>();
  /** Until then the page may give a token by itself. */
  #grace = 0;
  #end = new AbortController();
  /** Until then an answer to the last question may come. */
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

  set(token: string): void {
    this.#token = token;
    if (!token) return;
    this.#asked = 0;
    for (const wake of this.#waiting) wake();
  }

  /** Forgets the token, and whatever was asked for. */
  clear(): void {
    this.#token = '';
    this.#asked = 0;
    this.#grace = 0;
    this.#end.abort();
  }

  /**
   * The page is about to give a token: it is not asked before its time is over. Pages change the mode first and give the
   * token afterwards, when their server has answered. asks: then it is asked, even if nothing waits for a token yet.
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
    this.#asked = this.#env.now() + patience;
    this.#ask();
  }

  /** Waits for a fresh token, and asks for it. False when none came in time. */
  async renew(signal: AbortSignal): Promise<boolean> {
    // What was refused may have been for the mode before: the page is about to give the one for this.
    const rest = this.#grace - this.#env.now();
    if (rest > 0 && (await this.#given(rest, signal))) return true;
    // The waiter stands before the question is asked: the page may answer inside its handler.
    const given = this.#given(patience, signal);
    this.#question();
    try {
      return await given;
    } finally {
      // Another try asks again: the page may have failed to answer.
      if (!this.#waiting.size) this.#asked = 0;
    }
  }

  /** Waits for a token that is given. */
  #given(wait: number, parent: AbortSignal): Promise<boolean> {
    return within(parent, 0, async (signal) => {
      let wake!: () => void;
      const given = new Promise<true>((resolve) => (wake = () => resolve(true)));
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
