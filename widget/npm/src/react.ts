/**
 * The entry ./react: <ats-widget> as a component, for React 18 and 19. It defines the element when the first component is on the page, after
 * hydration: so its handlers are there before the first event.
 */
import { createElement, forwardRef, useEffect, useImperativeHandle, useLayoutEffect, useRef } from 'react';
import type { ForwardRefExoticComponent, HTMLAttributes, RefAttributes } from 'react';
import type { AtsWidget as Widget } from '../../src/element.js';
import { EVENT_NAMES, type AtsEvent, type AtsEventName, type AtsMode } from '../../src/events.js';
import { define } from './registry.js';
import { keepSession, type GetSession } from './session.js';

type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;

/** onReady, onUploadStart, …: each event of the widget, by its name. */
export type AtsWidgetHandlers = {
  [K in AtsEventName as K extends `allfeat:${infer Name}` ? `on${Capitalize<Camel<Name>>}` : never]?: (event: AtsEvent<K>) => void;
};

/** The other props are those of any HTML element. They reach the element unchanged. */
export interface AtsWidgetProps extends Omit<HTMLAttributes<Widget>, keyof AtsWidgetHandlers | 'children'>, AtsWidgetHandlers {
  /** Public key of the integration (cpk_…). */
  siteKey: string;
  /** Absolute URL of the ATS. */
  atsUrl: string;
  /** The network to register on; by default testnet. */
  network?: 'testnet' | 'mainnet' | undefined;
  /** The task of the widget; by default register. */
  mode?: AtsMode | undefined;
  /** Your reference of the end-user. Required in the mode download. */
  externalUserId?: string | undefined;
  /** Largest file in bytes; 0: only the server's own limit. */
  maxFileSize?: number | undefined;
  /** Called when the widget is ready, and whenever it needs a new token. The newest function is called; a new function alone asks nothing. */
  getSession?: GetSession | undefined;
}

/** "onUploadStart" by "allfeat:upload-start". */
const handlers = Object.values(EVENT_NAMES).map(
  (type) => [type, `on${type.slice(8).replace(/(?:^|-)./g, (s) => s.at(-1)!.toUpperCase())}` as keyof AtsWidgetHandlers] as const,
);
const own = new Set<string>(['getSession', 'children', ...handlers.map(([, prop]) => prop)]);
const attributes: Record<string, string> = {
  siteKey: 'site-key',
  atsUrl: 'ats-url',
  externalUserId: 'external-user-id',
  maxFileSize: 'max-file-size',
  // React 18 has no className of a custom element.
  className: 'class',
};

/** React 18 warns of a layout effect on a server. */
const useBrowserEffect = globalThis.document === undefined ? useEffect : useLayoutEffect;

export const AtsWidget: ForwardRefExoticComponent<AtsWidgetProps & RefAttributes<Widget>> = forwardRef<Widget, AtsWidgetProps>(
  (props, ref) => {
    const element = useRef<Widget | null>(null);
    const newest = useRef(props);
    useBrowserEffect(() => {
      newest.current = props;
    });
    useBrowserEffect(() => {
      const widget = element.current!;
      define();
      const hear = (event: Event): void => {
        const found = handlers.find(([type]) => type === event.type);
        if (event.target === widget) (newest.current[found![1]] as ((event: Event) => void) | undefined)?.(event);
      };
      for (const [type] of handlers) widget.addEventListener(type, hear);
      const stop = keepSession(widget, (event) => newest.current.getSession?.(event) ?? new Promise(() => {}));
      return () => {
        stop();
        for (const [type] of handlers) widget.removeEventListener(type, hear);
      };
    }, []);
    useImperativeHandle(ref, () => element.current!, []);
    const given: Record<string, unknown> = { ref: element };
    for (const [name, value] of Object.entries(props)) if (!own.has(name)) given[attributes[name] ?? name] = value;
    return createElement('ats-widget', given);
  },
);
AtsWidget.displayName = 'AtsWidget';
