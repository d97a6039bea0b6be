/** The session token: kept in memory only, renewed by asking the page. */
import type { Env } from './env.js';
import type { PendingAction } from './events.js';

/** How long the page has to answer allfeat:token-expired, in ms. */
const patience = 60_000;

export class Tokens {
  #token = '';
  #wake: (() => void) | undefined;
  readonly #ask: (action: PendingAction) => void;

  /** ask emits allfeat:token-expired. */
  constructor(ask: (action: PendingAction) => void) {
    this.#ask = ask;
  }

  get value(): string {
    return this.#token;
  }

  set(token: string): void {
    this.#token = token;
    if (token) this.#wake?.();
  }

  clear(): void {
    this.#token = '';
  }

  /** Asks for a fresh token once, or for nothing, and waits for it. False when none came in time. */
  async renew(action: PendingAction | '', env: Env, signal: AbortSignal, wait = patience): Promise<boolean> {
    // The waiter stands before the question is asked: the page may answer inside its handler.
    let wake!: () => void;
    const given = new Promise<true>((resolve) => (wake = () => resolve(true)));
    this.#wake = wake;
    const timer = new AbortController();
    const both = AbortSignal.any([signal, timer.signal]);
    const late = env.sleep(wait, both).then(() => false as const);
    late.catch(() => {});
    try {
      if (action) this.#ask(action);
      return await Promise.race([given, late]);
    } finally {
      if (this.#wake === wake) this.#wake = undefined;
      timer.abort();
    }
  }
}
