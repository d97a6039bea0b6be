/** The entry of ats-widget-rest.js: everything after the first screen. */
import { en } from './catalogues.js';
import { Controller } from './controller.js';
import texts from './locales/en.rest.json';

Object.assign(en, texts);

export { Controller };

/** The exports that the first file uses. */
export interface Rest {
  Controller: typeof Controller;
}
