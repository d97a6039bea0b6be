/**
 * Stand-ins for what Lit touches while it is being imported, so that the bundle can be imported where there is no
 * DOM (server-side rendering). The build puts them in place of the globals; in a browser they are the globals.
 */
const D = globalThis.document ?? ({ createTreeWalker: () => ({}) } as unknown as Document);
const H = globalThis.HTMLElement ?? (class {} as unknown as typeof globalThis.HTMLElement);
export { D as document, H as HTMLElement };
