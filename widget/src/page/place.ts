/** The storage keys of a tab (memory.ts), and which widget of a page owns each key. */
import type { Purpose } from '../state.js';

export const prefix = 'ats-widget ';

/** A widget. */
export interface Holder {
  readonly isConnected: boolean;
  /** Removed from the page, but still needed: an order is running. */
  readonly ordering?: boolean;
  /** Another widget has taken over its key, and continues with what is stored. */
  giveWay?(): void;
}
const holders = new Map<string, WeakRef<Holder>>();

/**
 * A key that no other widget on the page has: two widgets with the same configuration do not overwrite each other's transaction. After a
 * reload the page configures its widgets in the same order, so each finds its own key. A widget that left the page gives its key up.
 */
export function claimKey(base: string, holder: Holder): string {
  for (const [key, other] of holders) if (other.deref() === holder) holders.delete(key);
  for (let n = 1; ; n++) {
    // A prefix: a suffix could be read as part of the end-user.
    const key = n === 1 ? base : `${n} ${base}`;
    const other = holders.get(key)?.deref();
    if (other?.isConnected || other?.ordering) continue;
    holders.set(key, new WeakRef(holder));
    other?.giveWay?.();
    return key;
  }
}

export function get(name: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(prefix + name) ?? 'null') as unknown;
  } catch {
    return undefined; // not readable
  }
}

export const draftKey = (key: string, mode: Purpose) => `draft ${mode} ${key}`;
