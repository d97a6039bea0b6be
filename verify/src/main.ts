/** The page: what was chosen, what came of it, and how both are shown. */
import { h } from './dom.js';
import type { Evidence } from './evidence.js';
import { findingOf } from './finding.js';
import { hash } from './hashing.js';
import { copy, distrust, keys, registry, trust } from './keys.js';
import { mayProve, read, type Refused } from './reading.js';
import { Texts, languageFor, languages } from './texts.js';
import { find } from './verdict.js';

type Recording =
  | { readonly file: File; readonly state: 'reading'; readonly done: number; readonly stop: AbortController }
  | { readonly file: File; readonly state: 'read'; readonly sha256: string }
  | { readonly file: File; readonly state: 'canceled' | 'unreadable' };

let texts = new Texts(languageFor(navigator.languages));
let proof: { readonly file: File; readonly evidence: Evidence | Refused } | undefined;
let recording: Recording | undefined;
let keyRefused = '';
/** Counts what was chosen: of two files, the one that was chosen last counts, however long the other takes. */
let turn = 0;

/** For who listens. It stays where it is: what is put in with its text is often not read. */
const status = document.getElementById('status')!;
status.textContent = '';
const announce = (text: string) => {
  if (status.textContent !== text) status.textContent = text;
};

async function chooseProof(file: File): Promise<void> {
  const mine = ++turn;
  const evidence = await read(file);
  if (mine !== turn) return;
  proof = { file, evidence };
  show();
}

async function chooseRecording(file: File): Promise<void> {
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

let shown = 0;
function progress(file: File, done: number, stop: AbortController): void {
  recording = { file, state: 'reading', done, stop };
  const bar = document.querySelector('progress');
  if (!bar) return;
  bar.value = done / file.size;
  const percent = Math.floor((bar.value * 100) / 25) * 25;
  // A quarter at a time: a reader that speaks would do nothing else.
  if (percent !== shown) announce(texts.t('reading', { percent: texts.percent(percent / 100) }));
  shown = percent;
}

/** Files that were dropped: where they were dropped says what a lone one is meant to be. */
async function dropped(files: readonly File[], where: string): Promise<void> {
  const told = await Promise.all(files.map(mayProve));
  const alone = files.length === 1;
  const proves = files.find((_, i) => told[i]);
  const other = files.find((_, i) => !told[i]);
  if (alone && where === 'recording') void chooseRecording(files[0]!);
  else if (alone && where === 'proof') void chooseProof(files[0]!);
  else {
    if (proves) void chooseProof(proves);
    if (other) void chooseRecording(other);
  }
}

function field(id: 'proof' | 'recording', accept: string, file: File | undefined, choose: (file: File) => void, ...below: (HTMLElement | false | undefined)[]): HTMLElement {
  const input = h('input', {
    type: 'file',
    id,
    accept,
    'aria-labelledby': `${id}-label ${id}-choose`,
    'aria-describedby': `${id}-hint ${id}-name`,
    change: () => {
      const chosen = input.files?.[0];
      input.value = ''; // the same file may be chosen again after it was changed
      if (chosen) choose(chosen);
    },
  });
  return h(
    'section',
    { class: 'field', 'data-zone': id },
    h('h2', { id: `${id}-label` }, texts.t(id)),
    h('p', { id: `${id}-hint`, class: 'soft' }, texts.t(id === 'proof' ? 'proofHint' : 'recordingHint')),
    h('p', { id: `${id}-name`, class: 'name', hidden: !file }, file ? h('bdi', {}, file.name) : '', file ? ` (${texts.size(file.size)})` : ''),
    h('label', { class: 'choose' }, input, h('span', { id: `${id}-choose`, class: 'button' }, texts.t(file ? 'another' : 'choose')), h('span', { class: 'soft' }, texts.t('orDrop'))),
    ...below,
  );
}

function proofField(): HTMLElement {
  const refused = proof && 'trouble' in proof.evidence ? proof.evidence : undefined;
  return field(
    'proof',
    '.pdf,.json,application/pdf,application/json',
    proof?.file,
    (f) => void chooseProof(f),
    refused &&
      h('div', { class: 'trouble', id: 'trouble' }, h('p', {}, texts.t(`trouble_${refused.trouble}`)), refused.where ? h('p', { class: 'soft' }, texts.t('troubleWhere', { where: refused.where })) : undefined),
  );
}

function recordingField(): HTMLElement {
  const r = recording;
  const trouble = r?.state === 'canceled' ? 'canceled' : r?.state === 'unreadable' ? 'recordingUnreadable' : undefined;
  return field(
    'recording',
    '',
    r?.file,
    (f) => void chooseRecording(f),
    r?.state === 'reading' &&
      h(
        'div',
        { class: 'progress' },
        h('progress', { max: '1', value: String(r.done / r.file.size || 0), 'aria-label': texts.t('reading', { percent: '' }) }),
        h('button', { type: 'button', id: 'cancel', click: cancel }, texts.t('cancel')),
      ),
    trouble && h('p', { class: 'trouble' }, texts.t(trouble)),
    r?.state === 'read' && h('p', { class: 'soft mono after', id: 'recording-hash' }, h('bdi', { dir: 'ltr' }, r.sha256)),
  );
}

function result(): HTMLElement {
  const box = h('section', { id: 'result', 'aria-labelledby': 'result-heading' });
  if (!proof || 'trouble' in proof.evidence) {
    box.append(h('h2', { id: 'result-heading' }, texts.t('result')), h('p', { class: 'soft' }, texts.t('waiting')));
    box.hidden = proof !== undefined; // its field says what is the matter
    return box;
  }
  const media = recording?.state === 'read' ? { sha256: recording.sha256, size: BigInt(recording.file.size) } : undefined;
  box.append(...findingOf(texts, proof.evidence, find(proof.evidence, { media, keys: keys.map((k) => k.key) })));
  return box;
}

function keysSection(): HTMLElement {
  const input = h('input', { id: 'key', type: 'text', autocomplete: 'off', spellcheck: 'false', dir: 'ltr', value: keyRefused, 'aria-describedby': 'key-bad', 'aria-invalid': keyRefused ? 'true' : undefined });
  const add = (event: Event) => {
    event.preventDefault();
    keyRefused = trust(input.value) ? '' : input.value || ' ';
    show();
    document.getElementById('key')?.focus();
  };
  return h(
    'section',
    { 'aria-labelledby': 'keys-heading' },
    h('h2', { id: 'keys-heading' }, texts.t('keys')),
    h('p', { class: 'soft' }, texts.t('keysLead')),
    keys.length === 0 && h('p', { class: 'trouble' }, texts.t('keysNone')),
    h(
      'ul',
      { class: 'keys', id: 'keys' },
      ...keys.map((k) =>
        h(
          'li',
          {},
          h('p', {}, k.own ? texts.t('keyOwn') : texts.t('keyRegistry', { registry })),
          h('p', { class: 'mono' }, h('bdi', { dir: 'ltr' }, k.key)),
          h('p', {}, texts.t('fingerprint'), ' ', h('bdi', { class: 'mono fingerprint', dir: 'ltr' }, k.fingerprint)),
          h(
            'button',
            {
              type: 'button',
              'aria-label': `${texts.t('remove')}: ${k.key.split('+')[0]}`,
              click: () => {
                distrust(k.key);
                show();
                document.getElementById('key')?.focus();
              },
            },
            texts.t('remove'),
          ),
        ),
      ),
    ),
    h('form', { submit: add }, h('label', { for: 'key' }, texts.t('keyAdd')), h('div', { class: 'row' }, input, h('button', {}, texts.t('add'))), h('p', { id: 'key-bad', class: 'trouble', hidden: !keyRefused }, texts.t('keyBad'))),
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
        texts = new Texts(menu.value);
        show();
        document.getElementById('language')?.focus();
      },
    },
    ...Object.entries(languages).map(([lang, { name }]) => h('option', { value: lang, lang, selected: lang === texts.lang }, name)),
  );
  return h('label', { class: 'language' }, h('span', { class: 'hide' }, texts.t('language')), menu);
}

/** Shows everything anew. What has the focus keeps it. */
function show(): void {
  const focused = document.activeElement?.id;
  const typed = document.querySelector<HTMLInputElement>('#key')?.value;
  Object.assign(document.documentElement, { lang: texts.lang, dir: texts.dir });
  document.title = texts.t('pageTitle');
  document.getElementById('tools')!.replaceChildren(languageMenu());
  document.getElementById('main')!.replaceChildren(
    h('h1', {}, texts.t('heading')),
    h('p', { class: 'lead' }, texts.t('lead')),
    h('p', { class: 'private' }, texts.t('private')),
    h('div', { class: 'fields' }, proofField(), recordingField()),
    result(),
    keysSection(),
    keepSection(),
  );
  const key = document.querySelector<HTMLInputElement>('#key')!;
  if (typed && !keys.some((k) => k.key === typed.trim())) key.value = typed;
  if (focused) document.getElementById(focused)?.focus();
  if (recording?.state === 'reading') shown = -1;
  else announce([...document.querySelectorAll('.fields .trouble, [data-verdict] > *')].map((e) => e.textContent).join(' '));
}

const files = (e: DragEvent): boolean => e.dataTransfer?.types.includes('Files') ?? false;
addEventListener('dragover', (e) => {
  if (!files(e)) return;
  e.preventDefault();
  document.body.classList.add('dragging');
});
addEventListener('dragleave', (e) => {
  if (!e.relatedTarget) document.body.classList.remove('dragging');
});
addEventListener('drop', (e) => {
  if (!files(e)) return;
  e.preventDefault();
  document.body.classList.remove('dragging');
  const zone = e.target instanceof Element ? e.target.closest('[data-zone]')?.getAttribute('data-zone') : undefined;
  void dropped([...(e.dataTransfer?.files ?? [])], zone ?? '');
});

show();
