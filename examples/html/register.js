// The page's side of the widget: it brings sessions, and shows how a registration ends.
const widget = document.querySelector('ats-widget');
const registered = document.getElementById('registered');
const failed = document.getElementById('failed');

// Your backend mints: the secret key never reaches the page.
async function renewToken() {
  const response = await fetch('/my-backend/session', { method: 'POST' });
  const { token, error } = await response.json();
  if (error) return widget.refuseToken(error); // the widget shows why
  widget.setToken(token);
}

widget.addEventListener('allfeat:ready', renewToken);
widget.addEventListener('allfeat:token-expired', renewToken);

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
