/**
 * The names that the files of contract.ts use of the modules on the page. The build fills in the list, so that no code and no state is on a
 * page twice.
 */
export const given: readonly unknown[] = [];
