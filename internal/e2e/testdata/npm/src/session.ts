import type { Session } from '@timbre/ats-widget';

/** Asks the app's own backend. */
export async function getSession(): Promise<Session> {
  const response = await fetch('/my-backend/session', { method: 'POST' });
  return (await response.json()) as Session;
}

/** The props of every app, which the page has as attributes of #app. */
export interface Props {
  siteKey: string;
  atsUrl: string;
}

export const propsOf = (app: HTMLElement): Props => ({ siteKey: app.dataset.siteKey!, atsUrl: app.dataset.atsUrl! });

declare global {
  /** Takes the app off its page. */
  var leave: () => void;
  /** Draws the app again. */
  var enter: () => void;
}
