/** The page: the chosen files, the results, and how both are shown. */
import { h } from './dom.js';
import { findingOf } from './finding.js';
import { hash } from './hashing.js';
import { chains, chainText, copy, distrust, host, keys, pin, registry, trust, version, follow, policy, policyText } from './keys.js';
import { shown } from './marks.js';
import { kindOf, read, type Kind, type Proof, type Refused } from './reading.js';
import { percent as share } from '../../web/i18n/formats.js';
import { languageFor, languages, textsOf, type Key } from './texts.js';
import { find } from './verdict.js';

type Recording =
  | { readonly file: File; readonly state: 'reading'; readonly done: number; readonly stop: AbortController }
  | { readonly file: File; readonly state: 'read'; readonly sha256: string }
  | { readonly file: File; readonly state: 'canceled' | 'unreadable' };

let texts = textsOf(languageFor(navigator.languages));
let proof: { readonly file: File; readonly is: Proof | Refused } | undefined;
let recording: Recording | undefined;
let keyRefused = '';
/** The time of the result. */
let checkedAt = 0;
/** A message about a file that was given last and is not a needed one. */
interface Notice {
  readonly text: Key;
  readonly name?: string;
}
let notices: readonly Notice[] = [];

/** For screen readers. The element stays in the DOM: many do not read an element that is added with its text. */
const status = document.getElementById('status')!;
status.textContent = '';
const announce = (text: string) => {
  if (status.textContent !== text) status.textContent = text;
};

type Slot = 'proof' | 'recording';

/** Handles one set of files after the other: none is lost, however fast they come. */
let queue: Promise<void> = Promise.resolve();
const give = (files: readonly File[], folders: readonly string[] = [], into?: Slot): void => {
  queue = queue.then(() => take(files, folders, into)).catch((e: unknown) => console.error(e));
};

interface Given {
  readonly file: File;
  readonly kind: Kind;
}
/** The files that were not used. When the certificate comes later, one of these may be the recording. */
let aside: readonly Given[] = [];

/** Puts each file where it belongs, by its content. */
async function take(files: readonly File[], folders: readonly string[], into: Slot | undefined): Promise<void> {
  const given: readonly Given[] = await Promise.all(files.map(async (file) => ({ file, kind: await kindOf(file) })));
  const proofs = given.filter((g) => g.kind === 'proof');
  if (proofs[0]) proof = { file: proofs[0].file, is: await read(proofs[0].file) };
  const size = proof && 'evidence' in proof.is ? Number(proof.is.evidence.media.size) : -1;
  // A file with the size of the registered recording may be the recording: its hash decides.
  const fits = (g: Given) => g.file.size === size;
  const found = given
    .filter((g) => g.kind === 'recording' || (g.kind !== 'proof' && fits(g)))
    .sort((a, b) => Number(fits(b)) - Number(fits(a)));
  const recordings = found.length || recording?.file.size === size ? found : aside.filter(fits).slice(0, 1);
  aside = [...aside, ...given].filter((g) => g.kind !== 'proof' && g !== recordings[0]);
  const leftOut: Notice[] = [...proofs.slice(1), ...recordings.slice(1)].map((g) => ({ text: 'notice_more', name: g.file.name }));
  const strange: Notice[] = given
    .filter((g) => g.kind !== 'proof' && !recordings.includes(g))
    .map((g) => ({ text: `notice_${g.kind}` as Key, name: g.file.name }));
  const folder: Notice[] = folders.map((name) => ({ text: 'notice_folder', name }));
  const moved: Notice[] = [
    ...(into === 'recording' && proofs[0] ? [{ text: 'notice_isProof' as const, name: proofs[0].file.name }] : []),
    ...(into === 'proof' && recordings[0] ? [{ text: 'notice_isRecording' as const, name: recordings[0].file.name }] : []),
  ];
  notices = [...moved, ...strange, ...folder, ...(strange.length + folder.length ? [{ text: 'notice_needed' } as const] : []), ...leftOut];
  checkedAt = Date.now();
  if (recordings[0]) void readRecording(recordings[0].file);
  else show();
}

async function readRecording(file: File): Promise<void> {
  drop();
  const stop = new AbortController();
  const mine = () => recording?.state === 'reading' && recording.stop === stop;
  recording = { file, state: 'reading', done: 0, stop };
  show();
  try {
    const sha256 = await hash(file, (done) => mine() && progress(file, done, stop), stop.signal);
    if (!mine()) return;
    recording = { file, state: 'read', sha256 };
  } catch {
    if (!mine()) return;
    recording = { file, state: 'unreadable' };
  }
  checkedAt = Date.now();
  show();
}

/** Stops reading, and forgets the recording. */
function drop(): void {
  if (recording?.state === 'reading') {
    const { stop } = recording;
    recording = undefined;
    stop.abort();
  }
  recording = undefined;
}

function cancel(): void {
  const file = recording?.file;
  drop();
  if (file) recording = { file, state: 'canceled' };
  show();
  document.getElementById('recording')?.focus();
}

let quarter = 0;
function progress(file: File, done: number, stop: AbortController): void {
  recording = { file, state: 'reading', done, stop };
  const bar = document.querySelector('progress');
  if (!bar) return;
  bar.value = done / file.size;
  const percent = Math.floor((bar.value * 100) / 25) * 25;
  // In steps of a quarter: a screen reader would otherwise read nothing else.
  if (percent !== quarter) announce(texts.t('reading', { percent: share(texts, percent / 100) }));
  quarter = percent;
}

function dropArea(): HTMLElement {
  return h(
    'section',
    { class: 'drop', id: 'drop', 'aria-labelledby': 'drop-heading' },
    h('h2', { id: 'drop-heading' }, texts.t('drop')),
    h('p', { class: 'soft' }, texts.t('dropHint')),
    h('div', { class: 'fields' }, proofField(), recordingField()),
    notices.length > 0 &&
      h(
        'div',
        { id: 'notices' },
        ...notices.map((n) => h('p', { class: 'notice', 'data-notice': n.text }, texts.t(n.text, { name: shown(n.name ?? '') }))),
      ),
  );
}

function field(id: Slot, file: File | undefined, ...below: (HTMLElement | false | undefined)[]): HTMLElement {
  const input = h('input', {
    type: 'file',
    id,
    multiple: true,
    'aria-labelledby': `${id}-label ${id}-choose`,
    'aria-describedby': `${id}-hint ${id}-name`,
    change: () => {
      const chosen = [...(input.files ?? [])];
      input.value = ''; // the same file may be chosen again after it was changed
      if (chosen.length) give(chosen, [], id);
    },
  });
  return h(
    'div',
    { class: 'field', 'data-zone': id },
    h('h3', { id: `${id}-label` }, texts.t(id)),
    h('p', { id: `${id}-hint`, class: 'soft' }, texts.t(id === 'proof' ? 'proofHint' : 'recordingHint')),
    h(
      'p',
      { id: `${id}-name`, class: 'name', hidden: !file },
      file ? h('bdi', {}, shown(file.name)) : '',
      file ? ` (${texts.size(file.size)})` : '',
    ),
    h('label', { class: 'choose' }, input, h('span', { id: `${id}-choose`, class: 'button' }, texts.t(file ? 'another' : 'choose'))),
    ...below,
  );
}

function proofField(): HTMLElement {
  const refused = proof && 'trouble' in proof.is ? proof.is : undefined;
  return field(
    'proof',
    proof?.file,
    refused &&
      h(
        'div',
        { class: 'trouble', id: 'trouble' },
        h('p', {}, texts.t(`trouble_${refused.trouble}`)),
        refused.where ? h('p', { class: 'soft' }, texts.t('troubleWhere', { where: shown(refused.where) })) : undefined,
        refused.part ? h('p', { class: 'soft' }, texts.t('troublePart', { where: refused.part })) : undefined,
      ),
  );
}

function recordingField(): HTMLElement {
  const r = recording;
  const trouble = r?.state === 'canceled' ? 'canceled' : r?.state === 'unreadable' ? 'recordingUnreadable' : undefined;
  return field(
    'recording',
    r?.file,
    r?.state === 'reading' &&
      h(
        'div',
        { class: 'progress' },
        h('progress', { max: '1', value: String(r.done / r.file.size || 0), 'aria-label': texts.t('reading', { percent: '' }) }),
        h('button', { type: 'button', id: 'cancel', click: cancel }, texts.t('cancel')),
      ),
    trouble && h('p', { class: 'trouble' }, texts.t(trouble)),
    r?.state === 'read' &&
      h('p', { class: 'soft after' }, texts.t('fileHash'), ' ', h('bdi', { dir: 'ltr', class: 'mono', id: 'recording-hash' }, r.sha256)),
  );
}

function result(): HTMLElement {
  const box = h('section', { id: 'result', 'aria-labelledby': 'result-heading' });
  if (!proof || 'trouble' in proof.is) {
    box.append(
      h('h2', { id: 'result-heading' }, texts.t('result')),
      h('p', { class: 'soft' }, texts.t(recording ? 'waitingProof' : 'waiting')),
    );
    box.hidden = proof !== undefined; // the field of the certificate shows its problem
    return box;
  }
  const { file } = proof;
  const { evidence, changed } = proof.is;
  const read = recording?.state === 'read' ? recording : undefined;
  const media = read && { sha256: read.sha256, size: BigInt(read.file.size) };
  const key = 'leaf' in evidence.at ? evidence.at.key : undefined;
  box.append(
    ...findingOf(texts, evidence, find(evidence, { media, keys: keys.map((k) => k.key), policy, chains, now: checkedAt, changed }), {
      proof: file,
      recording: read && { name: read.file.name, size: read.file.size, sha256: read.sha256 },
      at: checkedAt,
      key: keys.find((k) => k.key === key),
      host,
      version,
    }),
  );
  return box;
}

function keysSection(): HTMLElement {
  const input = h('input', {
    id: 'key',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    dir: 'ltr',
    value: keyRefused,
    'aria-describedby': 'key-bad',
    'aria-invalid': keyRefused ? 'true' : undefined,
  });
  const add = (event: Event) => {
    event.preventDefault();
    keyRefused = trust(input.value) ? '' : input.value || ' ';
    checkedAt = Date.now();
    show();
    document.getElementById('key')?.focus();
  };
  return h(
    'section',
    { 'aria-labelledby': 'keys-heading' },
    h('h2', { id: 'keys-heading' }, texts.t('keys')),
    h('p', { class: 'soft' }, texts.t('keysLead')),
    keys.length === 0 && !chainText && h('p', { class: 'trouble' }, texts.t('keysNone')),
    h(
      'ul',
      { class: 'keys', id: 'keys' },
      ...keys.map((k) =>
        h(
          'li',
          {},
          h('p', {}, k.own ? texts.t('keyOwn') : texts.t('keyRegistry', { host })),
          h('p', { class: 'mono' }, h('bdi', { dir: 'ltr' }, k.key)),
          h('p', {}, texts.t('fingerprint'), ' ', h('bdi', { class: 'mono fingerprint', dir: 'ltr' }, k.fingerprint)),
          h(
            'button',
            {
              type: 'button',
              'aria-label': `${texts.t('remove')}: ${k.key.split('+')[0]}`,
              click: () => {
                distrust(k.key);
                checkedAt = Date.now();
                show();
                document.getElementById('key')?.focus();
              },
            },
            texts.t('remove'),
          ),
        ),
      ),
    ),
    h(
      'form',
      { submit: add },
      h('label', { for: 'key' }, texts.t('keyAdd')),
      h('div', { class: 'row' }, input, h('button', {}, texts.t('add'))),
      h('p', { id: 'key-bad', class: 'trouble', hidden: !keyRefused }, texts.t('keyBad')),
    ),
    trustForm('policy', 'policyUse', policyText, follow),
    trustForm('chain', 'add', chainText, pin),
  );
}

/** The texts that were refused, by the form. */
const refusedTexts: Record<string, string> = {};

/** A form for a text that says whom the reader trusts. */
function trustForm(id: 'policy' | 'chain', button: Key, now: string, take: (text: string) => boolean): HTMLElement {
  const refused = refusedTexts[id] ?? '';
  const input = h(
    'textarea',
    {
      id,
      rows: '4',
      autocomplete: 'off',
      spellcheck: 'false',
      dir: 'ltr',
      class: 'mono',
      'aria-describedby': `${id}-bad ${id}-hint`,
      'aria-invalid': refused ? 'true' : undefined,
    },
    refused || now,
  );
  const use = (event: Event) => {
    event.preventDefault();
    refusedTexts[id] = take(input.value) ? '' : input.value;
    checkedAt = Date.now();
    show();
    document.getElementById(id)?.focus();
  };
  return h(
    'form',
    { submit: use },
    h('label', { for: id }, texts.t(id)),
    h('p', { id: `${id}-hint`, class: 'soft' }, texts.t(`${id}Hint`)),
    input,
    h('button', {}, texts.t(button)),
    h('p', { id: `${id}-bad`, class: 'trouble', hidden: !refused }, texts.t(`${id}Bad`)),
  );
}

let saved = '';
function keepSection(): HTMLElement {
  if (saved) URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(copy());
  return h(
    'section',
    { 'aria-labelledby': 'keep-heading' },
    h('h2', { id: 'keep-heading' }, texts.t('keep')),
    h('p', { class: 'soft' }, texts.t('keepLead')),
    h('p', {}, h('a', { id: 'save', class: 'button', href: saved, download: 'timbre-verify.html' }, texts.t('save'))),
    /^https?:/.test(registry) && h('p', {}, h('a', { href: `${registry}/docs/verify`, rel: 'noreferrer' }, texts.t('more'))),
  );
}

function languageMenu(): HTMLElement {
  const menu = h(
    'select',
    {
      id: 'language',
      change: () => {
        texts = textsOf(menu.value);
        show();
        document.getElementById('language')?.focus();
      },
    },
    ...Object.entries(languages).map(([lang, { name }]) => h('option', { value: lang, lang, selected: lang === texts.lang }, name)),
  );
  return h('label', { class: 'language' }, h('span', { class: 'hide' }, texts.t('language')), menu);
}

/** Something is dragged over the page. The element below must stay: a drop on a removed element would be lost. */
let dragging = false;
let late = false;

/** Draws everything again, unless something is dragged. The focused element keeps the focus. */
function show(): void {
  late = dragging;
  if (dragging) return;
  const focused = document.activeElement?.id;
  const typed = document.querySelector<HTMLInputElement>('#key')?.value;
  Object.assign(document.documentElement, { lang: texts.lang, dir: texts.dir });
  document.title = texts.t('pageTitle');
  document.getElementById('tools')!.replaceChildren(languageMenu());
  document
    .getElementById('main')!
    .replaceChildren(
      h('h1', {}, texts.t('heading')),
      h('p', { class: 'lead' }, texts.t('lead')),
      h('p', { class: 'private' }, texts.t('private')),
      dropArea(),
      result(),
      keysSection(),
      keepSection(),
    );
  const key = document.querySelector<HTMLInputElement>('#key')!;
  if (typed && !keys.some((k) => k.key === typed.trim())) key.value = typed;
  if (focused) document.getElementById(focused)?.focus();
  if (recording?.state === 'reading') quarter = -1;
  else announce([...document.querySelectorAll('.drop .trouble, .drop .notice, [data-verdict] > *')].map((e) => e.textContent).join(' '));
}

// A file dropped anywhere stays on this page: a browser would open it in place of the page. Text may be dropped into a text field.
const ours = (e: DragEvent): boolean =>
  e.dataTransfer?.types.includes('Files') || !(e.target instanceof HTMLInputElement && e.target.type === 'text');
function drag(on: boolean): void {
  dragging = on;
  document.body.classList.toggle('dragging', on);
  if (!on && late) show();
}
addEventListener('dragover', (e) => {
  if (!ours(e)) return;
  e.preventDefault();
  drag(true);
});
addEventListener('dragleave', (e) => e.relatedTarget || drag(false));
// During a drag the pointer does not move. So a move ends a drag whose end the browser did not report.
addEventListener('pointermove', () => dragging && drag(false));
addEventListener('drop', (e) => {
  if (!ours(e)) return;
  e.preventDefault();
  drag(false);
  // Only now is it known which of them are folders.
  const files: File[] = [];
  const folders: string[] = [];
  for (const item of e.dataTransfer!.items) {
    const [entry, file] = [item.webkitGetAsEntry?.(), item.getAsFile()];
    if (entry?.isDirectory) folders.push(entry.name);
    else if (file) files.push(file);
  }
  if (files.length + folders.length) {
    give(files, folders);
    return;
  }
  notices = [{ text: 'notice_noFile' }, { text: 'notice_needed' }];
  show();
});

// needs.js has already shown a message in an old browser.
if (document.documentElement.dataset['old'] === undefined) show();
