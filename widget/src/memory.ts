/**
 * Remembers a transaction that is under way, so that reloading the page does not lose it. Holds its id, which is the right to follow it,
 * where to follow it, and what the last screen names (title, version), in this tab only, until its end is known; never the token and never
 * the access code.
 */
import type { Pending } from './registration.js';

const prefix = 'ats-widget ';
/** What was taken up is taken up once, also by a widget that comes later to the page. */
const taken = new Set<string>();
interface Holder {
  readonly isConnected: boolean;
}
const holders = new Map<string, WeakRef<Holder>>();

/**
 * A key that no other widget on the page has: two that are configured alike do not overwrite each other's transaction. A page that is
 * loaded again configures its widgets in the same order, and so each finds its own.
 */
export function claimKey(base: string, holder: Holder): string {
  for (const [key, other] of holders) if (other.deref() === holder) holders.delete(key);
  for (let n = 1; ; n++) {
    // In front: behind, it could be read as a part of the end-user.
    const key = n === 1 ? base : `${n} ${base}`;
    if (holders.get(key)?.deref()?.isConnected) continue;
    holders.set(key, new WeakRef(holder));
    return key;
  }
}

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
