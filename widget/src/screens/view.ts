/** What every screen is given to draw itself, and the small parts that they share. */
import { html, nothing, svg, type TemplateResult } from 'lit/html.js';
import type { Notice } from '../api.js';
import type { FieldProblem } from '../draft.js';
import type { State } from '../flow.js';
import type { Key, Texts } from '../i18n.js';
import type { Registration } from '../registration.js';

export interface View {
  readonly state: State;
  readonly texts: Texts;
  readonly flow: Registration;
  /** Media types or file endings that the server takes, for display. */
  readonly formats: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** True while a file is being dragged over the form. */
  readonly dragging: boolean;
  /** The text that was copied last. */
  readonly copied: string;
  /** Somebody was about to leave the access code. */
  readonly warned: boolean;
  /** The access code was saved as a file. */
  readonly saved: boolean;
  /** The screen has been waiting for long. */
  readonly late: boolean;
  readonly act: {
    file(file: File | undefined): void;
    copy(text: string, from: HTMLElement): void;
    save(): void;
    certificate(): void;
    addCreator(): void;
    removeCreator(index: number): void;
    keepFile(): void;
    clear(): void;
    again(): void;
  };
}

/**
 * A text of the registry's as it is, with the characters named that make it read otherwise: those that turn the direction,
 * and controls. What is registered today has none of them; what was registered before may have.
 */
export const legible = (text: string): string =>
  text.replace(/[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

export const heading = (text: string) => html`<h2 tabindex="-1" data-ats="heading">${text}</h2>`;

/** The message beside a field; its id is what aria-describedby points at. */
export const complaint = (v: View, path: string) => {
  const p = v.state.errors[path];
  return p ? html`<p class="err" id=${`e-${path}`} data-ats=${`error-${path}`}>${fieldText(v, p)}</p>` : nothing;
};

const fieldText = (v: View, p: FieldProblem): string => {
  const { size, max } = p.values ?? {};
  if (p.key === 'errLarge') return v.texts.t(p.key, { size: v.texts.size(Number(size)), max: v.texts.size(Number(max), true) });
  return v.texts.t(p.key, p.values);
};

export const describedBy = (v: View, path: string) => (v.state.errors[path] ? `e-${path}` : nothing);
export const invalid = (v: View, path: string) => (v.state.errors[path] ? 'true' : nothing);

/** A value that can be copied, such as a request id. */
export const copyable = (v: View, label: string, value: string, name: string) => html`
  <div class="copy">
    <span class="small">${label}: <code data-ats=${name}>${value}</code></span>
    ${copyButton(v, value, name)}
  </div>
`;

export const copyButton = (v: View, value: string, name: string) => html`
  <button type="button" data-ats=${`copy-${name}`} @click=${(e: Event) => v.act.copy(value, e.currentTarget as HTMLElement)}>
    ${v.texts.t(v.copied === value ? 'copied' : 'copy')}
  </button>
`;

export const noticeOf = (v: View): TemplateResult | typeof nothing => {
  const n = v.state.notice;
  return n ? html`<p class="note" data-ats="notice">${noticeText(v.texts, n, v.state.wait[0])}</p>` : nothing;
};

export const noticeText = (texts: Texts, n: Notice, seconds: number): string => texts.t(noticeKeys[n || 'retry'], { n: seconds });

const noticeKeys: Readonly<Record<Exclude<Notice, ''>, Key>> = {
  token: 'waitToken',
  offline: 'waitOnline',
  retry: 'waitRetry',
  limited: 'waitLimited',
};

/** What a form does instead of being sent. */
export const submits = (act: () => void) => (e: Event) => (e.preventDefault(), act());

const icon = (path: TemplateResult, turns = false) =>
  html`<svg viewBox="0 0 24 24" aria-hidden="true" class=${turns ? 'turn' : ''}>${path}</svg>`;

export const wave = () => icon(svg`<path d="M3 10v4M7.5 6v12M12 3v18M16.5 7v10M21 10v4" />`);
export const tick = () => icon(svg`<path d="m5 12.5 4.5 4.5L19 7.5" />`);
export const cross = () => icon(svg`<path d="M12 7v6m0 3.5v.01M12 3 2.5 20h19z" />`);
export const dot = () => icon(svg`<circle cx="12" cy="12" r="5" opacity=".5" />`);
export const turning = () => icon(svg`<path d="M12 3a9 9 0 1 1-9 9" />`, true);
