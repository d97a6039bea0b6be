/** <ats-widget> in Vue 3 templates. Include it with ats-widget.d.ts. */
import type { HTMLAttributes, ReservedProps } from 'vue';
import type { AtsEvent, AtsEventName, AtsWidget, AtsWidgetAttributes } from './ats-widget.js';

type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;

/** In a template the attributes are in kebab case, and events are @allfeat:ready="…". */
export type AtsWidgetProps = Omit<HTMLAttributes, 'lang'> &
  ReservedProps & { [K in keyof AtsWidgetAttributes as Camel<K>]: AtsWidgetAttributes[K] } & {
    [K in AtsEventName as `on${Capitalize<Camel<K>>}`]?: (event: AtsEvent<K>) => void;
  };

declare module 'vue' {
  interface GlobalComponents {
    'ats-widget': new () => AtsWidget & { $props: AtsWidgetProps };
  }
}
