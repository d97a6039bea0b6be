/** The data that every screen receives to draw itself, and the small controls that they share. */
import { html, nothing, svg, type TemplateResult } from 'lit/html.js';
import type { Draft, FieldProblem } from '../form/draft.js';
import type { State } from '../state.js';
import type { Texts } from '../i18n/texts.js';
import type { Steps } from '../steps.js';

export interface View {
  readonly state: State;
  readonly texts: Texts;
  readonly flow: Steps;
  /** Draws the form of a registered work. Undefined while its file is loading. */
  readonly works: (() => unknown) | undefined;
  /** Media types or file endings that the server accepts, for display. */
  readonly formats: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A file is being dragged over the form. */
  readonly dragging: boolean;
  /** The text that was copied last. */
  readonly copied: string;
  /** The user tried to leave before the access code was saved. */
  readonly warned: boolean;
  /** The access code was saved as a file. */
  readonly saved: boolean;
  /** The screen has been waiting for a long time. */
  readonly late: boolean;
  /** Something was filled in that could be lost. */
  readonly filled: boolean;
  /** A text in which invisible characters are shown by their numbers. The first screen has this function once rest.ts is loaded. */
  readonly legible: (text: string) => string;
  /** The note below the file about an upload that began before a reload. */
  readonly began: (v: View) => unknown;
  readonly act: {
    readonly file: (file: File | undefined) => void;
    readonly copy: (text: string, from: HTMLElement) => void;
    readonly save: () => void;
    readonly certificate: () => void;
    readonly addCreator: () => void;
    readonly removeCreator: (index: number) => void;
    readonly keepFile: () => void;
    readonly clear: () => void;
    readonly again: () => void;
  };
}

/** The part that the first page of a registration needs. */
export type SongView = Pick<View, 'state' | 'texts' | 'formats' | 'dragging' | 'filled'> & {
  /** The rest could not be fetched from the server. */
  readonly failed?: boolean;
  readonly legible?: View['legible'];
  readonly began?: View['began'];
  readonly flow: Pick<Steps, 'maxBytes' | 'next'> & { dispatch(a: { type: 'draft'; draft: Partial<Draft>; path: string }): void };
  readonly act: Pick<View['act'], 'file' | 'keepFile' | 'clear'>;
};
type Words = Pick<View, 'state' | 'texts'>;

export const heading = (text: string) => html`<h2 tabindex="-1" data-ats="heading">${text}</h2>`;

/** The message next to a field; aria-describedby names its id. */
export const complaint = (v: Words, path: string) => {
  const p = v.state.errors[path];
  return p ? html`<p class="err" id=${`e-${path}`} data-ats=${`error-${path}`}>${fieldText(v, p)}</p>` : nothing;
};

const fieldText = (v: Words, p: FieldProblem): string => {
  const { size, max } = p.values ?? {};
  if (p.key === 'errLarge') return v.texts.t(p.key, { size: v.texts.size(Number(size)), max: v.texts.size(Number(max), true) });
  return v.texts.t(p.key, p.values);
};

export const describedBy = (v: Words, path: string) => (v.state.errors[path] ? `e-${path}` : nothing);
export const invalid = (v: Words, path: string) => (v.state.errors[path] ? 'true' : nothing);

/** The submit handler of a form: the browser does not send the form. */
export const submits = (act: () => void) => (e: Event) => {
  e.preventDefault();
  act();
};

export const icon = (path: TemplateResult, turns = false) =>
  html`<svg viewBox="0 0 24 24" aria-hidden="true" class=${turns ? 'turn' : ''}>${path}</svg>`;

export const wave = () => icon(svg`<path d="M3 10v4M7.5 6v12M12 3v18M16.5 7v10M21 10v4" />`);
