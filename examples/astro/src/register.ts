// The page's side of the widget: it brings sessions, and shows how a registration ends.
import { keepSession, type Session } from '@timbre/ats-widget';

const widget = document.querySelector('ats-widget')!;
const registered = document.querySelector('#registered')!;
const failed = document.querySelector('#failed')!;

keepSession(widget, async (): Promise<Session> => {
  // Astro refuses a POST without this type, as one of another site.
  const response = await fetch('/my-backend/session', { method: 'POST', headers: { 'Content-Type': 'application/json' } });
  return response.json();
});

widget.addEventListener('allfeat:complete', ({ detail }) => {
  const record = document.createElement('a');
  record.href = detail.explorerUrl;
  record.textContent = 'See the public record';
  failed.textContent = '';
  registered.replaceChildren(`Registered as number ${detail.atsId}. `, record);
});

// The widget shows the reason and the next step. The page says where help is, and keeps the cause.
widget.addEventListener('allfeat:failed', ({ detail }) => {
  failed.textContent = `The song is not registered. Our support needs this reference: ${detail.requestId ?? detail.code}.`;
  console.warn('registration failed', detail);
});

// The element starts after all listeners are there, so no event is lost.
await import('@timbre/ats-widget/define');
