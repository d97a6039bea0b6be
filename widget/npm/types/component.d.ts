
type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
export type ComponentHandlers = {
  [K in AtsEventName as K extends `allfeat:${infer Name}` ? `on${Capitalize<Camel<Name>>}` : never]?: (event: AtsEvent<K>) => void;
};
export interface ComponentProps extends Omit<HTMLAttributes<Widget>, keyof ComponentHandlers | 'children'>, ComponentHandlers {
  siteKey: string;
  atsUrl: string;
  network?: 'testnet' | 'mainnet' | undefined;
  mode?: AtsMode | undefined;
  externalUserId?: string | undefined;
  maxFileSize?: number | undefined;
  getSession?: GetSession | undefined;
}
export declare const AtsWidget: ForwardRefExoticComponent<ComponentProps & RefAttributes<Widget>>;
