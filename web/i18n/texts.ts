/**
 * The texts of one language, for the widget and for the page /verify. Sentences are whole; values fill named places. This file knows no
 * catalogue and no DOM. Dates and lists are in formats.ts: the first file of the widget has none.
 */

/** In bytes, as in every size that Timbre states. */
export const megabyte = 1_048_576;

export type Dir = 'ltr' | 'rtl';
export type Values = Readonly<Record<string, string | number>>;
export type Catalogue<Key extends string> = Readonly<Record<Key, string>>;

/** The language of a tag, without its region. */
export const baseOf = (tag: string): string => tag.toLowerCase().split(/[-_]/)[0]!;

const rightToLeft = /[\u0590-\u08ff\ud802\ud803\ud83a\ud83b\ufb1d-\ufefc]/;

export class Texts<Key extends string> {
  /** The locale of numbers and dates. */
  readonly locale: string;
  // Cached, for long lists: making a formatter takes as long as formatting a hundred values.
  #numbers: Intl.NumberFormat | undefined;

  /**
   * lang is the language of the catalogue, for the lang attribute. A missing text is taken from english. tag is the reader's language tag:
   * its region decides the number format if it belongs to the language, as in fr-CH, but not in sv-SE with English texts.
   */
  constructor(
    readonly lang: string,
    readonly dir: Dir,
    readonly catalogue: Catalogue<Key>,
    readonly english: Catalogue<Key>,
    readonly tag: string = lang,
  ) {
    // Registration numbers have these digits in every language. Some browsers write Arabic dates in others.
    this.locale = new Intl.Locale(baseOf(tag) === lang && valid(tag) ? tag : lang, { numberingSystem: 'latn' }).toString();
  }

  /** The same texts in another direction: that of a language whose texts are still loading. */
  facing(dir: Dir): Texts<Key> {
    return new Texts(this.lang, dir, this.catalogue, this.english, this.tag);
  }

  /**
   * A text with its places filled. A plural text holds its forms as "one=…|other=…"; the value n chooses the form. A value whose direction
   * may differ from that of the sentence is isolated.
   */
  t = (key: Key, values: Values = {}): string => {
    let text = this.catalogue[key] ?? this.english[key];
    if (/^(zero|one|two|few|many|other)=/.test(text)) {
      const forms = Object.fromEntries(text.split('|').map((f) => [f.slice(0, f.indexOf('=')), f.slice(f.indexOf('=') + 1)]));
      text = forms[new Intl.PluralRules(this.locale).select(Number(values['n']))] ?? forms['other'] ?? '';
    }
    return text.replace(/\{(\w+)\}/g, (_, name: string) => {
      const v = values[name] ?? '';
      if (typeof v === 'number') return this.number(v);
      return this.dir === 'rtl' || rightToLeft.test(v) ? `\u2068${v}\u2069` : v;
    });
  };

  number = (n: number): string => (this.#numbers ??= new Intl.NumberFormat(this.locale)).format(n);

  /** Bytes as kilobytes or megabytes, rounded up. A limit is rounded down, so that a larger size never looks equal to it. */
  size = (bytes: number, limit = false): string => {
    const round = limit ? Math.floor : Math.ceil;
    const [n, unit] = bytes < megabyte ? [round(bytes / 1024), 'kilobyte'] : [round((bytes / megabyte) * 10) / 10, 'megabyte'];
    return new Intl.NumberFormat(this.locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(n);
  };
}

const valid = (tag: string) => {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
};
