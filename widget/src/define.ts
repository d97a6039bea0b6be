/** Defines <ats-widget> once, however often this file is loaded. The entry of the module bundle. */
import { AtsWidget } from './element.js';

// If another copy was loaded first, its element stays.
const registry = globalThis.customElements;
if (registry && !registry.get('ats-widget')) registry.define('ats-widget', AtsWidget);

export { AtsWidget };
export { AtsEvent, EVENT_NAMES } from './events.js';
export { version } from './version.js';
