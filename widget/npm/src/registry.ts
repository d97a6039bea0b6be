/** Defines <ats-widget> once, however many copies a page has. */
import { AtsWidget } from '../../src/element.js';

export function define(): void {
  const registry = globalThis.customElements as CustomElementRegistry | undefined;
  // If another copy was loaded first, its element stays.
  if (registry && !registry.get('ats-widget')) registry.define('ats-widget', AtsWidget);
}
