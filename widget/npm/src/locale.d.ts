/** The build writes this module: the file of each language. */
declare module 'locales:files' {
  const files: Record<string, () => Promise<{ default: unknown }>>;
  export default files;
}
