/** The entry of the second file: works that are registered already, to be updated and downloaded. */
import type { Kit, Second } from '../second.js';
import texts from '../locales/en.works.json';
import { take, en } from './kit.js';
import { accessCode, registered } from './registered.js';
import { Works } from './shelf.js';
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

/** Takes what the first file has, and gives what this one has. */
export function use(kit: Kit): Second {
  take(kit);
  Object.assign(en, texts);
  return {
    shelf: (flow, env, target, page) => {
      page.dress(sheet);
      return new Works(flow, env, target, page);
    },
    form: (v) => {
      const { step, mode } = v.state;
      if (step === 'code') return accessCode(v);
      return mode === 'update' && step !== 'works' ? registered(v) : v.flow.shelf?.screen(v);
    },
  };
}
