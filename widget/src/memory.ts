/**
 * Remembers a transaction that is under way, so that reloading the page does not lose it. Holds its id, which is the right to follow it,
 * where to follow it, and what the last screen names (title, version), in this tab only, until its end is known; never the token and never
 * the access code.
 */
import type { Pending } from './registration.js';

const prefix = 'ats-widget ';
/** Two widgets on one page with the same key: the first one takes it up. */
const taken = new Set<string>();

export function rememberTransaction(key: string, p: Pending | undefined): void {
  try {
    if (p) {
      taken.add(key);
      sessionStorage.setItem(prefix + key, JSON.stringify(p));
    } else sessionStorage.removeItem(prefix + key);
  } catch {
    // No storage here: the registration goes on, a reload forgets it.
  }
}

export function recallTransaction(key: string): Pending | undefined {
  if (taken.has(key)) return undefined;
  taken.add(key);
  try {
    const p: unknown = JSON.parse(sessionStorage.getItem(prefix + key) ?? 'null');
    const { transactionId, wsUrl, statusUrl, title, version } = (p ?? {}) as Record<string, unknown>;
    if (typeof transactionId === 'string' && typeof wsUrl === 'string' && typeof statusUrl === 'string')
      return {
        transactionId,
        wsUrl,
        statusUrl,
        title: typeof title === 'string' ? title : '',
        ...(typeof version === 'number' && { version }),
      };
  } catch {
    // Nothing that can be read.
  }
  return undefined;
}
