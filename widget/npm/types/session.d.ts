
/** What a page's backend answers: a session token, or the `error` with which the server refused one. */
export type Session = { readonly token: string; readonly error?: undefined } | { readonly token?: undefined; readonly error: unknown };
export type GetSession = (event: AtsEvent<'allfeat:ready'> | AtsEvent<'allfeat:token-expired'>) => Session | Promise<Session>;
/** Calls getSession() when the widget is ready and whenever it needs a new token. Returns a function that stops this. */
export declare function keepSession(widget: AtsWidget, getSession: GetSession): () => void;
