/** Checks a draft before it is sent, and converts it to its wire form. Only the server checks the bytes of the file. */
import { maxCreators, roles, type Creator, type Draft, type FieldProblem, type FieldProblems, type SavedDraft } from './draft.js';
import type { Key } from '../i18n/texts.js';
import { around, blank, flawOf, named, type Flaw } from '../../../web/i18n/legible.js';

const maxText = 255;
const maxTitle = 200;

/** Numbers are often printed with spaces, dots or dashes. */
const compact = (s: string) => s.replace(/[\s.-]/g, '').toUpperCase();
/** Counted as the server counts: characters, not UTF-16 units. */
const length = (s: string) => [...s].length;

/** The error of a required text. Spaces around the text are not sent. */
function checkText(text: string, max: number): FieldProblem | undefined {
  const v = text.trim();
  if (!v) return { key: 'needed' };
  if (length(v) > max) return { key: 'tooLong', values: { max } };
  if (blank(v)) return { key: 'blank' };
  const found = flawOf(v);
  return found && flawed(v, found);
}

/**
 * Says which character of a text is wrong, and shows its place. Combining marks and private-use characters are visible, the others are not.
 */
export const flawed = (
  text: string,
  { flaw, char, at }: { readonly flaw: Flaw; readonly char: string; readonly at: number },
): FieldProblem => ({
  key: flaw === 'combining_marks' || flaw === 'private_character' ? 'oddChar' : 'badChar',
  // Isolated: a text in another direction does not turn the sentence around. The number of a character shows what the server says of
  // another text.
  values: { char, near: `\u2068${named([...text][at - 1] ?? '\0') === char ? around(text, at) : `⟨${char}⟩`}\u2069` },
});

/** fixed: the title is already registered, and so is a recording. */
export function checkSong(d: Draft, maxBytes: number, fixed = false): FieldProblems {
  const found: Record<string, FieldProblem> = {};
  const file = d.file && checkFile(d.file, maxBytes);
  if (file) found['file'] = file;
  if (fixed) return found;
  if (!d.file) found['file'] = { key: 'choose' };
  const title = checkText(d.title, maxTitle);
  if (title) found['title'] = title;
  return found;
}

/** maxBytes is 0 when the limit is unknown. */
export function checkFile(file: File, maxBytes: number): FieldProblem | undefined {
  if (file.size === 0) return { key: 'errEmpty' };
  if (maxBytes > 0 && file.size > maxBytes) return { key: 'errLarge', values: { size: file.size, max: maxBytes } };
  return undefined;
}

/** One @ with something visible on each side, and no white space. */
const isEmail = (text: string): boolean =>
  /^[^\s\x85@]+@[^\s\x85@]+$/.test(text) && !text.split('@').some((side) => blank(side) || flawOf(side));

export function checkCreators(creators: readonly Creator[]): FieldProblems {
  const found: Record<string, FieldProblem> = {};
  creators.forEach((c, i) => {
    const put = (field: string, key: Key) => {
      found[`creators.${i}.${field}`] = { key };
    };
    for (const field of ['fullName', 'email'] as const) {
      const wrong = checkText(c[field], maxText);
      if (wrong) found[`creators.${i}.${field}`] = wrong;
      else if (field === 'email' && !isEmail(c.email.trim())) put('email', 'badEmail');
    }
    if (!roles.some((r) => c.roles[r])) put('roles', 'needRole');
    if (compact(c.ipi) && !/^\d{1,11}$/.test(compact(c.ipi))) put('ipi', 'badIpi');
    if (compact(c.isni) && !/^\d{15}[\dX]$/.test(compact(c.isni))) put('isni', 'badIsni');
  });
  return found;
}

/** The creators in the form that the server expects. */
export const wireCreators = (creators: readonly Creator[]) =>
  creators.map((c) => ({
    full_name: c.fullName.trim(),
    email: c.email.trim(),
    roles: c.roles,
    ...(compact(c.ipi) && { ipi: compact(c.ipi) }),
    ...(compact(c.isni) && { isni: compact(c.isni) }),
  }));

/** The path of a field that the server names, such as creators[0].email. Undefined when it is not an input of this form. */
export function pathOf(field: string): string | undefined {
  if (field === 'title') return 'title';
  if (/^(filename|file|size_bytes)$/.test(field)) return 'file';
  const m = /^creators[.[](\d+)\]?\.(full_name|email|roles|ipi|isni)\b/.exec(field);
  return m ? `creators.${m[1]}.${m[2]!.replace('full_name', 'fullName')}` : undefined;
}

const words = (v: unknown): string => (typeof v === 'string' ? v.slice(0, 1000) : '');
const record = (v: unknown) => (typeof v === 'object' && v !== null ? v : {}) as Record<string, unknown>;

/** Reads a saved draft. Returns undefined for anything else. */
export function draftFrom(kept: unknown): SavedDraft | undefined {
  const { title, proposed, creators, filename, atsId } = record(kept);
  if (!Array.isArray(creators) || !creators.length) return undefined;
  return {
    title: words(title),
    proposed: words(proposed),
    filename: words(filename),
    atsId: typeof atsId === 'number' ? atsId : 0,
    creators: creators.slice(0, maxCreators).map((kept: unknown, id): Creator => {
      const c = record(kept);
      const has = record(c['roles']);
      return {
        id,
        fullName: words(c['fullName']),
        email: words(c['email']),
        roles: Object.fromEntries(roles.map((r) => [r, has[r] === true])) as Creator['roles'],
        ipi: words(c['ipi']),
        isni: words(c['isni']),
      };
    }),
  };
}
