/** The parts of the first file's modules that rest.ts uses. The build fills in the list, so that no code is on a page twice. */
export const shared: readonly unknown[] = [];
