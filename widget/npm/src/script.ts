/** Takes the place of src/hash/script.ts in the package. */

/**
 * Bundlers find the worker's file by this exact form, so make takes the name of the browser's class. A bundler that does not know the form
 * leaves an address without a file. Then the worker fails, and the page itself reads the recording.
 */
export function start(make: (script: URL) => Worker): Worker {
  const Worker = function (script: URL) {
    return make(script);
  } as unknown as typeof globalThis.Worker;
  return new Worker(new URL('./hash-worker.js', import.meta.url), { type: 'module' });
}
