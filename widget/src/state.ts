/** The state of a registration or an update, and the empty form with which each begins. */
import type { Notice } from './ats/api.js';
import type { Fetching } from './ats/download.js';
import type { Problem } from './ats/problem.js';
import type { Result, Step } from './ats/tracking.js';
import type { Work } from './ats/work.js';
import type { AtsMode } from './events.js';
import { newCreator, type Draft, type FieldProblems, type SavedDraft } from './form/draft.js';
import type { Key } from './i18n/texts.js';
import type { AtsScreen } from './public.js';

/** The step that was running when a problem occurred. */
export type Stage = 'setup' | 'open' | 'init' | 'upload' | 'prepare' | 'confirm' | 'track';
/** The step where Retry continues. */
export type Resume = 'none' | 'form' | 'open' | 'init' | 'upload' | 'prepare' | 'confirm' | 'track';
/** The purpose of the form: a new work, a new version of a work, or a look at the existing works. */
export type Purpose = AtsMode;

export interface Quote {
  readonly total: number;
  /** Message of the catalogue and credits; parts that cost nothing are left out. */
  readonly parts: readonly (readonly [Key, number])[];
  readonly commitment: string;
  /** SHA-256 of the recording, if it was computed here. */
  readonly fileHash?: string;
  /** The recording ends inside a frame, so its end may be missing. */
  readonly cut?: boolean;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly expiresAt: number;
}

/** The speed of an upload in bytes per second, and the time left in seconds. */
export interface Pace {
  readonly speed: number;
  readonly left: number;
}

export interface State extends Draft {
  readonly mode: Purpose;
  /** The work is chosen from the end-user's own works, without an access code. */
  readonly own: boolean;
  readonly screen: AtsScreen;
  /** The page of FORM. A download has no page of creators, and only shows its song. */
  readonly step: 'code' | 'works' | 'song' | 'creators';
  /** A look-up is running: of an access code, or of the end-user's works. */
  readonly opening: boolean;
  /** The work that the access code opened, or that the user chose. */
  readonly work?: Work;
  /** The work has another version than before. */
  readonly moved: boolean;
  /** The version that an update creates. */
  readonly version?: number;
  /** The part of CONFIRMING. */
  readonly phase: 'preparing' | 'review' | 'confirming';
  readonly errors: FieldProblems;
  /** The name of a file that was chosen before a reload, and has to be chosen again. */
  readonly lost: string;
  /** The title that the file proposed. */
  readonly proposed: string;
  /** The fields typed for a work that has to be looked up again. */
  readonly saved?: SavedDraft;
  readonly notice: Notice;
  /** Seconds of a wait that the server asked for: the remaining and the whole wait. */
  readonly wait: readonly [left: number, of: number];
  readonly loaded: number;
  /** Of an upload in parts, once it is known. */
  readonly pace?: Pace | undefined;
  /** The chosen file is partly uploaded: sending it continues. */
  readonly partly: boolean;
  /** The name of the file whose upload began, when another one was chosen. */
  readonly another: string;
  /** The file is read here and not sent. */
  readonly stays: boolean;
  readonly jobId?: string;
  readonly quote?: Quote;
  readonly quoteOver: boolean;
  /** The user agreed to the price; it is unknown whether the server accepted the order. */
  readonly doubt: boolean;
  readonly transactionId?: string;
  /** Kept from the first answer that has it, whatever fails later. */
  readonly accessCode?: string;
  readonly steps: readonly Step[];
  readonly result?: Result;
  /** The state of the certificate, once it was requested. */
  readonly certificate?: Fetching | undefined;
  readonly problem?: Problem;
  readonly resume: Resume;
}

/** The empty form: the start of every registration and update. */
export const initial = (mode: Purpose = 'register', own = false, id = 0): State => ({
  mode,
  own,
  screen: 'FORM',
  step: mode === 'register' ? 'song' : own ? 'works' : 'code',
  opening: false,
  moved: false,
  phase: 'preparing',
  code: '',
  file: null,
  title: '',
  creators: [newCreator(id)],
  errors: {},
  lost: '',
  proposed: '',
  notice: '',
  wait: [0, 0],
  loaded: 0,
  partly: false,
  another: '',
  stays: false,
  quoteOver: false,
  doubt: false,
  steps: [],
  resume: 'none',
});
