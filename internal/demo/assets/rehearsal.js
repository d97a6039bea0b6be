// The rehearsal: the page fills in a second widget with a test key, as a person
// would. The widget receives the error that its session was minted for. The page
// shows its events and its requests beside it.
const $ = (id) => document.getElementById(id);
const form = $('rehearsal');
const list = $('rehearsal-code');
const { siteKey, atsUrl } = form.dataset;

const promises = {
  refresh: 'The widget asks the page for a new token with allfeat:token-expired, waits, and then continues.',
  disabled: 'The widget shows DISABLED without a retry button, and emits allfeat:failed.',
  failed: 'The widget shows FAILED with a retry button, and emits allfeat:failed.',
  inline: 'The widget shows the message next to the field, emits allfeat:error, and keeps what was typed.',
  client: 'The widget itself raises this code when the response is missing or malformed, and emits allfeat:failed.',
};

const otherwise = {
  'transaction.already_confirmed': 'The widget follows the transaction in the answer to its end. Nothing is paid twice.',
  'transaction.store_unavailable': 'The widget retries for two minutes. Then it shows FAILED with a button to continue, and emits allfeat:failed.',
  'work.certificate_unavailable': 'The registration succeeds. The widget waits two minutes for the certificate. Then it shows a message below the button and emits allfeat:error; the screen stays.',
  'common.validation_failed': 'Messages for fields of the form are shown next to them, with allfeat:error. For other fields the widget shows FAILED and emits allfeat:failed.',
};

// One rehearsal at a time: later events of an earlier one are not shown.
let current = { over: new AbortController() };

function make(tag, className, ...content) {
  const e = document.createElement(tag);
  e.className = className;
  e.append(...content); // text is never markup
  return e;
}

const chosen = () => list.selectedOptions[0];

function describe() {
  const { cause } = chosen().dataset;
  $('rehearsal-cause').textContent = cause;
  const promise = $('rehearsal-promise');
  const link = make('a', '', 'Documentation of this code');
  link.href = `/docs/errors#${chosen().value}`;
  promise.replaceChildren(`${otherwise[chosen().value] ?? promises[chosen().dataset.class]} `, link);
}

// The widget's requests. Its site key tells them apart from those of the page's other widget.

function note(method, url, status, more) {
  const path = new URL(url, location.href).pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|atc_[0-9a-f]+/g, (id) => `${id.slice(0, 8)}…`).replace(/^(\/blob\/).*/, '$1…');
  const item = make('li', '', make('span', 'name', `${method} ${path} `), make('strong', status && status < 400 ? 'ok' : 'bad', String(status || 'no answer')));
  for (const line of more) if (line) item.append(make('p', 'name', line)); // the code first
  $('rehearsal-requests').append(item);
}

const plainFetch = window.fetch;
window.fetch = async (input, init) => {
  const ours = new Headers(init?.headers).get('X-Site-Key') === siteKey || input === '/demo/session/test';
  const run = current;
  let response;
  try {
    return (response = await plainFetch(input, init));
  } finally {
    if (ours && run === current && !new URL(input, location.href).pathname.endsWith('/stats')) {
      const text = await response?.clone().text().catch(() => '');
      let code = '';
      try {
        code = JSON.parse(text).error?.code;
      } catch {
        code = response && 'a body that is not JSON';
      }
      const wait = response?.headers.get('Retry-After');
      note(init?.method ?? 'GET', input, response?.status, [code, response?.headers.get('X-Request-Id'), wait && `Retry-After: ${wait}`]);
    }
  }
};

const open = XMLHttpRequest.prototype.open;
XMLHttpRequest.prototype.open = function (method, url) {
  const run = current;
  this.addEventListener('loadend', () => run === current && run.widget?.getState().screen === 'UPLOAD' && note(method, url, this.status, [this.getResponseHeader('X-Request-Id')]));
  return open.apply(this, arguments);
};

const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(...args) {
    super(...args);
    const run = current;
    let opened = false;
    this.addEventListener('open', () => (opened = true));
    this.addEventListener('close', () => run === current && run.widget?.getState().screen !== 'FORM' && note('WebSocket', args[0], opened ? 101 : 0, []));
  }
};

// Fills in the widget as a person would.

/** Calls look now and whenever the widget has drawn, until it returns true or the run ends. */
async function watch(run, look) {
  await customElements.whenDefined('ats-widget');
  const drawn = new MutationObserver(() => look() && drawn.disconnect());
  run.over.signal.addEventListener('abort', () => drawn.disconnect());
  if (!run.over.signal.aborted && !look()) drawn.observe(run.widget.shadowRoot, { childList: true, subtree: true, attributes: true });
}

/** Resolves when the widget shows the part. It rejects when the run ends. */
function shows(run, name) {
  return new Promise((resolve, reject) => {
    run.over.signal.addEventListener('abort', () => reject(run.over.signal.reason));
    watch(run, () => {
      const found = run.widget.shadowRoot.querySelector(`[data-ats="${name}"]`);
      if (found) resolve(found);
      return !!found;
    });
  });
}

async function type(run, name, text) {
  const field = await shows(run, name);
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
}

const click = async (run, name) => (await shows(run, name)).click();

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, '0')).join('');

async function chooseSong(run) {
  const song = await (await plainFetch(`/demo/samples/porch-light.wav?take=${random()}`)).blob();
  const field = await shows(run, 'file');
  const transfer = new DataTransfer();
  transfer.items.add(new File([song], 'porch-light.wav', { type: 'audio/wav' }));
  field.files = transfer.files;
  field.dispatchEvent(new Event('change', { bubbles: true }));
}

/** Fills the form up to the stage. The visitor does the rest. */
async function fill(run, stage, accessCode) {
  await run.ready; // otherwise the widget would request a second, ordinary token
  if (run.widget.mode === 'update') {
    await type(run, 'access_code', accessCode);
    await click(run, 'next');
    if (stage === 'code') return;
    await shows(run, 'work');
  } else {
    await chooseSong(run);
    await type(run, 'title', `Rehearsal ${random()}`);
  }
  await click(run, 'next');
  if (run.widget.mode !== 'update') {
    await type(run, 'creator-0-fullName', 'Ada Example');
    await type(run, 'creator-0-email', 'ada@songs.example');
    await click(run, 'creator-0-author');
  }
  await click(run, 'submit');
  if (/^(confirm|track|certificate)$/.test(stage)) await click(run, 'confirm');
  if (stage === 'certificate') await click(run, 'certificate');
}

/** Puts a new widget on the stage. Its first token is minted to meet the code, later ones are not. */
function perform(code, mode) {
  current.over.abort(new Error('another rehearsal'));
  const run = (current = { over: new AbortController(), widget: document.createElement('ats-widget') });
  const { widget } = run;
  const actions = { register: 'register', update: 'update_version' };
  let wish = code;
  const renewToken = async () => {
    const body = JSON.stringify({ action_type: actions[mode], network: 'testnet', rehearse: wish });
    wish = undefined;
    // A session without a user, even when a user is signed in.
    const response = await fetch('/demo/session/test', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, credentials: 'omit' });
    const { token } = await response.json();
    if (token) widget.setToken(token);
  };
  run.ready = new Promise((resolve) => widget.addEventListener('allfeat:ready', () => resolve(renewToken())));
  widget.addEventListener('allfeat:token-expired', renewToken);
  for (const name of ['ready', 'upload-start', 'upload-complete', 'confirmed', 'step', 'complete', 'failed', 'token-expired', 'error']) {
    widget.addEventListener(`allfeat:${name}`, (e) => {
      if (run !== current) return;
      const telling = ['failed', 'token-expired', 'error', 'complete'].includes(name);
      const item = make('li', '', make('span', `name ${telling ? (name === 'complete' ? 'ok' : 'bad') : ''}`, e.type));
      if (telling) item.append(make('pre', '', JSON.stringify(e.detail, null, 2)));
      $('rehearsal-events').append(item);
    });
  }
  Object.assign(widget, { id: `rehearsal-${random()}`, lang: document.querySelector('ats-widget').lang, siteKey, atsUrl, network: 'testnet', mode });
  $('rehearsal-events').replaceChildren();
  $('rehearsal-requests').replaceChildren();
  $('rehearsal-stage').replaceChildren(widget);
  watch(run, () => void ($('rehearsal-state').textContent = widget.getState().screen));
  return run;
}

async function rehearse(code, stage) {
  const update = stage === 'code' || code.startsWith('version.');
  if (!update) return fill(perform(code, 'register'), stage);
  let accessCode = `atc_${'0'.repeat(64)}`; // any code works: the server answers with the rehearsed error first
  if (stage !== 'code') {
    // An update needs an existing song.
    const first = perform(undefined, 'register');
    const done = new Promise((resolve) => first.widget.addEventListener('allfeat:complete', (e) => resolve(e.detail.accessCode)));
    await fill(first, 'confirm');
    accessCode = await done;
  }
  return fill(perform(code, 'update'), stage, accessCode);
}

list.addEventListener('change', describe);
form.addEventListener('submit', (e) => {
  e.preventDefault();
  describe();
  const run = rehearse(chosen().value, chosen().dataset.stage);
  run.catch((reason) => reason?.message === 'another rehearsal' || Promise.reject(reason));
});
describe();
