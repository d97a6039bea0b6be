/**
 * What this tab keeps so that loading the page again, or a route of its own, loses nothing: a transaction that is under way, or
 * whose access code nobody has kept yet, and what was filled in. Never the token and never the access code: the id of the
 * transaction is the right to follow it, and to be told its code for as long as the server tells it.
 */
import { draftFrom } from './checks.js';
import type { SavedDraft } from './draft.js';
import { draftKey, get, prefix } from './place.js';
import type { Purpose } from './flow.js';
import type { Pending } from './registration.js';

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

export const rememberDraft = (key: string, mode: Purpose, d: SavedDraft | undefined): boolean => put(draftKey(key, mode), d);
export const recallDraft = (key: string, mode: Purpose): SavedDraft | undefined => draftFrom(get(draftKey(key, mode)));
