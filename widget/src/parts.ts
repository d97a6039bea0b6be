/**
 * The files that are fetched when they are first needed. ats-widget-works.js has the screens for a registered work (update and download).
 * ats-widget-file.js inspects a chosen file. ats-widget-hash.js reads recordings that are not sent. Each receives the modules that it needs
 * from this file (imports), so it has no copy of them.
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
import { noticeOf } from './screens/controls.js';
import { legible } from './legible.js';
import { complaint, heading, invalid, submits, type View } from './screens/view.js';
import { creatorsFrom, tidyCode, type Work } from './work.js';

export const imports = {
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
export type Imports = typeof imports;

/** The operations that the works may perform on their element. */
export interface Page {
  /** The data-ats name of the focused control, or ''. */
  focused(): string;
  /** Moves the focus at the next drawing. */
  focus(name: string): void;
  /** Adds a style sheet. */
  dress(sheet: () => CSSStyleSheet): void;
  changed(): void;
}

/** The works of one end-user, while the session belongs to that end-user. */
export interface Library {
  /** Reads the requested page of the list, or the chosen work. Returns the screen to show. */
  open(signal: AbortSignal): Promise<'works' | 'song' | Work>;
  /** Stops all running work. */
  stop(): void;
  screen(v: View): unknown;
  /** The text of the live region. */
  said(texts: Texts): string;
}

export type NewLibrary = (flow: Registration, env: Env, target: Target, page: Page) => Library;

export interface WorksPart {
  library: NewLibrary;
  /** FORM of a mode that starts with a work. */
  form(v: View): unknown;
}

/** Reads a whole file on this device, and returns its SHA-256 in hexadecimal. Throws a ProblemError, or the signal's reason. */
export type Hash = (file: File, onProgress: (loaded: number) => void, signal: AbortSignal) => Promise<string>;

/**
 * The result of inspecting a file: the title that it proposes, '' for none; or the kind of a file that is not a recording, '' for an
 * unreadable file.
 */
export type Look = { title: string } | { detected: string };

/** The exports of each file. */
export interface Parts {
  works: WorksPart;
  hash: Hash;
  file: (file: File) => Promise<Look>;
}
export type Fetch = <K extends keyof Parts>(name: K, atsUrl: string) => Promise<Parts[K]>;

export const fetchPart: Fetch = async (part, atsUrl) => {
  try {
    return (await fetchFile(part, atsUrl)).use(imports) as never;
  } catch {
    throw new ProblemError('widget.network_error', { reason: `ats-widget-${part}.js` });
  }
};
