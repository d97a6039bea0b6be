/**
 * Which characters of a text are visible. A title and a name are sealed byte by byte, but people compare what they see: two texts that
 * differ in an invisible character look the same. internal/legible of the Go sources has the same rules; the tests read its cases.
 */

/** The flaw of a character, by the server's name of the rule. */
export type Flaw = 'direction_mark' | 'control_character' | 'hidden_character' | 'private_character' | 'combining_marks';

/** Tibetan stacks have up to 8. */
const maxMarks = 8;

const directs = /\p{Bidi_C}/u;
const controls = /[\p{Cc}\u2028\u2029]/u;
/** Default_Ignorable_Code_Point, and characters that draw nothing and are neither ignorable nor white space. */
const hides = /[\p{DI}\u2800\u{1d159}\u{13441}\u{13442}\ufff9-\ufffc]/u;
/** An unpaired surrogate is unassigned too: it cannot be sent. */
const unassigned = /[\p{Co}\p{NChar}\p{Cs}]/u;
const mark = /\p{M}/u;
const nonspacing = /[\p{Mn}\p{Me}]/u;
const space = /\p{space}/u;
/** They take the vowel from the letter before them. */
const virama = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca]/;
/** Pause marks of the Koran, which are between words, and lines above, below and through a text with its spaces. */
const standsOnSpace = /[\u06d6-\u06dc\u0305\u0332-\u0338]/;
const joiner = /[\u200c\u200d]/;
/** Letters and digits of scripts whose letters may join. */
const joins =
  /^(?![\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Armn}\p{sc=Geor}\p{sc=Hebr}\p{sc=Cher}\p{sc=Ethi}\p{sc=Thai}\p{sc=Laoo}\p{sc=Hani}\p{sc=Hira}\p{sc=Kana}\p{sc=Bopo}\p{sc=Hang}\p{sc=Cans}\p{sc=Copt}\p{sc=Dsrt}\p{sc=Goth}\p{sc=Lisu}\p{sc=Ogam}\p{sc=Osge}\p{sc=Vaii}\p{sc=Yiii}\p{sc=Zyyy}\p{DI}])[\p{L}\p{Nd}]/u;
const withoutSpaces = /[\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u;
const pictograph = /[\p{ExtPict}\p{RI}\p{EMod}]/u;
const ideograph = /\p{sc=Hani}/u;
const myanmar = /\p{sc=Mymr}/u;
const mongolian = /\p{sc=Mong}/u;
const letter = /\p{L}/u;
const point = /^(?=[\u0591-\u05c7])\p{M}/u;
const dots = /[\u2801-\u28ff]/;
const tag = /[\u{e0020}-\u{e007f}]/u;
const blackFlag = '\u{1f3f4}';
/** The tag characters of region flags. */
const regional = /[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]/u;
const lastTag = '\u{e007f}';

/** Whether an invisible character changes what is visible. base is the character that marks combine with. */
function acts(all: readonly string[], i: number, base: string): boolean {
  const at = (i: number) => all[i] ?? '';
  const [r, before, after] = [at(i), at(i - 1), at(i + 1)];
  const on = base !== '' && !joiner.test(base);
  // Also at the end of a word, as in Malayalam and Telugu.
  if (r === '\u200c' && base !== '' && virama.test(before)) return true;
  if (r === '\u200c') return on && !space.test(base) && after !== '' && !space.test(after) && (joins.test(base) || joins.test(after));
  if (r === '\u200d') return joins.test(base) || (on && joins.test(after)) || (pictograph.test(base) && pictograph.test(after));
  if (r === '\u200b') return withoutSpaces.test(base) && withoutSpaces.test(after);
  if (/[\ufe0e\ufe0f]/.test(r)) return pictograph.test(before) || (after === '\u20e3' && /[0-9#*]/.test(before));
  if (/[\ufe00-\ufe02\u{e0100}-\u{e01ef}]/u.test(r)) return ideograph.test(before) || (r === '\ufe00' && myanmar.test(before));
  if (/[\u180b-\u180d\u180f]/.test(r)) return mongolian.test(before) && letter.test(before);
  if (r === '\u180e') return mongolian.test(base) && mongolian.test(after);
  if (r === '\u034f') return point.test(before) && point.test(after);
  if (r === '\u2800') return dots.test(before) && dots.test(after);
  if (!tag.test(r)) return false;
  // The flag of a region: a black flag, up to 6 small letters and digits, and the end tag.
  let [from, to] = [r === lastTag ? i - 1 : i, i];
  while (regional.test(at(from)) && i - from < 8) from--;
  while (regional.test(at(to)) && to - i < 8) to++;
  return at(from) === blackFlag && at(to) === lastTag && to - from > 1 && to - from <= 7 && !tag.test(at(to + 1));
}

/** Calls back with each character and its flaw, until the callback says stop. */
function read(text: string, each: (char: string, flaw: Flaw | undefined) => unknown): void {
  const all = [...text];
  let [base, marks, begun] = ['', 0, false];
  for (const [i, r] of all.entries()) {
    const isMark = mark.test(r);
    if (nonspacing.test(r)) marks++;
    const bare = base === '' || space.test(base) || (hides.test(base) && !joiner.test(base));
    const flaw: Flaw | undefined = directs.test(r)
      ? 'direction_mark'
      : controls.test(r)
        ? 'control_character'
        : hides.test(r) && !acts(all, i, base)
          ? 'hidden_character'
          : unassigned.test(r)
            ? 'private_character'
            : isMark && (marks > maxMarks || (bare && !(begun && space.test(base) && standsOnSpace.test(r))))
              ? 'combining_marks'
              : undefined;
    if (flaw && flaw !== 'combining_marks') [base, marks] = ['', 0];
    else if (!isMark) {
      [base, marks] = [r, 0];
      begun ||= !space.test(r) && (!hides.test(r) || joiner.test(r));
    }
    if (each(r, flaw)) return;
  }
}

/** A character by its number. */
export const named = (char: string): string => `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/** The first character that is not allowed at its place, with its position, counted from 1. */
export function flawOf(text: string): { readonly flaw: Flaw; readonly char: string; readonly at: number } | undefined {
  let found: { flaw: Flaw; char: string; at: number } | undefined;
  let at = 0;
  read(text, (r, flaw) => {
    at++;
    if (flaw) found = { flaw, char: named(r), at };
    return !!flaw;
  });
  return found;
}

/** A character by its number with the text around it, for a person who cannot see the character: Lo⟨U+200B⟩ve. at counts from 1. */
export function around(text: string, at: number): string {
  const all: string[] = [];
  // Other forbidden characters are left out: one at a time is enough.
  read(text, (r, flaw) => void all.push(all.length === at - 1 ? `⟨${named(r)}⟩` : flaw ? '' : r));
  let from = Math.max(0, at - 9);
  while (from && mark.test(all[from]!)) from--; // a mark stays with its letter
  const to = at + 8;
  return `${from ? '…' : ''}${all.slice(from, to).join('')}${to < all.length ? '…' : ''}`;
}

/** A text as it is safe to show: each forbidden character is shown by its number, as ⟨U+202E⟩. */
export function legible(text: string): string {
  let out = '';
  read(text, (r, flaw) => void (out += flaw ? `⟨${named(r)}⟩` : r));
  return out;
}

/** Whether nothing of a text is visible: white space, marks without a letter, and characters that draw nothing. */
export const blank = (text: string): boolean => [...text].every((r) => space.test(r) || mark.test(r) || hides.test(r));
