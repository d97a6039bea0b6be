/** The language of one element: the texts to show, also while texts are loading. Knows no DOM. */
import { catalogueOf, type Catalogue } from './catalogues.js';
import type { Env } from './env.js';
import { Texts, languageOf } from './i18n.js';

/** The longest time, in ms, that the first drawing waits for the texts of its language. */
const timeout = 1500;

export class Language {
  texts = new Texts('en');
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
      this.texts = c ? new Texts(tag, language, c) : new Texts(tag);
      this.#changed();
    };
    const found = catalogueOf(this.#env, atsUrl, language);
    if (!(found instanceof Promise)) return use(found);
    this.#pending = true;
    this.texts = this.texts.facing(language);
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
