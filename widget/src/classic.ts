/** The entry of the classic script: defines the element, and sets one global name that holds the module's exports. */
import * as exported from './define.js';
import type { AtsEvent, AtsWidget, EVENT_NAMES } from './define.js';

// If the page already uses the name, the page's own value stays.
globalThis.AtsWidgetComponent ??= Object.freeze({ ...exported });

declare global {
  /** The global name of the classic script: the exports of the module. */
  var AtsWidgetComponent:
    Readonly<{ AtsWidget: typeof AtsWidget; AtsEvent: typeof AtsEvent; EVENT_NAMES: typeof EVENT_NAMES; version: string }> | undefined;
}
