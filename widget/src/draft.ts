/** What the user fills in, and the checks that can be made before sending it. Bytes are the server's to judge. */
import type { Key } from './i18n.js';

export const roles = ['author', 'composer', 'arranger', 'adapter'] as const;
export type Role = (typeof roles)[number];
export const maxCreators = 20;
const maxText = 255;
const maxTitle = 200;

export interface Creator {
  /** Stays with the row when others are removed. */
  readonly id: number;
  fullName: string;
  email: string;
  roles: Readonly<Record<Role, boolean>>;
  ipi: string;
  isni: string;
}

export interface Draft {
  /** The access code as it was typed. */
  readonly code: string;
  /** Of an update null too: the registered recording stays. */
  readonly file: File | null;
  readonly title: string;
  readonly creators: readonly Creator[];
}

export const newCreator = (id: number): Creator => ({
  id,
  fullName: '',
  email: '',
  roles: { author: false, composer: false, arranger: false, adapter: false },
  ipi: '',
  isni: '',
});

/** A message of the catalogue beside one field, with its values. */
export interface FieldProblem {
  readonly key: Key;
  readonly values?: Readonly<Record<string, string | number>>;
}

/** Problems by path: file, title, creators.0.email and so on. */
export type FieldProblems = Readonly<Record<string, FieldProblem>>;

/** Numbers are often printed with spaces, dots or dashes. */
const compact = (s: string) => s.replace(/[\s.-]/g, '').toUpperCase();
/** As the server counts: characters, not units of UTF-16. */
const length = (s: string) => [...s].length;

/** fixed: the title is registered already, and so is a recording. */
export function checkSong(d: Draft, maxBytes: number, fixed = false): FieldProblems {
  const found: Record<string, FieldProblem> = {};
  const file = d.file && checkFile(d.file, maxBytes);
  if (file) found['file'] = file;
  if (fixed) return found;
  if (!d.file) found['file'] = { key: 'choose' };
  const title = d.title.trim();
  if (!title) found['title'] = { key: 'needed' };
  else if (length(title) > maxTitle) found['title'] = { key: 'tooLong', values: { max: maxTitle } };
  return found;
}

/** maxBytes is 0 when no limit is known. */
export function checkFile(file: File, maxBytes: number): FieldProblem | undefined {
  if (file.size === 0) return { key: 'errEmpty' };
  if (maxBytes > 0 && file.size > maxBytes) return { key: 'errLarge', values: { size: file.size, max: maxBytes } };
  return undefined;
}

export function checkCreators(creators: readonly Creator[]): FieldProblems {
  const found: Record<string, FieldProblem> = {};
  creators.forEach((c, i) => {
    const put = (field: string, key: Key, max?: number) => {
      found[`creators.${i}.${field}`] = max ? { key, values: { max } } : { key };
    };
    for (const field of ['fullName', 'email'] as const) {
      const v = c[field].trim();
      if (!v) put(field, 'needed');
      else if (length(v) > maxText) put(field, 'tooLong', maxText);
    }
    const email = c.email.trim();
    if (email && !/^[^\s@]+@[^\s@]+$/.test(email)) put('email', 'badEmail');
    if (!roles.some((r) => c.roles[r])) put('roles', 'needRole');
    if (compact(c.ipi) && !/^\d{1,11}$/.test(compact(c.ipi))) put('ipi', 'badIpi');
    if (compact(c.isni) && !/^\d{15}[\dX]$/.test(compact(c.isni))) put('isni', 'badIsni');
  });
  return found;
}

/** The creators as the server wants them. */
export const wireCreators = (creators: readonly Creator[]) =>
  creators.map((c) => ({
    full_name: c.fullName.trim(),
    email: c.email.trim(),
    roles: c.roles,
    ...(compact(c.ipi) && { ipi: compact(c.ipi) }),
    ...(compact(c.isni) && { isni: compact(c.isni) }),
  }));

/** The path of a field that the server names, such as creators[0].email. Undefined when no input of ours is meant. */
export function pathOf(field: string): string | undefined {
  if (field === 'title') return 'title';
  if (/^(filename|file|size_bytes)$/.test(field)) return 'file';
  const m = /^creators[.[](\d+)\]?\.(full_name|email|roles|ipi|isni)\b/.exec(field);
  return m ? `creators.${m[1]}.${m[2]!.replace('full_name', 'fullName')}` : undefined;
}
