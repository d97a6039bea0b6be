/** The names that rest.ts uses of the first file's modules. The build fills in the list, so that no code and no state is on a page twice. */
export const shared: readonly unknown[] = [];
