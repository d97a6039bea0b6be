/** <ats-widget> in JSX, for React 18 and 19. Include it beside ats-widget.d.ts. */
import type { HTMLAttributes, RefAttributes } from 'react';
import type { AtsEvent, AtsEventName, AtsWidget, AtsWidgetAttributes } from './ats-widget.js';

/** React 19 calls these. React 18 would ignore them without a word, so there they are an error: use a ref and addEventListener. */
export type AtsWidgetHandlers = typeof import('react') extends { useActionState: unknown }
  ? { [K in AtsEventName as `on${K}`]?: (event: AtsEvent<K>) => void }
  : { [K in AtsEventName as `on${K}`]?: never };

export type AtsWidgetProps = Omit<HTMLAttributes<AtsWidget>, 'lang'> &
  RefAttributes<AtsWidget> &
  AtsWidgetAttributes &
  AtsWidgetHandlers & {
    /** The CSS class, in React 18 too: className becomes an attribute of that name there. */
    class?: string;
  };

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'ats-widget': AtsWidgetProps;
    }
  }
}

declare global {
  namespace JSX {
    interface IntrinsicElements {
      'ats-widget': AtsWidgetProps;
    }
  }
}
