/**
 * The globals that Lit uses while it is imported. The build gives them to Lit in place of the browser's.
 * Without a DOM (server-side rendering) there are stand-ins, so that the bundle can be imported.
 */
const D = globalThis.document ?? ({ createTreeWalker: () => ({}) } as unknown as Document);
const H = globalThis.HTMLElement ?? (class {} as unknown as typeof globalThis.HTMLElement);
export { D as document, H as HTMLElement };

interface Factory {
  createPolicy(...policy: unknown[]): unknown;
}
const T = (globalThis as { trustedTypes?: Factory }).trustedTypes;

/**
 * The page's trusted-types directive may name other policies than Lit's, or another copy of Lit may have taken the name. The script must not
 * throw there. Only a page that names no lit-html policy at all cannot show the element.
 */
const createPolicy = (...policy: unknown[]): unknown => {
  try {
    return T!.createPolicy(...policy);
  } catch {
    return undefined;
  }
};
export const G = { trustedTypes: T && { createPolicy } };
