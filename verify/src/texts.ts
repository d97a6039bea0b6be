/** The texts of the page in each of its languages, all of them inside the page. */
import words from '../../proof/evidence/words.json';
import ar from './locales/ar.json';
import de from './locales/de.json';
import page from './locales/en.json';
import es from './locales/es.json';
import fr from './locales/fr.json';
import ja from './locales/ja.json';
import pt from './locales/pt.json';

/** The words of verdicts and checks are shared with the command: they are in its file. */
const en = { ...page, ...words };

export type Key = keyof typeof en;
export type Catalogue = Readonly<Record<Key, string>>;

/** By language tag; each language has its own name for itself. */
export const languages: Readonly<Record<string, { readonly name: string; readonly texts: Catalogue }>> = {
  ar: { name: 'العربية', texts: ar },
  de: { name: 'Deutsch', texts: de },
  en: { name: 'English', texts: en },
  es: { name: 'Español', texts: es },
  fr: { name: 'Français', texts: fr },
  ja: { name: '日本語', texts: ja },
  pt: { name: 'Português', texts: pt },
};

/** The first language: the reader's most preferred one that the page has. */
export const languageFor = (wanted: readonly string[]): string =>
  wanted.map((tag) => tag.toLowerCase().split('-')[0]!).find((base) => Object.hasOwn(languages, base)) ?? 'en';

export class Texts {
  readonly dir: 'ltr' | 'rtl';
  readonly #texts: Catalogue;
  /** The digits are the same in every language: numbers stand next to hashes and versions, which are never translated. */
  readonly #numbers: string;

  constructor(readonly lang: string) {
    this.dir = lang === 'ar' ? 'rtl' : 'ltr';
    this.#texts = languages[lang]!.texts;
    this.#numbers = `${lang}-u-nu-latn`;
  }

  /** A text with its named places filled. Values are isolated: a name in another script does not turn the sentence around. */
  t = (key: Key, values: Readonly<Record<string, string>> = {}): string =>
    this.#texts[key].replace(/\{(\w+)\}/g, (_, name: string) => `\u2068${values[name] ?? ''}\u2069`);

  /** Date and time in UTC: the time that the log recorded, wherever its reader is. */
  date = (ms: number): string => this.#date(ms, 'UTC');

  /** Date and time in the reader's time zone, and in UTC. */
  here = (ms: number): string => {
    const [here, utc] = [this.#date(ms), this.date(ms)];
    return here === utc ? utc : `${here} (${utc})`;
  };

  #date = (ms: number, timeZone?: string): string => new Intl.DateTimeFormat(this.#numbers, { dateStyle: 'long', timeStyle: 'long', ...(timeZone && { timeZone }) }).format(ms);

  percent = (part: number): string => new Intl.NumberFormat(this.#numbers, { style: 'percent' }).format(part);

  list = (texts: readonly string[]): string => new Intl.ListFormat(this.lang).format(texts);

  /** A megabyte has 1,048,576 bytes, as everywhere in Timbre. Rounded up, as in the widget. */
  size = (bytes: number): string => {
    const [n, unit] = bytes < 1 << 20 ? [Math.ceil(bytes / 1024), 'kilobyte'] : [Math.ceil((bytes / (1 << 20)) * 10) / 10, 'megabyte'];
    return new Intl.NumberFormat(this.#numbers, { style: 'unit', unit, maximumFractionDigits: 1 }).format(n);
  };
}
