/** Fetches the files next to the first one. Knows nothing of their content. */
import { version } from '../version.js';

/** The exports of each file: its version, and a function that receives the modules of the first file. */
export interface Loaded {
  readonly version: string;
  use(given: unknown): unknown;
}

/** The URL of the first file. */
declare const __HERE__: string | undefined;
export const here = __HERE__;
let failures = 0;

/**
 * Looks next to the first file, then on the server. A file of another version is refused: all files are one program.
 * A page whose import map has hashes for the widget receives only the files that this map names.
 */
export async function fetchFile(part: string, atsUrl: string): Promise<Loaded> {
  const name = `ats-widget-${part}.js`;
  const maps = [...document.querySelectorAll('script[type=importmap]')].map((m) => m.textContent).join();
  const hashed = maps.includes('/ats-widget-');
  for (const base of [here, `${atsUrl.replace(/\/+$/, '')}/widget/${version}/`])
    try {
      const { href, pathname } = new URL(name, base);
      if (hashed && !maps.includes(pathname)) continue;
      // A browser may cache that a module failed to load. Another address has no hash.
      const loaded = (await import(href + (failures && !hashed ? `?${failures}` : ''))) as Loaded;
      if (loaded.version === version) return loaded;
    } catch {
      // Missing, or forbidden.
    }
  failures++;
  throw new Error(name);
}
