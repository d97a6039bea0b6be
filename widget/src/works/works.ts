/** The entry of the second file: the works of an end-user, to be chosen from, updated and downloaded. */
import type { Kit, NewShelf } from '../second.js';
import texts from '../locales/en.works.json';
import { take, en } from './kit.js';
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

/** Takes what the first file has, and gives what a shelf is made with. */
export function use(kit: Kit): NewShelf {
  take(kit);
  Object.assign(en, texts);
  return (flow, env, target, page) => {
    page.dress(sheet);
    return new Works(flow, env, target, page);
  };
}
