/**
 * The files that are fetched when they are needed first: ats-widget-works.js, the screens that begin with a work which is
 * registered already (update and download), ats-widget-file.js, which looks into the file that was chosen, and
 * ats-widget-hash.js, which reads recordings that are not sent. What they need
 * of this file they are given (the kit): they carry no copy of it.
 */
import { html, nothing } from 'lit/html.js';
import { en } from './catalogues.js';
import type { Target } from './api.js';
import { download } from './download.js';
import type { Env } from './env.js';
import { fetchFile } from './files.js';
import { errorTable } from './gen/errors.js';
import type { Texts } from './i18n.js';
import { sentenceOf } from './sentences.js';
import { ProblemError, malformed, problemOf } from './problem.js';
import type { Registration } from './registration.js';
import { certificate, fetchingText } from './screens/certificate.js';
import { recording } from './screens/file.js';
import { noticeOf } from './screens/parts.js';
import { legible } from './legible.js';
import { complaint, heading, invalid, submits, type View } from './screens/view.js';
import { creatorsFrom, tidyCode, type Work } from './work.js';

export const kit = {
  certificate,
  complaint,
  creatorsFrom,
  download,
  en,
  errorTable,
  fetchingText,
  heading,
  html,
  invalid,
  legible,
  malformed,
  noticeOf,
  nothing,
  ProblemError,
  problemOf,
  recording,
  sentenceOf,
  submits,
  tidyCode,
};
export type Kit = typeof kit;

/** What the works do to the element that shows them. */
export interface Page {
  /** The data-ats name of what has the focus, or ''. */
  focused(): string;
  /** Gives the focus with the next drawing. */
  focus(name: string): void;
  /** Adds a style sheet. */
  dress(sheet: () => CSSStyleSheet): void;
  changed(): void;
}

/** The works of one end-user, for as long as the session is that end-user's. */
export interface Shelf {
  /** Reads what is wanted: a page of the list, or the work that was chosen. Tells where that leads. */
  open(signal: AbortSignal): Promise<'works' | 'song' | Work>;
  /** Ends what still goes on. */
  stop(): void;
  screen(v: View): unknown;
  /** What the live region says. */
  said(texts: Texts): string;
}

export type NewShelf = (flow: Registration, env: Env, target: Target, page: Page) => Shelf;

export interface Second {
  shelf: NewShelf;
  /** FORM of a mode that begins with a work. */
  form(v: View): unknown;
}

/** Reads a file to its end, here, and gives the hex digits of its SHA-256. Throws a ProblemError, or the signal's reason. */
export type Hash = (file: File, onProgress: (loaded: number) => void, signal: AbortSignal) => Promise<string>;

/** What can be seen of a file at once: the title that it proposes, '' for none; or what it is instead of a recording, '' when it cannot be read. */
export type Look = { title: string } | { detected: string };

/** What each file gives. */
export interface Parts {
  works: Second;
  hash: Hash;
  file: (file: File) => Promise<Look>;
}
export type Fetch = <K extends keyof Parts>(name: K, atsUrl: string) => Promise<Parts[K]>;

export const fetchPart: Fetch = async (part, atsUrl) => {
  try {
    return (await fetchFile(part, atsUrl)).use(kit) as never;
  } catch {
    throw new ProblemError('widget.network_error', { reason: `ats-widget-${part}.js` });
  }
};
