/**
 * The entry of the package: the class of <ats-widget>, its types, and keepSession(). Importing it defines no element, and is safe on a server
 * without a DOM.
 */
export { AtsWidget } from '../../src/element.js';
export { AtsEvent, EVENT_NAMES } from '../../src/events.js';
export { version } from '../../src/version.js';
export { keepSession } from './session.js';
export type { GetSession, Session } from './session.js';
