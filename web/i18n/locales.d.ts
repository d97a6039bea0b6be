/** The modules that the build makes of the folder locales. */

/** Every language with its direction. */
declare module 'locales:languages' {
  const languages: Readonly<Record<string, 'ltr' | 'rtl'>>;
  export default languages;
}

/** Every language with its own name and the texts of the page /verify. */
declare module 'locales:verify' {
  import type english from './locales/en.json';
  import type words from '../../evidence/words.json';
  type Keys<Section> = Section extends unknown ? keyof Section : never;
  export type Text = Keys<(typeof english)['verify' | 'firstVerify' | 'restVerify'] | typeof words>;
  const languages: Readonly<
    Record<string, { readonly name: string; readonly dir: 'ltr' | 'rtl'; readonly texts: Readonly<Record<Text, string>> }>
  >;
  export default languages;
}
