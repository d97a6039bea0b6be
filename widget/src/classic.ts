/** The entry of the classic script: defines the element, and sets one global name that holds the module's exports. */
import * as exported from './define.js';

// If the page already uses the name, the page's own value stays.
(globalThis as { AtsWidgetComponent?: unknown }).AtsWidgetComponent ??= Object.freeze({ ...exported });
