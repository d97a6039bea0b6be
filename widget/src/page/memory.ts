/**
 * Data that a tab stores so that a reload, or a route change within the page, loses nothing. It stores a transaction that is running, or
 * whose access code is not saved yet, the draft, and the job of a large upload. It never stores the token or the access code. The id of the transaction is the
 * permission to follow it, and to receive its code for as long as the server returns it. The id of a job is useless without a token of the page.
 */
import { draftFrom } from '../form/checks.js';
import type { SavedDraft } from '../form/draft.js';
import { draftKey, get, prefix } from './place.js';
import type { Purpose } from '../state.js';
import type { Begun as Upload, Pending } from '../flow.js';

/** False if the browser stores nothing: the widget works anyway. */
function put(name: string, value: unknown): boolean {
  try {
    if (value) sessionStorage.setItem(prefix + name, JSON.stringify(value));
    else sessionStorage.removeItem(prefix + name);
    return true;
  } catch {
    return false;
  }
}

/** The transactions that ended on this page, on any route of the page. */
const ended = new Set<string>();
const page = () => globalThis.location?.pathname ?? '';

export function rememberTransaction(key: string, p: Pending | undefined): boolean {
  if (p?.done) ended.add(key);
  return put(key, p && { ...p, ...(p.done && { page: page() }) });
}

/** mode: the mode of the widget that asks. A final screen returns to its own place, not to the form of another page. */
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

const uploadKey = (key: string) => `upload ${key}`;
export const rememberUpload = (key: string, u: Upload | undefined): boolean => put(uploadKey(key), u);
export function recallUpload(key: string): Upload | undefined {
  const { jobId, name, size, modified, file, form } = (get(uploadKey(key)) ?? {}) as Record<string, unknown>;
  if (typeof jobId !== 'string' || typeof file !== 'string' || typeof form !== 'string' || !file || !form) return undefined;
  return { jobId, name: String(name), size: Number(size), modified: Number(modified), file, form };
}
