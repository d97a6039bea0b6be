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

/** Looks next to the first file, then on the server. A file of another version is refused: all files are one program. */
export async function fetchFile(part: string, atsUrl: string): Promise<Loaded> {
  const name = `ats-widget-${part}.js`;
  for (const base of [here, `${atsUrl.replace(/\/+$/, '')}/widget/${version}/`])
    try {
      // A browser may cache that a module failed to load.
      const loaded = (await import(new URL(name, base).href + (failures ? `?${failures}` : ''))) as Loaded;
      if (loaded.version === version) return loaded;
    } catch {
      // Missing, or forbidden.
    }
  failures++;
  throw new Error(name);
}
