/** <ats-widget> in Svelte templates. Include it with ats-widget.d.ts. */
import type { HTMLAttributes } from 'svelte/elements';
import type { AtsEvent, AtsEventName, AtsWidget, AtsWidgetAttributes } from './ats-widget.js';

/** Svelte 5 calls onallfeat:ready, Svelte 4 on:allfeat:ready. */
export type AtsWidgetProps = Omit<HTMLAttributes<AtsWidget>, 'lang'> &
  AtsWidgetAttributes & { [K in AtsEventName as `on${K}` | `on:${K}`]?: (event: AtsEvent<K>) => void };

declare module 'svelte/elements' {
  interface SvelteHTMLElements {
    'ats-widget': AtsWidgetProps;
  }
}

declare global {
  namespace svelteHTML {
    interface IntrinsicElements {
      'ats-widget': AtsWidgetProps;
    }
  }
}
