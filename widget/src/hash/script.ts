/** The address of the worker's script: the file that this code is in. */

/** Calls make with the address. */
export const start = (make: (script: URL) => Worker): Worker => make(new URL(import.meta.url));
