/** <ats-widget> in JSX, for React 18 and 19. Include it with ats-widget.d.ts. */
import type { HTMLAttributes, RefAttributes } from 'react';
import type { AtsEvent, AtsEventName, AtsWidget, AtsWidgetAttributes } from './ats-widget.js';

/** React 19 calls these. React 18 would ignore them silently, so there they are an error: use a ref and addEventListener. */
export type AtsWidgetHandlers = typeof import('react') extends { useActionState: unknown }
  ? { [K in AtsEventName as `on${K}`]?: (event: AtsEvent<K>) => void }
  : { [K in AtsEventName as `on${K}`]?: never };

export type AtsWidgetProps = Omit<HTMLAttributes<AtsWidget>, 'lang'> &
  RefAttributes<AtsWidget> &
  AtsWidgetAttributes &
  AtsWidgetHandlers & {
    /** The CSS class, also in React 18, which turns className into an attribute of that name. */
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
