/** The state machine of a registration or an update: every screen, and the transitions between them. Pure: performs nothing. */
import { flawed, pathOf } from './form/checks.js';
import type { Creator, Draft, FieldProblem, FieldProblems, SavedDraft } from './form/draft.js';
import type { Notice } from './ats/api.js';
import type { Fetching } from './ats/download.js';
import { errorTable } from './gen/errors.js';
import type { Key } from './i18n/texts.js';
import type { Flaw } from '../../web/i18n/legible.js';
import { classOf, type Problem } from './ats/problem.js';
import { initial, type Pace, type Purpose, type Quote, type Resume, type Stage, type State } from './state.js';
import type { Result, Step } from './ats/tracking.js';
import { tidyCode, unchanged, type Work } from './ats/work.js';

export type Action =
  | { type: 'draft'; draft: Partial<Draft>; path: string }
  | { type: 'step'; step: State['step'] }
  | { type: 'invalid'; errors: FieldProblems }
  | { type: 'notice'; notice: Notice; seconds?: number }
  | { type: 'opening' }
  | { type: 'found'; work: Work }
  | { type: 'looked'; step: 'code' | 'works' | 'song' }
  | { type: 'sending' }
  | { type: 'opened'; jobId: string }
  | { type: 'progress'; loaded: number; stays?: boolean; pace?: Pace | undefined }
  | { type: 'partly'; file: File }
  | { type: 'another'; file: File; name: string }
  | { type: 'preparing' }
  | { type: 'quoted'; quote: Quote }
  | { type: 'quoteOver' }
  | { type: 'confirming' }
  | { type: 'confirmed'; transactionId: string; accessCode?: string | undefined }
  | { type: 'tracked'; step: Step }
  | { type: 'completed'; result: Result }
  | { type: 'certificate'; certificate: Fetching | undefined }
  | { type: 'problem'; problem: Problem; stage: Stage; ended: boolean }
  | { type: 'form' }
  | { type: 'proposed'; title: string }
  | { type: 'restored'; saved: SavedDraft }
  | { type: 'recalled'; transactionId: string; title: string; version?: number | undefined; own: boolean; saved?: SavedDraft | undefined }
  | { type: 'reset'; mode: Purpose; own: boolean };

export function reduce(s: State, a: Action): State {
  switch (a.type) {
    case 'draft': {
      // Typing into a field removes its error. When rows move, the check runs again and moves their errors.
      const errors = Object.fromEntries(
        Object.entries(s.errors).filter(([p]) => p !== a.path && !(a.path === 'creators' && p.startsWith(a.path))),
      );
      return { ...s, ...a.draft, errors, lost: a.draft.file ? '' : s.lost, ...('file' in a.draft && { partly: false, another: '' }) };
    }
    case 'proposed':
      // The typed text stays as it is, spaces included.
      return s.title && s.title !== s.proposed ? s : { ...s, title: a.title, proposed: a.title };
    case 'restored':
      return restored(s, a.saved);
    case 'step':
      return { ...s, step: a.step, errors: {}, moved: false };
    case 'invalid':
      return { ...s, errors: a.errors };
    case 'notice': {
      const left = a.seconds ?? 0;
      if (s.notice === a.notice && s.wait[0] === left) return s;
      return { ...s, notice: a.notice, wait: [left, s.notice === a.notice ? s.wait[1] : left] };
    }
    case 'opening':
      return { ...backToForm(s, {}), step: s.own ? 'works' : 'code', opening: true };
    case 'found':
      return found(s, a.work);
    case 'looked':
      return { ...s, opening: false, step: a.step };
    case 'sending':
      return { ...forget(s), screen: 'UPLOAD', errors: {}, loaded: 0, pace: undefined, partly: false, another: '', stays: false };
    case 'opened':
      return { ...s, jobId: a.jobId };
    case 'progress':
      return s.screen === 'UPLOAD' ? { ...s, loaded: a.loaded, stays: !!a.stays, pace: a.pace } : s;
    case 'partly':
      return s.file === a.file ? { ...s, partly: true } : s;
    case 'another':
      return s.file === a.file ? { ...s, another: a.name } : s;
    case 'preparing':
      return { ...forget(s), screen: 'CONFIRMING', phase: 'preparing', quoteOver: false };
    case 'quoted':
      return { ...s, screen: 'CONFIRMING', phase: 'review', quote: a.quote, quoteOver: false };
    case 'quoteOver':
      return s.screen === 'CONFIRMING' && s.phase === 'review' ? { ...s, quoteOver: true } : s;
    case 'confirming':
      return { ...forget(s), screen: 'CONFIRMING', phase: 'confirming' };
    case 'confirmed': {
      const next: State = { ...forget(s), screen: 'TRACKING', transactionId: a.transactionId, doubt: false };
      return a.accessCode ? { ...next, accessCode: a.accessCode } : next;
    }
    case 'tracked':
      return s.screen === 'TRACKING' ? { ...s, steps: [...s.steps, a.step] } : s;
    case 'completed':
      return {
        ...forget(s),
        screen: 'COMPLETE',
        result: a.result,
        ...(a.result.accessCode && { accessCode: a.result.accessCode }),
      };
    case 'certificate':
      return { ...s, certificate: a.certificate };
    case 'problem':
      return withProblem(s, a.problem, a.stage, a.ended);
    case 'form':
      // The problem is about the recording, and another one has to be chosen: the file field shows the problem.
      return backToForm(s, s.problem?.code === 'work.already_registered' && s.file ? { file: { key: 'errRegistered' } } : {});
    case 'recalled': {
      const clean = initial(a.version ? 'update' : 'register', a.own);
      const next = a.saved ? restored(clean, a.saved) : clean;
      return { ...next, screen: 'TRACKING', title: a.title, transactionId: a.transactionId, ...(a.version && { version: a.version }) };
    }
    case 'reset':
      return initial(a.mode, a.own, s.creators.reduce((m, c) => Math.max(m, c.id), 0) + 1);
  }
}

/** A certificate that was fetched before belongs to another version than the one being made. */
const forget = ({ problem: _, certificate: __, ...s }: State): State => ({ ...s, resume: 'none', notice: '' });

/** Keeps everything that was filled in, and removes everything that belongs to the cancelled job. */
function backToForm(s: State, errors: FieldProblems): State {
  const paths = Object.keys(errors);
  const creators = paths.length > 0 && paths.every((p) => p.startsWith('creators'));
  const shown = !paths.length && s.screen === 'FORM' && s.step;
  const clean = initial(s.mode, s.own);
  return {
    ...clean,
    ...(s.work && { work: s.work, version: s.work.version + 1 }),
    code: s.code,
    file: s.file,
    title: s.title,
    creators: s.creators,
    lost: s.lost,
    proposed: s.proposed,
    ...(s.saved && { saved: s.saved }),
    step:
      errors['access_code'] || (s.mode !== 'register' && s.work?.code !== tidyCode(s.code))
        ? clean.step
        : creators
          ? 'creators'
          : shown || 'song',
    errors,
  };
}

/** The stored draft of an earlier page. In an update it returns together with its work. */
function restored(s: State, saved: SavedDraft): State {
  if (s.mode !== 'register') return saved.atsId ? { ...s, saved } : s;
  const { title, proposed, creators, filename } = saved;
  return { ...s, title, proposed, creators, lost: filename };
}

/** The draft to store for a reload. Undefined when nothing was filled in. */
export function draftOf(s: State): SavedDraft | undefined {
  if (s.screen === 'COMPLETE' || s.mode === 'download') return undefined;
  if (s.saved) return s.saved;
  const filename = s.file?.name ?? s.lost;
  const { title, proposed, creators, work } = s;
  if (s.mode === 'update')
    return work && (filename || !unchanged(work.creators, creators))
      ? { title, proposed, creators, filename, atsId: work.atsId }
      : undefined;
  const typed = (c: Creator) => c.fullName || c.email || c.ipi || c.isni || Object.values(c.roles).includes(true);
  return title || filename || creators.length > 1 || creators.some(typed) ? { title, proposed, creators, filename, atsId: 0 } : undefined;
}

/** For the same work, typed text stays; fields that were only shown follow the work. */
function found({ saved, ...s }: State, work: Work): State {
  const again = s.work?.atsId === work.atsId ? s.work : undefined;
  if (saved?.atsId === work.atsId) return { ...found(s, work), creators: saved.creators, lost: saved.filename };
  return {
    ...s,
    lost: '',
    step: 'song',
    opening: false,
    work,
    version: work.version + 1,
    moved: !!again && again.version !== work.version,
    title: work.title,
    file: again ? s.file : null,
    creators: again && !unchanged(again.creators, s.creators) ? s.creators : work.creators,
  };
}

function withProblem(s: State, problem: Problem, stage: Stage, ended: boolean): State {
  const doubt = stage === 'confirm' && !releases(problem) && problem.code !== 'transaction.not_found' && (s.doubt || unheard(problem));
  // A list has no field that could be wrong.
  const before = stage !== 'setup' && stage !== 'track' && !doubt && !(s.own && stage === 'open');
  const errors = before ? fieldProblems(problem, s) : {};
  if (Object.keys(errors).length) return backToForm(s, errors);
  const screen = classOf(problem.code) === 'disabled' ? 'DISABLED' : 'FAILED';
  const resume = screen === 'DISABLED' ? 'none' : doubt ? 'confirm' : resumeOf(problem, stage, ended);
  // The work is gone: let the user choose another.
  const gone = s.own && problem.code === 'work.not_found' && stage !== 'track' && !doubt;
  return { ...s, screen, problem, notice: '', opening: false, doubt, ...(gone ? { work: undefined, resume: 'form' } : { resume }) };
}

/** From this step on, a confirm may have succeeded. */
const unheard = ({ code }: Problem) =>
  (classOf(code) === 'client' && code !== 'widget.configuration_error') ||
  errorTable[code].status >= 500 ||
  code === 'transaction.already_confirmed';

/** The step where Retry continues. After confirm, no step leads to a second paid submission unless the server ended the first. */
function resumeOf(p: Problem, stage: Stage, ended: boolean): Resume {
  if (stage === 'setup') return 'none';
  if (stage === 'track' && !(ended && releases(p))) return 'track';
  // The work has changed: it has to be looked up again.
  if (p.code === 'version.already_in_progress') return 'open';
  if (stage === 'track') return 'form';
  switch (p.code) {
    // Only the page can fix it.
    case 'widget.configuration_error':
      return 'none';
    case 'work.already_registered':
    case 'common.validation_failed':
      return 'form';
    case 'transaction.expired':
    case 'transaction.not_found':
      return 'init';
    case 'registration.upload_missing':
      return 'upload';
    case 'registration.dry_run_failed':
      return 'prepare';
  }
  return stage;
}

/** Refusals of the transaction itself. After other problems, such as a store that does not answer, the transaction continues. */
const releases = (p: Problem) => /^(transaction\.(failed|expired)|registration|work|version)\b/.test(p.code);

/** The messages about a recording, by the problem that the server names. */
const audioTexts: Record<string, Key | undefined> = {
  truncated: 'errCut',
  malformed: 'errDamaged',
  no_audio: 'errNoSound',
  codec: 'errCodec',
  video: 'errVideo',
};

/** The fields that a problem is about, each with its message. Empty when this form has none of them. */
export function fieldProblems(p: Problem, s: State): FieldProblems {
  const one = (path: string, key: Key, values?: FieldProblem['values']): FieldProblems => ({
    [path]: values ? { key, values } : { key },
  });
  const size = (name: string) => {
    const v = p.details?.[name];
    return typeof v === 'number' ? v : 0;
  };
  switch (p.code) {
    case 'access_code.format_invalid':
    case 'access_code.not_found':
    case 'access_code.expired':
      return s.mode === 'update' ? one('access_code', errorTable[p.code].text) : {};
    case 'registration.duplicate_title':
      return s.mode === 'update' ? {} : one('title', 'errTitle');
    case 'widget.upload_error':
      return p.details?.['reason'] === 'unreadable' ? one('file', 'errUnreadable') : {};
    case 'registration.audio_empty':
      return one('file', 'errEmpty');
    case 'registration.invalid_audio_format':
      return one('file', audioTexts[String(p.details?.['problem'])] ?? 'errFormat');
    case 'registration.audio_too_large': {
      const max = size('max_bytes');
      return max ? one('file', 'errLarge', { size: size('size_bytes') || (s.file?.size ?? 0), max }) : one('file', 'errTooLarge');
    }
    case 'common.validation_failed': {
      const found: Record<string, FieldProblem> = {};
      const fields = p.details?.['fields'];
      for (const f of Array.isArray(fields) ? fields : []) {
        const path = pathOf(String((f as { field?: unknown } | null)?.field));
        const row = path && /^creators\.(\d+)/.exec(path)?.[1];
        if (!path || (path === 'title' && s.mode === 'update') || (row && Number(row) >= s.creators.length)) continue;
        const { rule, message } = f as { rule?: unknown; message?: unknown };
        const char =
          /^(direction_mark|(control|hidden|private)_character|combining_marks)$/.test(String(rule)) &&
          /U\+[0-9A-F]{4,6}/.exec(String(message))?.[0];
        found[path] = char
          ? flawed(textAt(s, path), { flaw: rule as Flaw, char, at: Number(/character (\d+)/i.exec(String(message))?.[1]) })
          : { key: rule === 'blank' ? 'blank' : (badKey[path.split('.').pop()!] ?? 'badField') };
      }
      return found;
    }
    default:
      return {};
  }
}

/** The text of a field as it is sent. */
function textAt(s: State, path: string): string {
  const [, row, field] = path.split('.');
  const text = path === 'title' ? s.title : path === 'file' ? s.file?.name : s.creators[Number(row)]?.[field as 'fullName' | 'email'];
  return (text ?? '').trim();
}

const badKey: Readonly<Record<string, Key>> = { email: 'badEmail', roles: 'needRole', ipi: 'badIpi', isni: 'badIsni' };

/** A registration may have been ordered, and is not known to have failed: leaving it could order a second one. */
export const ordered = (s: State): boolean =>
  s.resume !== 'form' && s.resume !== 'open' && (!!s.transactionId || s.doubt || (s.screen === 'CONFIRMING' && s.phase === 'confirming'));

/** The form still has what was filled in. After the order, a reload loses it. */
export const kept = (s: State): boolean => (!s.transactionId && !s.own) || !!s.file || !!s.work;

/** Adds or changes one creator. */
export const withCreator = (list: readonly Creator[], c: Creator): readonly Creator[] =>
  list.some((x) => x.id === c.id) ? list.map((x) => (x.id === c.id ? c : x)) : [...list, c];
