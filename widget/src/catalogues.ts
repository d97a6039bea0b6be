/** The texts of each language: English is in the bundle, the others are fetched from the ATS when they are needed. */
import { within } from './abort.js';
import type { Env } from './env.js';
import first from './locales/en.json';
import type hash from './locales/en.hash.json';
import type rest from './locales/en.rest.json';
import type works from './locales/en.works.json';
import { version } from './version.js';

export type Key = keyof typeof first | keyof typeof rest | keyof typeof works | keyof typeof hash;
export type Catalogue = Readonly<Record<Key, string>>;

/** English. Each other file adds its own. */
export const en = { ...first } as Record<Key, string>;

/** The languages that there are. */
export const languages = ['en', 'fr', 'es', 'de', 'pt', 'ja', 'ar'];

/** No page waits longer for one. */
const timeout = 30_000;

/** By address, and shared: two elements on a page fetch it once. One that could not be had is asked for again. */
const fetched = new Map<string, Catalogue | Promise<Catalogue | undefined>>();

/** The catalogue of a language, at once where it is here already. Undefined, and never a rejection, when it cannot be had. */
export function catalogueOf(env: Pick<Env, 'fetch'>, atsUrl: string, language: string): Catalogue | Promise<Catalogue | undefined> | undefined {
  if (language === 'en') return en;
  // A relative address would ask the page's own server.
  if (!/^https?:/i.test(atsUrl)) return undefined;
  const base = atsUrl.replace(/\/+$/, '') + '/widget/';
  const key = base + language;
  let found = fetched.get(key);
  if (!found) {
    found = load(env, base, `/locale/${language}.json`)
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

async function load(env: Pick<Env, 'fetch'>, base: string, path: string): Promise<Catalogue | undefined> {
  // A page may host a bundle of another version than its server has: the server's newest serves as well.
  for (const v of [version, 'v1']) {
    const found = await within(undefined, timeout, async (signal) => {
      const r = await env.fetch(base + v + path, { credentials: 'omit', signal });
      return r.ok ? { catalogue: catalogueFrom(await r.json()) } : undefined;
    });
    if (found) return found.catalogue;
  }
  return undefined;
}

/** Takes every text, those of the other files too. Undefined when one of the first is missing: half a language helps nobody. */
export function catalogueFrom(body: unknown): Catalogue | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const texts = Object.fromEntries(Object.entries(body).filter(([, text]) => typeof text === 'string')) as Catalogue;
  return Object.keys(first).every((key) => Object.hasOwn(texts, key) && texts[key as Key]) ? texts : undefined;
}
