// The demo's own parts: the event log, the samples, the switches. To use the
// widget you need only quickstart.js.
const $ = (id) => document.getElementById(id);
const widget = document.querySelector('ats-widget');

// The event log.

const most = 200; // maximum number of entries
const events = ['ready', 'upload-start', 'upload-progress', 'upload-complete', 'confirmed', 'step', 'complete', 'failed', 'token-expired', 'error'];
const kinds = { 'allfeat:complete': 'ok', 'allfeat:failed': 'bad', 'allfeat:error': 'bad', 'demo:session': 'bad', 'analytics.track': 'host' };
const list = $('log-list');
let total = 0;
let unsaid = 0;
let saying;

function make(tag, className, text = '') {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text; // never markup: the text comes from other people
  return e;
}

function log(name, detail) {
  const json = JSON.stringify(detail ?? null, null, 2);
  const now = new Date();
  const entry = make('li', `entry ${kinds[name] ?? ''}`);
  const details = make('details', '');
  // Ticks are frequent, so their entries start folded.
  details.open = name !== 'allfeat:upload-progress';
  const summary = make('summary', '');
  const time = make('time', 'small', now.toTimeString().slice(0, 8) + '.' + String(now.getMilliseconds()).padStart(3, '0'));
  time.dateTime = now.toISOString();
  summary.append(make('span', 'name', name), time);
  const body = make('div', 'body');
  const copy = make('button', '', 'Copy');
  copy.type = 'button';
  copy.append(make('span', 'hide', ` the detail of ${name}`));
  copy.addEventListener('click', () => copyText(json, copy));
  body.append(make('pre', '', json), copy);
  details.append(summary, body);
  entry.append(details);
  list.prepend(entry);
  while (list.children.length > most) list.lastChild.remove();
  total++;
  refresh();
  // Announce one sentence after the last event, not one for each event.
  unsaid++;
  clearTimeout(saying);
  saying = setTimeout(() => {
    $('log-live').textContent = unsaid === 1 ? `New event: ${name}.` : `${unsaid} new events, the last one ${name}.`;
    unsaid = 0;
  }, 1500);
}

function refresh() {
  const wanted = $('log-filter').value.trim().toLowerCase();
  let shown = 0;
  for (const entry of list.children) {
    entry.hidden = wanted !== '' && !entry.textContent.toLowerCase().includes(wanted);
    if (!entry.hidden) shown++;
  }
  $('log-count').textContent = total === 0 ? '' : wanted ? `${shown} of ${total}` : String(total);
  $('log-empty').hidden = shown > 0;
  $('log-empty').textContent = total > 0 && list.children.length > 0 ? 'No event matches.' : 'No events yet.';
}

for (const name of events) widget.addEventListener(`allfeat:${name}`, (e) => log(e.type, e.detail));
// A success closes the notice of an earlier error.
for (const name of ['upload-start', 'confirmed', 'complete']) widget.addEventListener(`allfeat:${name}`, () => closeToast());
widget.addEventListener('input', () => closeToast()); // a person who types has read the notice
$('log-filter').addEventListener('input', refresh);
$('log-clear').addEventListener('click', () => {
  list.replaceChildren();
  total = 0;
  refresh();
});
// The quick start throws the error that its backend received.
addEventListener('unhandledrejection', (e) => {
  log('demo:session', { message: String(e.reason?.message ?? e.reason), ...e.reason?.cause });
  showMessage(String(e.reason?.message ?? e.reason));
});

// The functions that error-handling.js expects of its page.

window.analytics = { track: (event, properties) => log('analytics.track', { event, ...properties }) };
window.showMessage = (text) => {
  $('toast-text').textContent = text;
  $('toast').hidden = false;
};
const closeToast = () => ($('toast').hidden = true);
$('toast-close').addEventListener('click', closeToast);
addEventListener('keydown', (e) => e.key === 'Escape' && closeToast());

// Samples. A page cannot put a file into a drag, so the drag carries only the sample's name.
// The drop handler downloads the file and sets it in the widget's own file field, as a
// person would. The button does the same.

const dragType = 'application/x-timbre-sample';

async function fetchSample(name, type) {
  const take = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, '0')).join('');
  const response = await fetch(`/demo/samples/${name}?take=${take}`);
  if (!response.ok) throw new Error(`The sample could not be fetched (${response.status}).`);
  return new File([await response.arrayBuffer()], name, { type });
}

function give(file) {
  const field = widget.shadowRoot?.querySelector('input[type="file"]');
  if (!field) {
    const waits = widget.mode !== 'register' && widget.getState().screen === 'FORM';
    const first = widget.mode === 'download' ? 'Choose “Register a song” first.' : widget.externalUserId ? 'Choose a song first.' : 'Find the song by its access code first.';
    showMessage(waits ? first : 'The widget is busy with a song. Press “Start over” first.');
    return;
  }
  const transfer = new DataTransfer();
  transfer.items.add(file);
  field.files = transfer.files;
  field.dispatchEvent(new Event('change', { bubbles: true, composed: true }));
  widget.scrollIntoView({ block: 'nearest' });
  field.focus({ preventScroll: true });
}

const sampleOf = (card) => fetchSample(card.dataset.file, card.dataset.type);
const attempt = (work) => work.then(give, (e) => showMessage(e.message));

for (const card of document.querySelectorAll('.sample')) {
  card.querySelector('[data-use]').addEventListener('click', () => attempt(sampleOf(card)));
  card.addEventListener('dragstart', (e) => {
    if (e.target !== card) return; // a link in the card is a link
    const { file, type } = card.dataset;
    e.dataTransfer.effectAllowed = 'copy';
    e.dataTransfer.setData(dragType, file);
    e.dataTransfer.setData('DownloadURL', `${type}:${file}:${new URL(`/demo/samples/${file}`, location)}`); // onto the desktop
    card.classList.add('lifted');
  });
  // Over the player, a drag seeks.
  const player = card.querySelector('audio');
  player.addEventListener('pointerenter', () => (card.draggable = false));
  player.addEventListener('pointerleave', () => (card.draggable = true));
  card.addEventListener('dragend', () => card.classList.remove('lifted'));
}

const stage = $('stage');
const ours = (e) => e.dataTransfer.types.includes(dragType);
stage.addEventListener('dragover', (e) => {
  if (!ours(e)) return;
  e.preventDefault();
  e.dataTransfer.dropEffect = 'copy';
  stage.classList.add('over');
});
stage.addEventListener('dragleave', () => stage.classList.remove('over'));
stage.addEventListener('drop', (e) => {
  stage.classList.remove('over');
  if (!ours(e)) return; // a real file: the widget takes it by itself
  e.preventDefault();
  const card = document.querySelector(`.sample[data-file="${CSS.escape(e.dataTransfer.getData(dragType))}"]`);
  if (card) attempt(sampleOf(card));
});

const broken = {
  text: async () => new File(['Hello,\n\nthis is a letter, not a song.\n'], 'song.wav', { type: 'audio/wav' }),
  empty: async () => new File([], 'silence.wav', { type: 'audio/wav' }),
  half: async () => {
    const whole = await fetchSample('porch-light.wav', 'audio/wav');
    return new File([whole.slice(0, whole.size / 2)], 'half-a-song.wav', { type: 'audio/wav' });
  },
};
for (const button of document.querySelectorAll('[data-broken]')) {
  button.addEventListener('click', () => attempt(broken[button.dataset.broken]()));
}

// Switches.

const switches = $('switches');
switches.addEventListener('submit', (e) => e.preventDefault());
$('scheme').addEventListener('change', (e) => (document.documentElement.style.colorScheme = e.target.value));
switches.elements.lang.addEventListener('change', (e) => {
  widget.lang = e.target.value;
  document.documentElement.dir = e.target.value === 'ar' ? 'rtl' : 'ltr';
});
// The widget changes its mode at once. While a song is being registered, the new mode
// begins with the next form.
switches.elements.mode.addEventListener('change', (e) => {
  const { accessCode } = widget.getState();
  closeToast();
  // "My songs" needs a signed-in user, so choose Ada.
  if (e.target.value === 'download' && !widget.externalUserId) useUser('ada');
  widget.mode = e.target.value;
  if (widget.getState().screen !== 'FORM') showMessage('A song is being registered. Wait until it is done, then press “Start over”.');
  else if (accessCode) showMessage('The access code is in the event log, under allfeat:complete.');
});
// The signed-in user. A real site has its own session for that; this page writes a
// cookie for its small backend. Every visitor of the demo has their own Ada and Ben, so
// no visitor sees the songs of another one.
// A browser may refuse to store anything: then a reload starts again.
const keep = (area, name, value) => {
  try {
    globalThis[area].setItem(name, value);
  } catch {
    // Nothing else changes.
  }
};
const kept = (area, name) => {
  try {
    return globalThis[area].getItem(name);
  } catch {
    return null;
  }
};
const mine = kept('localStorage', 'demo-visitor') ?? Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, '0')).join('');
keep('localStorage', 'demo-visitor', mine);
const useUser = (name) => {
  const user = name && `${name}-${mine}`;
  keep('sessionStorage', 'user', name);
  switches.elements.user.value = name;
  document.cookie = `demo_user=${user}; path=/demo/session; samesite=strict${user ? '' : '; max-age=0'}`;
  widget.externalUserId = user || null;
};
switches.elements.user.addEventListener('change', (e) => {
  closeToast();
  if (!e.target.value && widget.mode === 'download') widget.mode = switches.elements.mode.value = 'register';
  useUser(e.target.value);
});
useUser(kept('sessionStorage', 'user') ?? '');
const useNetwork = (network) => {
  keep('sessionStorage', 'network', network); // a reload continues with the same network
  switches.elements.network.value = network;
  widget.setAttribute('network', network);
  $('network-mark').textContent = network === 'mainnet' ? 'Main network, as this demo runs it: on this machine only.' : 'Test network: nothing here is a real registration.';
  $('link-explorer').href = `/explorer/${network}`;
  $('link-checkpoint').href = `/log/${network}/checkpoint`;
};
switches.elements.network.addEventListener('change', (e) => useNetwork(e.target.value));
if (kept('sessionStorage', 'network') === 'mainnet') useNetwork('mainnet');
const paint = (colour) => widget.style.setProperty('--ats-primary', colour);
for (const swatch of switches.elements.colour) swatch.addEventListener('change', () => paint(swatch.value));
switches.elements.own.addEventListener('input', (e) => {
  for (const swatch of switches.elements.colour) swatch.checked = false;
  paint(e.target.value);
});
$('reset').addEventListener('click', () => {
  closeToast();
  if (widget.getState().screen === 'TRACKING') showMessage('This song is being registered. Wait for its access code, then start over.');
  else widget.reset();
});

// The result.

widget.addEventListener('allfeat:complete', ({ detail }) => {
  $('result-text').textContent = `Your song is number ${detail.atsId}, in block ${detail.blockNumber}.`;
  const link = $('result-link');
  link.href = detail.explorerUrl;
  link.hidden = !/^https?:$/.test(link.protocol);
  if (link.hidden) link.removeAttribute('href');
  $('result').hidden = false;
});

// A result of the test network says so.
widget.addEventListener('allfeat:complete', () => {
  $('result-network').textContent = widget.network === 'mainnet' ? '' : 'On the test network.';
});

// Copying.

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    showMessage('Copied.');
  } catch {
    // The page is not secure, or copying is not allowed: select the text instead.
    const pre = button.closest('.sheet, .body').querySelector('pre');
    getSelection().selectAllChildren(pre);
    showMessage('Selected. Press Ctrl+C to copy.');
  }
}
for (const button of document.querySelectorAll('[data-copy]')) {
  const pre = button.closest('.sheet').querySelector('pre');
  button.addEventListener('click', () => copyText(pre.textContent, button));
}
refresh();
