/** Gives an <ats-widget> its session tokens. It knows neither the page's backend nor a framework. */
import type { AtsWidget } from '../../src/element.js';
import { AtsEvent } from '../../src/events.js';

/** The answer of a page's backend: a session token, or the `error` with which the server refused one. */
export type Session = { readonly token: string; readonly error?: undefined } | { readonly token?: undefined; readonly error: unknown };

/**
 * Gets a session from the page's backend. The event says why: `allfeat:ready`, or `allfeat:token-expired` with its pendingAction. The widget
 * waits 60 s for the answer.
 */
export type GetSession = (event: AtsEvent<'allfeat:ready'> | AtsEvent<'allfeat:token-expired'>) => Session | Promise<Session>;

/**
 * Calls getSession() when the widget is ready and whenever it needs a new token, and gives it the answer. Only the answer to the newest
 * question counts. If getSession() throws, the widget shows a network error, and the error is reported to the page. If the widget asked before
 * this began, getSession() is called at once, as for `allfeat:ready`.
 *
 * Returns a function that stops this: it removes the listeners. An answer that is on its way still reaches the widget, because React removes
 * and adds the listeners of one element in StrictMode.
 */
export function keepSession(widget: AtsWidget, getSession: GetSession): () => void {
  let newest: Event | undefined;
  const ask = (event: Parameters<GetSession>[0]): void => {
    newest = event;
    new Promise<Session>((resolve) => resolve(getSession(event))).then(
      (session) => {
        if (newest !== event) return;
        if (session.error) widget.refuseToken(session.error);
        else widget.setToken(session.token!);
      },
      (thrown: unknown) => {
        if (newest === event) widget.refuseToken({ code: 'widget.network_error', details: { reason: 'getSession' } });
        reportError(thrown);
      },
    );
  };
  // An event of a widget inside this one's light DOM is not this one's question.
  const hear = (event: Parameters<GetSession>[0]): void => {
    if (event.target === widget) ask(event);
  };
  widget.addEventListener('allfeat:ready', hear);
  widget.addEventListener('allfeat:token-expired', hear);
  // An element that is not defined yet has no state, and asks later.
  if ((widget as Partial<AtsWidget>).getState?.().needsToken) ask(new AtsEvent('allfeat:ready', { mode: widget.mode }));
  return () => {
    widget.removeEventListener('allfeat:ready', hear);
    widget.removeEventListener('allfeat:token-expired', hear);
  };
}
