/**
 * What of a text is seen. A title and a name are sealed byte by byte, and people compare what they see: a character that is not seen,
 * or that moves others, makes the two differ. The Go sources have the same rules in internal/legible, whose cases the tests read.
 */

/** What is wrong with a character, as the server names the rule. */
export type Flaw = 'direction_mark' | 'control_character' | 'hidden_character' | 'private_character' | 'combining_marks';

/** Tibetan stacks have up to 8. */
const maxMarks = 8;

const directs = /\p{Bidi_C}/u;
const controls = /[\p{Cc}\u2028\u2029]/u;
/** Default_Ignorable_Code_Point, and what draws nothing and is neither ignorable nor white space. */
const hides = /[\p{DI}\u2800\u{1d159}\u{13441}\u{13442}\ufff9-\ufffc]/u;
/** Half a pair of UTF-16 is none, either: it cannot be sent. */
const unassigned = /[\p{Co}\p{NChar}\p{Cs}]/u;
const mark = /\p{M}/u;
const nonspacing = /[\p{Mn}\p{Me}]/u;
const space = /\p{space}/u;
/** They take the vowel from the letter before them. */
const virama = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca]/;
/** Pauses of the Koran, which stand between words, and lines above, below and through a text with its spaces. */
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
/** Tags that a region is named with. */
const regional = /[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]/u;
const lastTag = '\u{e007f}';

/** Whether a character that is not seen by itself changes what is seen. base is what marks stand on. */
function acts(all: readonly string[], i: number, base: string): boolean {
  const at = (i: number) => all[i] ?? '';
  const [r, before, after] = [at(i), at(i - 1), at(i + 1)];
  const on = base !== '' && !joiner.test(base);
  // Also at the end of a word, as Malayalam and Telugu have it.
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
  // The flag of a region: up to 6 small letters and digits after a black flag, and the one that ends them.
  let [from, to] = [r === lastTag ? i - 1 : i, i];
  while (regional.test(at(from)) && i - from < 8) from--;
  while (regional.test(at(to)) && to - i < 8) to++;
  return at(from) === blackFlag && at(to) === lastTag && to - from > 1 && to - from <= 7 && !tag.test(at(to + 1));
}

/** Calls back with each character and its flaw, until told to stop. */
function read(text: string, each: (char: string, flaw: Flaw | undefined) => boolean | void): void {
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

/** The first character that may not stand where it stands, with its place, counted from 1. */
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

/** A character by its number with what stands around it, for somebody who cannot see it: Lo⟨U+200B⟩ve. at counts from 1. */
export function around(text: string, at: number): string {
  const all: string[] = [];
  // Others that may not stand there are left out: one is enough at a time.
  read(text, (r, flaw) => void all.push(all.length === at - 1 ? `⟨${named(r)}⟩` : flaw ? '' : r));
  let from = Math.max(0, at - 9);
  while (from && mark.test(all[from]!)) from--; // marks stand with their letter
  const to = at + 8;
  return `${from ? '…' : ''}${all.slice(from, to).join('')}${to < all.length ? '…' : ''}`;
}

/** A text as people may see it: a character that may not stand there is shown by its number, as ⟨U+202E⟩. */
export function legible(text: string): string {
  let out = '';
  read(text, (r, flaw) => void (out += flaw ? `⟨${named(r)}⟩` : r));
  return out;
}

/** Whether nothing of a text is seen: white space, marks without a letter, and what is not drawn. */
export const blank = (text: string): boolean => [...text].every((r) => space.test(r) || mark.test(r) || hides.test(r));
