/** Fetches the texts of a language from the ATS. */
import { within } from '../ats/abort.js';
import type { Env } from '../env.js';
import { version } from '../version.js';

/** The longest time that a page waits for a catalogue. */
const timeout = 30_000;

/** The texts, unchecked; undefined when the ATS has none. Rejects when it does not answer. */
export async function load(env: Pick<Env, 'fetch'>, base: string, language: string): Promise<unknown> {
  // The page may load a bundle of another version than the server's. The server's newest catalogue works too.
  for (const v of [version, 'v1']) {
    const found = await within(undefined, timeout, async (signal) => {
      const r = await env.fetch(`${base}${v}/locale/${language}.json`, { credentials: 'omit', signal });
      return r.ok ? { body: (await r.json()) as unknown } : undefined;
    });
    if (found) return found.body;
  }
  return undefined;
}
