/**
 * What this tab keeps so that loading the page again, or a route of its own, loses nothing: a transaction that is under way, or
 * whose access code nobody has kept yet, and what was filled in. Never the token and never the access code: the id of the
 * transaction is the right to follow it, and to be told its code for as long as the server tells it.
 */
import { draftFrom, type SavedDraft } from './draft.js';
import type { Purpose } from './flow.js';
import type { Pending } from './registration.js';

const prefix = 'ats-widget ';

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

/** False where the browser keeps nothing: the widget works all the same. */
function put(name: string, value: unknown): boolean {
  try {
    if (value) sessionStorage.setItem(prefix + name, JSON.stringify(value));
    else sessionStorage.removeItem(prefix + name);
    return true;
  } catch {
    return false;
  }
}

function get(name: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(prefix + name) ?? 'null') as unknown;
  } catch {
    return undefined; // nothing that can be read
  }
}

/** What has ended on this very page, on whatever route of its own. */
const ended = new Set<string>();
const page = () => globalThis.location?.pathname ?? '';

export function rememberTransaction(key: string, p: Pending | undefined): boolean {
  if (p?.done) ended.add(key);
  return put(key, p && { ...p, ...(p.done && { page: page() }) });
}

/** mode: of the widget that asks. A last screen comes back where it was, not in the place of another page's form. */
export function recallTransaction(key: string, mode: Purpose): Pending | undefined {
  const { transactionId, wsUrl, statusUrl, title, version, done, page: where } = (get(key) ?? {}) as Record<string, unknown>;
  if (typeof transactionId !== 'string' || typeof wsUrl !== 'string' || typeof statusUrl !== 'string') return undefined;
  if (done && (mode !== 'register' || (where !== page() && !ended.has(key)))) return undefined;
  return {
    transactionId,
    wsUrl,
    statusUrl,
    title: typeof title === 'string' ? title : '',
    ...(typeof version === 'number' && { version }),
    ...(done === true && { done }),
  };
}

const draftKey = (key: string, mode: Purpose) => `draft ${mode} ${key}`;

export const rememberDraft = (key: string, mode: Purpose, d: SavedDraft | undefined): boolean => put(draftKey(key, mode), d);
export const recallDraft = (key: string, mode: Purpose): SavedDraft | undefined => draftFrom(get(draftKey(key, mode)));
