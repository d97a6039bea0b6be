/**
 * The files that are fetched when they are first needed. ats-widget-works.js has the screens for a registered work (update and download).
 * ats-widget-file.js inspects a chosen file. ats-widget-hash.js reads recordings that are not sent. ats-widget-large.js sends large files in
 * parts.
 */
import type { Api, Target } from '../ats/api.js';
import type { Work } from '../ats/work.js';
import type { Env } from '../env.js';
import type { Texts } from '../i18n/texts.js';
import type { View } from '../screens/view.js';
import type { Pace } from '../state.js';
import type { Reading } from '../steps.js';

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

export type NewLibrary = (flow: Reading, env: Env, target: Target, page: Page) => Library;

export interface WorksPart {
  library: NewLibrary;
  /** FORM of a mode that starts with a work. */
  form(v: View, library: Library | undefined): unknown;
}

/** Reads a whole file on this device, and returns its SHA-256 in hexadecimal. Throws a ProblemError, or the signal's reason. */
export type Hash = (file: File, onProgress: (loaded: number) => void, signal: AbortSignal) => Promise<string>;

/**
 * The result of inspecting a file: the title that it proposes, '' for none; or the kind of a file that is not a recording, '' for an
 * unreadable file.
 */
export type Look = { title: string } | { detected: string };

/** The server's answer about an upload in parts. */
export interface PartsAnswer {
  readonly complete: boolean;
  readonly part_size_bytes: number;
  /** The numbers of the parts that the store has. */
  readonly stored: readonly number[];
  readonly urls: readonly { readonly number: number; readonly url: string }[];
  /** When the URLs expire, in milliseconds since 1970; NaN when unknown. */
  readonly expiresAt: number;
}

export interface LargeUpload {
  readonly api: Api;
  readonly file: File;
  /** Asks for the stored parts and for URLs. */
  readonly parts: (body: { size_bytes?: number; numbers?: readonly number[] }) => Promise<PartsAnswer>;
  /** All parts are sent. */
  readonly complete: () => Promise<void>;
  readonly onProgress: (loaded: number, pace?: Pace) => void;
  readonly signal: AbortSignal;
}

export interface LargePart {
  send(o: LargeUpload): Promise<void>;
  /** Tells files apart; '' when that is not possible. */
  print(file: File): Promise<string>;
  textPrint(text: string): Promise<string>;
}

/** The exports of each file. */
export interface Parts {
  works: WorksPart;
  hash: { hash: Hash };
  file: { look: (file: File) => Promise<Look> };
  large: LargePart;
}
export type Fetch = <K extends keyof Parts>(name: K, atsUrl: string) => Promise<Parts[K]>;
