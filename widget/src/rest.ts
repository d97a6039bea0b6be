/** The entry of ats-widget-rest.js: everything behind the first screen. */
import { en } from './catalogues.js';
import { Controller } from './controller.js';
import texts from './locales/en.rest.json';

Object.assign(en, texts);

export { Controller };

/** What the file gives to the first one. */
export interface Rest {
  Controller: typeof Controller;
}
