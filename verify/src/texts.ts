/** The texts of the page in each of its languages, all of them inside the page. */
import languages, { type Text } from 'locales:verify';
import { Texts as Engine, baseOf } from '../../web/i18n/texts.js';

export { languages };
export type Key = Text;
export type Texts = Engine<Key>;

const english = languages['en']!.texts;

export function textsOf(lang: string): Texts {
  const { dir, texts } = languages[lang]!;
  return new Engine(lang, dir, texts, english);
}

/** The first language: the reader's most preferred one that the page has. */
export const languageFor = (wanted: readonly string[]): string => wanted.map(baseOf).find((base) => Object.hasOwn(languages, base)) ?? 'en';
