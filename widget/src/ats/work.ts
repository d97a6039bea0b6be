/**
 * The registered work that an access code opened, or that the user chose: read from the server, and compared with the draft of its new
 * version.
 */
import { malformed } from './problem.js';
import { newCreator, roles, type Creator } from '../form/draft.js';

export interface Work {
  /** The access code that opened it, cleaned up: another code opens another work. Empty for a chosen work. */
  readonly code: string;
  readonly atsId: number;
  readonly title: string;
  /** The newest version. */
  readonly version: number;
  /** The file of the newest version; empty when the server does not send it. */
  readonly filename: string;
  readonly creators: readonly Creator[];
}

/** Cleans up a typed or pasted access code: letters break over lines, and right-to-left texts add direction marks. */
export const tidyCode = (typed: string): string => typed.replace(/[\s\u200b-\u200f\u202a-\u202e\u2060-\u2069]/g, '').toLowerCase();

export const isCode = (code: string): boolean => /^atc_[0-9a-f]{64}$/.test(code);

/** The answer of GET /v1/access/{code}/work. Throws widget.malformed_response. */
export function workFrom(body: Record<string, unknown>, code: string): Work {
  return {
    code,
    atsId: body['ats_id'] as number,
    title: body['title'] as string,
    version: body['latest_version'] as number,
    filename: text(body['asset_filename']),
    creators: creatorsFrom(body['creators']),
  };
}

/** The creators of a version, from the server's answer. */
export function creatorsFrom(list: unknown): Creator[] {
  if (!Array.isArray(list) || !list.length) throw malformed('creators');
  return list.map((c: Record<string, unknown> | null, id) => {
    const has = c?.['roles'];
    if (typeof c?.['full_name'] !== 'string' || !Array.isArray(has)) throw malformed(`creators[${id}]`);
    return {
      ...newCreator(id),
      fullName: c['full_name'],
      email: text(c['email']),
      roles: Object.fromEntries(roles.map((r) => [r, has.includes(r)])) as Creator['roles'],
      ipi: text(c['ipi']),
      isni: text(c['isni']),
    };
  });
}

const text = (v: unknown) => (typeof v === 'string' ? v : '');

export type Change = '' | 'added' | 'changed' | 'removed';

const fold = (s: string) => s.trim().toLowerCase();
const same: readonly ((a: Creator, b: Creator) => boolean)[] = [
  (a, b) => key(a) === key(b),
  (a, b) => fold(a.fullName) === fold(b.fullName),
  (a, b) => fold(a.email) === fold(b.email),
];
const key = (c: Creator) =>
  JSON.stringify([
    c.fullName.trim(),
    c.email.trim(),
    roles.map((r) => c.roles[r]),
    c.ipi.replace(/\D/g, ''),
    c.isni.replace(/[\s.-]/g, '').toUpperCase(),
  ]);

/**
 * The change of each creator; removed creators are last. Two entries are the same creator if they have the same name, or else the same
 * email. Removing a person and adding the same person again changes nothing.
 */
export function changes(before: readonly Creator[], after: readonly Creator[]): [Creator, Change][] {
  const left = new Set(before);
  const found = new Map<Creator, Change>();
  for (const alike of same)
    for (const c of after) {
      const was = !found.has(c) && [...left].find((b) => alike(b, c));
      if (!was) continue;
      left.delete(was);
      found.set(c, alike === same[0] ? '' : 'changed');
    }
  return [...after.map((c): [Creator, Change] => [c, found.get(c) ?? 'added']), ...[...left].map((c): [Creator, Change] => [c, 'removed'])];
}

/** The earlier entry of a creator: the one with the same name, or else the same email. */
export const before = (list: readonly Creator[], c: Creator): Creator | undefined =>
  same
    .slice(1)
    .map((alike) => list.find((b) => alike(b, c)))
    .find(Boolean);

export const unchanged = (before: readonly Creator[], after: readonly Creator[]): boolean => changes(before, after).every(([, c]) => !c);
