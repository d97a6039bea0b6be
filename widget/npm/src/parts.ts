/** Takes the place of src/parts/files.ts in the package. Bundlers follow each import() to a file of its own. */
import type { Loaded } from '../../src/parts/files.js';
import { version } from '../../src/version.js';

const files: Record<string, () => Promise<unknown>> = {
  rest: () => import('../../src/rest.js'),
  works: () => import('../../src/works/works.js'),
  file: () => import('../../src/file/file.js'),
  hash: () => import('../../src/hash/hash.js'),
  large: () => import('../../src/large/large.js'),
};

/** Rejects when the file cannot be loaded. Modules are shared by the bundler: nothing is given to a file. */
export async function fetchFile(part: string): Promise<Loaded> {
  const module = await files[part]!();
  return { version, use: () => module };
}
