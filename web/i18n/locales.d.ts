/** The modules that the build makes of the folder locales (i18n.go). */

/** Every language with its direction. */
declare module 'locales:languages' {
  const languages: Readonly<Record<string, 'ltr' | 'rtl'>>;
  export default languages;
}

/** Every language with its own name and the texts of the page /verify. */
declare module 'locales:verify' {
  const languages: Readonly<
    Record<string, { readonly name: string; readonly dir: 'ltr' | 'rtl'; readonly texts: Readonly<Record<string, string>> }>
  >;
  export default languages;
}
