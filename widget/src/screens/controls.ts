/** Small controls that the screens after the first one share. */
import { html, nothing, svg, type TemplateResult } from 'lit/html.js';
import type { Notice } from '../ats/api.js';
import type { Key, Texts } from '../i18n/texts.js';
import { icon, type View } from './view.js';

/** A value with a copy button, such as a request id. */
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

export const tick = () => icon(svg`<path d="m5 12.5 4.5 4.5L19 7.5" />`);
export const cross = () => icon(svg`<path d="M12 7v6m0 3.5v.01M12 3 2.5 20h19z" />`);
export const dot = () => icon(svg`<circle cx="12" cy="12" r="5" opacity=".5" />`);
export const turning = () => icon(svg`<path d="M12 3a9 9 0 1 1-9 9" />`, true);
