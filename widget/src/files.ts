/** Fetches the files that lie beside the first one. Knows nothing of what they hold. */
import { version } from './version.js';

/** What each file exports: its version, and what takes the modules that it needs of those which fetched it. */
export interface Loaded {
  readonly version: string;
  use(given: unknown): unknown;
}

/** The address of the first file. */
declare const __HERE__: string | undefined;
export const here = __HERE__;
let failures = 0;

/** It lies beside the first file, or else on the server. One of another version is none: all files are one program. */
export async function fetchFile(part: string, atsUrl: string): Promise<Loaded> {
  const name = `ats-widget-${part}.js`;
  for (const base of [here, `${atsUrl.replace(/\/+$/, '')}/widget/${version}/`])
    try {
      // A browser may remember that a module could not be had.
      const loaded = (await import(new URL(name, base).href + (failures ? `?${failures}` : ''))) as Loaded;
      if (loaded.version === version) return loaded;
    } catch {
      // Not there, or not allowed.
    }
  failures++;
  throw new Error(name);
}
