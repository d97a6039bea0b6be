/** The language of one element: which texts it shows while others are on their way. Knows no DOM. */
import { catalogueOf, type Catalogue } from './catalogues.js';
import type { Env } from './env.js';
import { Texts, languageOf } from './i18n.js';

/** The first drawing waits this long, in ms, for the texts of its language. */
const patience = 1500;

export class Speaker {
  texts = new Texts('en');
  #wanted = '';
  #pending = false;
  /** Undefined until texts were waited for. */
  #late: boolean | undefined;
  readonly #env: Pick<Env, 'fetch' | 'sleep'>;
  readonly #changed: () => void;

  /** changed is called whenever texts or waiting became others. */
  constructor(env: Pick<Env, 'fetch' | 'sleep'>, changed: () => void) {
    this.#env = env;
    this.#changed = changed;
  }

  /** True while an element that has shown nothing yet had better wait. */
  get waiting(): boolean {
    return this.#pending && !this.#late;
  }

  /** Takes up a language tag. What is shown stays until its texts are here, but its direction is right at once. */
  speak(tag: string, atsUrl: string): void {
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
      void this.#env.sleep(patience, new AbortController().signal).then(() => {
        this.#late = true;
        this.#changed();
      });
    }
    this.#changed();
    void found.then((c) => {
      if (this.#wanted !== wanted) return;
      // English for now; the next time that it is asked for it may be there.
      if (!c) this.#wanted = '';
      use(c);
    });
  }
}
