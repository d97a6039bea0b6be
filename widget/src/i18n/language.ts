/** The language of one element: the texts to show, also while texts are loading. Knows no DOM. */
import languages from 'locales:languages';
import { Texts, baseOf } from '../../../web/i18n/texts.js';
import type { Env } from '../env.js';
import { catalogueOf, en } from './catalogues.js';
import type { Catalogue, Key } from './texts.js';

/** The language to use for a language tag: the tag without its region, or English. */
export const languageOf = (tag: string): string => (Object.hasOwn(languages, baseOf(tag)) ? baseOf(tag) : 'en');

/** The texts for a language tag: those of the catalogue of its language, or English. */
export const textsOf = (tag: string, catalogue?: Catalogue): Texts<Key> => {
  const language = catalogue ? languageOf(tag) : 'en';
  return new Texts(language, languages[language]!, catalogue ?? en, en, tag);
};

/** The longest time, in ms, that the first drawing waits for the texts of its language. */
const timeout = 1500;

export class Language {
  texts = textsOf('en');
  #wanted = '';
  #pending = false;
  /** Undefined until the element first waited for texts. */
  #late: boolean | undefined;
  readonly #env: Pick<Env, 'fetch' | 'sleep'>;
  readonly #changed: () => void;

  /** changed is called whenever texts or waiting has changed. */
  constructor(env: Pick<Env, 'fetch' | 'sleep'>, changed: () => void) {
    this.#env = env;
    this.#changed = changed;
  }

  /** True while an element that has shown nothing yet should wait. */
  get waiting(): boolean {
    return this.#pending && !this.#late;
  }

  /** Switches to a language tag. The old texts stay until the new ones are loaded, but the direction changes at once. */
  set(tag: string, atsUrl: string): void {
    const language = languageOf(tag);
    const wanted = `${tag} ${atsUrl}`;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const use = (c: Catalogue | undefined) => {
      this.#pending = false;
      this.texts = textsOf(tag, c);
      this.#changed();
    };
    const found = catalogueOf(this.#env, atsUrl, language);
    if (!(found instanceof Promise)) return use(found);
    this.#pending = true;
    this.texts = this.texts.facing(languages[language]!);
    if (this.#late === undefined) {
      this.#late = false;
      void this.#env.sleep(timeout, new AbortController().signal).then(() => {
        this.#late = true;
        this.#changed();
      });
    }
    this.#changed();
    void found.then((c) => {
      if (this.#wanted !== wanted) return;
      // Shows English for now. The next request may succeed.
      if (!c) this.#wanted = '';
      use(c);
    });
  }
}
