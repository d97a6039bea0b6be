import type { Session } from '@timbre/ats-widget';

/** Asks your backend for a session. Its answer has the token, or the error that the widget shows. */
export async function getSession(): Promise<Session> {
  const response = await fetch('/my-backend/session', { method: 'POST' });
  return response.json();
}
