/** The entry of the classic script: defines the element, and gives the page what the module exports under one global name. */
import * as exported from './define.js';

// A page that has the name already keeps its own.
(globalThis as { AtsWidgetComponent?: unknown }).AtsWidgetComponent ??= Object.freeze({ ...exported });
