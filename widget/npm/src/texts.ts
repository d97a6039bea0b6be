/** Takes the place of src/i18n/fetched.ts in the package, which has the texts of its version. */
import files from 'locales:files';

/** The texts of a language; undefined for an unknown one. Rejects when its file cannot be loaded. */
export async function load(_env: unknown, _base: string, language: string): Promise<unknown> {
  return (await files[language]?.())?.default;
}
