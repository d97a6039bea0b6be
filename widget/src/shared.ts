/** What rest.ts uses of the modules of the first file: the build fills in the list, so that no code is on a page twice. */
export const shared: readonly unknown[] = [];
