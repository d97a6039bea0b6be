/** Where a tab keeps what a widget must not lose (memory.ts), and which widget of a page it belongs to. */
import type { Purpose } from './flow.js';

export const prefix = 'ats-widget ';

/** A widget. */
export interface Holder {
  readonly isConnected: boolean;
  /** Out of the page, and not to be disturbed: an order is on its way. */
  readonly ordering?: boolean;
  /** Another widget has taken its place, and goes on with what is kept. */
  giveWay?(): void;
}
const holders = new Map<string, WeakRef<Holder>>();

/**
 * A key that no other widget on the page has: two that are configured alike do not overwrite each other's transaction. A page that is
 * loaded again configures its widgets in the same order, and so each finds its own. One that left the page gives way.
 */
export function claimKey(base: string, holder: Holder): string {
  for (const [key, other] of holders) if (other.deref() === holder) holders.delete(key);
  for (let n = 1; ; n++) {
    // In front: behind, it could be read as a part of the end-user.
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
    return undefined; // nothing that can be read
  }
}

export const draftKey = (key: string, mode: Purpose) => `draft ${mode} ${key}`;
