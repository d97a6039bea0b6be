/** The texts of the page in each of its languages, all of them inside the page. */
import languages from 'locales:verify';
import type words from '../../proof/evidence/words.json';
import type english from '../../web/i18n/locales/en.json';
import { Texts as Engine, baseOf, type Catalogue } from '../../web/i18n/texts.js';

type KeysOf<T> = T extends unknown ? keyof T : never;

export { languages };
/** The words of verdicts and checks are shared with the command: they are in its file. */
export type Key = KeysOf<(typeof english)['verify' | 'firstVerify' | 'restVerify'] | typeof words>;
export type Texts = Engine<Key>;

// The build checks that every language has every key.
const catalogueOf = (lang: string) => languages[lang]!.texts as Catalogue<Key>;

export const textsOf = (lang: string): Texts => new Engine(lang, languages[lang]!.dir, catalogueOf(lang), catalogueOf('en'));

/** The first language: the reader's most preferred one that the page has. */
export const languageFor = (wanted: readonly string[]): string => wanted.map(baseOf).find((base) => Object.hasOwn(languages, base)) ?? 'en';
