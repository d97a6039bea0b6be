/** The texts of each language. English is in the bundle; the others are fetched from the ATS when they are needed. */
import type { Env } from '../env.js';
import { first, firstVerify } from '../../../web/i18n/locales/en.json';
import { load } from './fetched.js';
import type { Catalogue, Key } from './texts.js';

const firstTexts = { ...first, ...firstVerify };

/** The English texts of the first file. Each other file adds its own texts. */
export const en = { ...firstTexts } as Record<Key, string>;

/** By URL, and shared: two elements on a page fetch a catalogue once. A failed fetch is tried again at the next request. */
const fetched = new Map<string, Catalogue | Promise<Catalogue | undefined>>();

/** The catalogue of a language; immediate if it was fetched before. Undefined, never a rejection, when it is unavailable. */
export function catalogueOf(
  env: Pick<Env, 'fetch'>,
  atsUrl: string,
  language: string,
): Catalogue | Promise<Catalogue | undefined> | undefined {
  if (language === 'en') return en;
  // A relative address would ask the server of the page.
  if (!/^https?:/i.test(atsUrl)) return undefined;
  const base = atsUrl.replace(/\/+$/, '') + '/widget/';
  const key = base + language;
  let found = fetched.get(key);
  if (!found) {
    found = load(env, base, language)
      .then(catalogueFrom)
      .catch(() => undefined)
      .then((c) => {
        if (c) fetched.set(key, c);
        else fetched.delete(key);
        return c;
      });
    fetched.set(key, found);
  }
  return found;
}

/**
 * Takes every text, also those of the other files. Undefined when a text of the first file is missing: a screen in two languages helps no
 * one.
 */
export function catalogueFrom(body: unknown): Catalogue | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const texts = Object.fromEntries(Object.entries(body).filter(([, text]) => typeof text === 'string')) as Catalogue;
  return Object.keys(firstTexts).every((key) => Object.hasOwn(texts, key) && texts[key as Key]) ? texts : undefined;
}
