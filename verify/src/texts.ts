/** The texts of the page in each of its languages, all of them inside it. */
import ar from './locales/ar.json';
import de from './locales/de.json';
import en from './locales/en.json';
import es from './locales/es.json';
import fr from './locales/fr.json';
import ja from './locales/ja.json';
import pt from './locales/pt.json';

export type Key = keyof typeof en;
export type Catalogue = Readonly<Record<Key, string>>;

/** By language tag; each under its own name. */
export const languages: Readonly<Record<string, { readonly name: string; readonly texts: Catalogue }>> = {
  ar: { name: 'العربية', texts: ar },
  de: { name: 'Deutsch', texts: de },
  en: { name: 'English', texts: en },
  es: { name: 'Español', texts: es },
  fr: { name: 'Français', texts: fr },
  ja: { name: '日本語', texts: ja },
  pt: { name: 'Português', texts: pt },
};

/** The language to begin with: the first that the reader wants and that there is. */
export const languageFor = (wanted: readonly string[]): string =>
  wanted.map((tag) => tag.toLowerCase().split('-')[0]!).find((base) => Object.hasOwn(languages, base)) ?? 'en';

export class Texts {
  readonly dir: 'ltr' | 'rtl';
  readonly #texts: Catalogue;

  readonly #locale: string;

  constructor(readonly lang: string) {
    // Registration numbers have these digits. Browsers differ in what they take for Arabic by themselves.
    this.#locale = `${lang}-u-nu-latn`;
    this.dir = lang === 'ar' ? 'rtl' : 'ltr';
    this.#texts = languages[lang]!.texts;
  }

  /** A text with its named places filled. Values are isolated: a name in another script does not turn its sentence around. */
  t = (key: Key, values: Readonly<Record<string, string>> = {}): string =>
    this.#texts[key].replace(/\{(\w+)\}/g, (_, name: string) => `\u2068${values[name] ?? ''}\u2069`);

  /** Day and time in UTC: what the log wrote down, wherever its reader is. */
  date = (ms: number): string => new Intl.DateTimeFormat(this.#locale, { dateStyle: 'long', timeStyle: 'long', timeZone: 'UTC' }).format(ms);

  percent = (part: number): string => new Intl.NumberFormat(this.#locale, { style: 'percent' }).format(part);

  list = (texts: readonly string[]): string => new Intl.ListFormat(this.lang).format(texts);

  size = (bytes: number): string => {
    const [n, unit] = bytes < 1e6 ? [bytes / 1e3, 'kilobyte'] : [bytes / 1e6, 'megabyte'];
    return new Intl.NumberFormat(this.#locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(n);
  };
}
