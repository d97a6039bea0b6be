/** The entry of the works file: update and download registered works. */
import type { Imports, WorksPart } from '../parts.js';
import texts from '../locales/en.works.json';
import { take, en } from './imports.js';
import { accessCode, registered } from './registered.js';
import { Works } from './library.js';
import css from './works.css';

export { version } from '../version.js';

let made: CSSStyleSheet | undefined;

function sheet(): CSSStyleSheet {
  if (!made) {
    made = new CSSStyleSheet();
    made.replaceSync(css);
  }
  return made;
}

/** Takes the modules of the first file, and returns the exports of this one. */
export function use(imports: Imports): WorksPart {
  take(imports);
  Object.assign(en, texts);
  return {
    library: (flow, env, target, page) => {
      page.dress(sheet);
      return new Works(flow, env, target, page);
    },
    form: (v) => {
      const { step, mode } = v.state;
      if (step === 'code') return accessCode(v);
      return mode === 'update' && step !== 'works' ? registered(v) : v.flow.library?.screen(v);
    },
  };
}
