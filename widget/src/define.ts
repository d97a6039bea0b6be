/** Defines <ats-widget>, once, however often it is loaded. The entry of the module bundle. */
import { AtsWidget } from './element.js';

// Another copy may have been first; its element then stays the one.
const registry = globalThis.customElements;
if (registry && !registry.get('ats-widget')) registry.define('ats-widget', AtsWidget);

export { AtsWidget };
export { AtsEvent, EVENT_NAMES } from './events.js';
export { version } from './version.js';
