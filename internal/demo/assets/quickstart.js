// The quick start: all that a page needs beside the element. Load it before
// the widget, so that it hears the first event.
const widget = document.querySelector('ats-widget');

// The action of a token, for each mode of the widget.
const actions = { register: 'register', update: 'update_version', download: 'access' };

// Your backend holds the secret key and mints a short-lived token for this visitor.
async function renewToken() {
  const response = await fetch('/demo/session', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ action_type: actions[widget.mode], network: widget.network }),
  });
  const { token, error } = await response.json();
  if (error) return widget.refuseToken(error); // the widget shows why
  widget.setToken(token);
}

// Once when the widget is ready, and again whenever its token has been used up.
widget.addEventListener('allfeat:ready', renewToken);
widget.addEventListener('allfeat:token-expired', renewToken);

// When the song is registered: keep what you need.
widget.addEventListener('allfeat:complete', (e) => {
  const { atsId, txHash, explorerUrl } = e.detail;
  console.log(`Registered as number ${atsId}`, txHash, explorerUrl);
});
