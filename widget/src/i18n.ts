/** Texts and formats in the language of the page. Sentences are whole; values fill named places. */
import { en, languages, type Catalogue, type Key } from './catalogues.js';

export type { Key };

/** In bytes, as every size that Timbre states. */
export const megabyte = 1_048_576;

export type Values = Readonly<Record<string, string | number>>;

/** The language to use for a language tag: the tag without its region, or English. */
export const languageOf = (tag: string): string => {
  const base = tag.toLowerCase().split(/[-_]/)[0]!;
  return languages.includes(base) ? base : 'en';
};

/** Fills named places. A plural text holds its forms as "one=…|other=…"; the value n chooses the form. */
export function fill(text: string, values: Values, locale: string, number: (n: number) => string): string {
  let chosen = text;
  if (/^(zero|one|two|few|many|other)=/.test(text)) {
    const forms = Object.fromEntries(text.split('|').map((f) => [f.slice(0, f.indexOf('=')), f.slice(f.indexOf('=') + 1)]));
    chosen = forms[new Intl.PluralRules(locale).select(Number(values['n']))] ?? forms['other'] ?? '';
  }
  return chosen.replace(/\{(\w+)\}/g, (_, name: string) => {
    const v = values[name];
    return typeof v === 'number' ? number(v) : (v ?? '');
  });
}

const directionOf = (language: string) => (language === 'ar' ? 'rtl' : 'ltr');

export class Texts {
  readonly dir: 'ltr' | 'rtl';
  /** The language of the texts, for the lang attribute. */
  readonly lang: string;
  readonly #tag: string;
  readonly #locale: string;
  readonly #catalogue: Catalogue;
  // Cached, for long lists: making a formatter takes as long as formatting a hundred values.
  #numbers: Intl.NumberFormat | undefined;
  #dates: Intl.DateTimeFormat | undefined;

  constructor(tag: string, language = 'en', catalogue: Catalogue = en, dir: 'ltr' | 'rtl' = directionOf(language)) {
    this.#tag = tag;
    this.lang = language;
    this.#catalogue = catalogue;
    this.dir = dir;
    // The region decides the number format if it belongs to the language: fr-CH, but not sv-SE with English texts.
    this.#locale = languageOf(tag) === language && tag.toLowerCase().startsWith(language) && valid(tag) ? tag : language;
    // The same digits as in registration numbers; some browsers write Arabic dates in other digits.
    this.#locale = new Intl.Locale(this.#locale, { numberingSystem: 'latn' }).toString();
  }

  /** The same texts in the direction of another language whose texts are still loading. */
  facing(language: string): Texts {
    return new Texts(this.#tag, this.lang, this.#catalogue, directionOf(language));
  }

  t = (key: Key, values: Values = {}): string => fill(this.#catalogue[key] ?? en[key], values, this.#locale, this.number);

  number = (n: number): string => (this.#numbers ??= new Intl.NumberFormat(this.#locale)).format(n);

  percent = (part: number): string => new Intl.NumberFormat(this.#locale, { style: 'percent' }).format(part);

  /** Bytes as kilobytes or megabytes, rounded up. A limit is rounded down, so that a larger size never looks equal to it. */
  size = (bytes: number, limit = false): string => {
    const round = limit ? Math.floor : Math.ceil;
    return bytes < megabyte
      ? this.#unit(round(bytes / 1024), 'kilobyte')
      : this.#unit(round((bytes / megabyte) * 10) / 10, 'megabyte');
  };

  #unit = (n: number, unit: string): string =>
    new Intl.NumberFormat(this.#locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(n);

  /** Date and time, with the time zone: the same moment can be another day elsewhere. */
  date = (ms: number): string =>
    (this.#dates ??= new Intl.DateTimeFormat(this.#locale, { year: 'numeric', month: 'long', day: 'numeric', ...clock })).format(ms);
  /** Time of day, with the time zone. */
  time = (ms: number): string => new Intl.DateTimeFormat(this.#locale, clock).format(ms);
  list = (words: readonly string[]): string => new Intl.ListFormat(this.#locale, { type: 'unit', style: 'short' }).format(words);
}

const clock = { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const;

const valid = (tag: string) => {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
};
