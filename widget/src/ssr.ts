/**
 * Stand-ins for the globals that Lit uses while it is imported, so that the bundle can be imported without a DOM (server-side rendering).
 * The build replaces the globals with these; in a browser they are the globals.
 */
const D = globalThis.document ?? ({ createTreeWalker: () => ({}) } as unknown as Document);
const H = globalThis.HTMLElement ?? (class {} as unknown as typeof globalThis.HTMLElement);
export { D as document, H as HTMLElement };
