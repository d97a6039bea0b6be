import '@timbre/ats-widget/define';
import { keepSession } from '@timbre/ats-widget';

// The page listens too late: the widget is ready already.
document.addEventListener(
  'allfeat:ready',
  () =>
    setTimeout(() =>
      keepSession(document.querySelector('ats-widget'), async (event) => {
        document.body.dataset.asked = event.type;
        const response = await fetch('/my-backend/session', { method: 'POST' });
        return response.json();
      }),
    ),
  { once: true },
);
