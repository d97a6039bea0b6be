/** The state machine of a registration: every screen, and what leads from one to the next. Pure: performs nothing. */
import { newCreator, pathOf, type Creator, type Draft, type FieldProblem, type FieldProblems } from './draft.js';
import type { Notice } from './api.js';
import type { Key } from './i18n.js';
import { classOf, type Problem } from './problem.js';
import type { Result, Step } from './tracking.js';

export type Screen = 'FORM' | 'UPLOAD' | 'CONFIRMING' | 'TRACKING' | 'COMPLETE' | 'FAILED' | 'DISABLED';
/** What was being done when a problem came. */
export type Stage = 'setup' | 'init' | 'upload' | 'prepare' | 'confirm' | 'track';
/** Where Retry goes on. */
export type Resume = 'none' | 'form' | 'init' | 'upload' | 'prepare' | 'confirm' | 'track';

export interface Quote {
  readonly total: number;
  /** Message of the catalogue and credits; parts that cost nothing are left out. */
  readonly parts: readonly (readonly [Key, number])[];
  readonly commitment: string;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly expiresAt: number;
}

export interface State extends Draft {
  readonly screen: Screen;
  /** The page of FORM. */
  readonly step: 'song' | 'creators';
  /** The part of CONFIRMING. */
  readonly phase: 'preparing' | 'review' | 'confirming';
  readonly errors: FieldProblems;
  readonly notice: Notice;
  readonly loaded: number;
  readonly jobId?: string;
  readonly quote?: Quote;
  readonly quoteOver: boolean;
  readonly transactionId?: string;
  /** Kept from the first answer that tells it, whatever fails later. */
  readonly accessCode?: string;
  readonly steps: readonly Step[];
  readonly result?: Result;
  readonly problem?: Problem;
  readonly resume: Resume;
}

export type Action =
  | { type: 'draft'; draft: Partial<Draft>; path: string }
  | { type: 'step'; step: State['step'] }
  | { type: 'invalid'; errors: FieldProblems }
  | { type: 'notice'; notice: Notice }
  | { type: 'sending' }
  | { type: 'opened'; jobId: string }
  | { type: 'progress'; loaded: number }
  | { type: 'preparing' }
  | { type: 'quoted'; quote: Quote }
  | { type: 'quoteOver' }
  | { type: 'confirming' }
  | { type: 'confirmed'; transactionId: string; accessCode?: string | undefined }
  | { type: 'tracked'; step: Step }
  | { type: 'completed'; result: Result }
  | { type: 'problem'; problem: Problem; stage: Stage; ended: boolean }
  | { type: 'form' }
  | { type: 'reset' };

export const initial = (id = 0): State => ({
  screen: 'FORM',
  step: 'song',
  phase: 'preparing',
  file: null,
  title: '',
  creators: [newCreator(id)],
  errors: {},
  notice: '',
  loaded: 0,
  quoteOver: false,
  steps: [],
  resume: 'none',
});

export function reduce(s: State, a: Action): State {
  switch (a.type) {
    case 'draft': {
      // Typing into a field takes its complaint away; rows that moved take theirs along by being checked again.
      const errors = Object.fromEntries(
        Object.entries(s.errors).filter(([p]) => p !== a.path && !(a.path === 'creators' && p.startsWith(a.path))),
      );
      return { ...s, ...a.draft, errors };
    }
    case 'step':
      return { ...s, step: a.step, errors: {} };
    case 'invalid':
      return { ...s, errors: a.errors };
    case 'notice':
      return s.notice === a.notice ? s : { ...s, notice: a.notice };
    case 'sending':
      return { ...forget(s), screen: 'UPLOAD', errors: {}, loaded: 0 };
    case 'opened':
      return { ...s, jobId: a.jobId };
    case 'progress':
      return s.screen === 'UPLOAD' ? { ...s, loaded: a.loaded } : s;
    case 'preparing':
      return { ...forget(s), screen: 'CONFIRMING', phase: 'preparing', quoteOver: false };
    case 'quoted':
      return { ...s, screen: 'CONFIRMING', phase: 'review', quote: a.quote, quoteOver: false };
    case 'quoteOver':
      return s.screen === 'CONFIRMING' && s.phase === 'review' ? { ...s, quoteOver: true } : s;
    case 'confirming':
      return { ...forget(s), screen: 'CONFIRMING', phase: 'confirming' };
    case 'confirmed': {
      const next: State = { ...forget(s), screen: 'TRACKING', transactionId: a.transactionId };
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
    case 'problem':
      return withProblem(s, a.problem, a.stage, a.ended);
    case 'form':
      return backToForm(s, {});
    case 'reset':
      return initial(s.creators.reduce((m, c) => Math.max(m, c.id), 0) + 1);
  }
}

const forget = ({ problem: _, ...s }: State): State => ({ ...s, resume: 'none', notice: '' });

/** What was filled in stays; what belongs to the job that is given up goes. */
function backToForm(s: State, errors: FieldProblems): State {
  const paths = Object.keys(errors);
  const creators = paths.length > 0 && paths.every((p) => p.startsWith('creators'));
  return {
    ...initial(),
    file: s.file,
    title: s.title,
    creators: s.creators,
    step: creators || (!paths.length && s.screen === 'FORM' && s.step === 'creators') ? 'creators' : 'song',
    errors,
  };
}

function withProblem(s: State, problem: Problem, stage: Stage, ended: boolean): State {
  const before = stage !== 'setup' && stage !== 'track';
  const errors = before ? fieldProblems(problem, s) : {};
  if (Object.keys(errors).length) return backToForm(s, errors);
  const screen = classOf(problem.code) === 'disabled' ? 'DISABLED' : 'FAILED';
  return { ...s, screen, problem, notice: '', resume: screen === 'DISABLED' ? 'none' : resumeOf(problem, stage, ended) };
}

/** Where Retry goes on. After confirm nothing leads to a second paid submission unless the server ended the first. */
function resumeOf(p: Problem, stage: Stage, ended: boolean): Resume {
  if (stage === 'setup') return 'none';
  if (stage === 'track') return (ended && releases(p)) || p.code === 'transaction.not_found' ? 'form' : 'track';
  switch (p.code) {
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

/** Refusals of the transaction itself; others, such as a store that does not answer, leave it running. */
const releases = (p: Problem) => /^(transaction\.failed|registration|work|version)\b/.test(p.code);

/** The fields that a problem is about, each with its message. Empty when it is about none. */
export function fieldProblems(p: Problem, d: Draft): FieldProblems {
  const one = (path: string, key: Key, values?: FieldProblem['values']): FieldProblems => ({
    [path]: values ? { key, values } : { key },
  });
  const size = (name: string) => {
    const v = p.details?.[name];
    return typeof v === 'number' ? v : 0;
  };
  switch (p.code) {
    case 'registration.duplicate_title':
      return one('title', 'errTitle');
    case 'registration.audio_empty':
      return one('file', 'errEmpty');
    case 'registration.invalid_audio_format':
      return one('file', 'errFormat');
    case 'registration.audio_too_large': {
      const max = size('max_bytes');
      return max
        ? one('file', 'errLarge', { size: size('size_bytes') || (d.file?.size ?? 0), max })
        : one('file', 'errTooLarge');
    }
    case 'common.validation_failed': {
      const found: Record<string, FieldProblem> = {};
      const fields = p.details?.['fields'];
      for (const f of Array.isArray(fields) ? fields : []) {
        const path = pathOf(String((f as { field?: unknown } | null)?.field));
        const row = path && /^creators\.(\d+)/.exec(path)?.[1];
        if (path && (!row || Number(row) < d.creators.length)) found[path] = { key: badKey[path.split('.').pop()!] ?? 'badField' };
      }
      return found;
    }
    default:
      return {};
  }
}

const badKey: Readonly<Record<string, Key>> = { email: 'badEmail', roles: 'needRole', ipi: 'badIpi', isni: 'badIsni' };

/** False while a registration may have been ordered that is not known to have failed: leaving it could order a second one. */
export const canEdit = (s: State): boolean =>
  s.resume === 'form' || !(s.transactionId || s.resume === 'confirm' || (s.screen === 'CONFIRMING' && s.phase === 'confirming'));

/** Adds or changes one creator. */
export const withCreator = (list: readonly Creator[], c: Creator): readonly Creator[] =>
  list.some((x) => x.id === c.id) ? list.map((x) => (x.id === c.id ? c : x)) : [...list, c];
