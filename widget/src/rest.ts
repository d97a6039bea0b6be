/** The entry of ats-widget-rest.js: everything after the first screen. */
import { en } from './i18n/catalogues.js';
import { Controller } from './controller.js';
import { rest, restVerify } from '../../web/i18n/locales/en.json';

Object.assign(en, rest, restVerify);

export { Controller };
