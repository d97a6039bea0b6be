/**
 * The certificate, on COMPLETE and of a work that an access code opened: its button, and its state. Nothing else on the screen waits for
 * it.
 */
import { html, nothing } from 'lit/html.js';
import type { Fetching } from '../ats/download.js';
import { downloads } from '../page/frame.js';
import type { Texts } from '../i18n/texts.js';
import { sentenceOf } from '../i18n/sentences.js';
import { copyable, noticeOf } from './controls.js';
import type { View } from './view.js';

const begun = { yes: 'got', unsure: 'gotMaybe', no: 'gotNot' } as const;

/** The text next to the button. */
export function fetchingText(f: Fetching, texts: Texts, now: number): string {
  const p = f.problem;
  if (!p) return texts.t(f.state === 'busy' ? 'getting' : f.state === 'waiting' ? 'certWait' : begun[downloads()]);
  return p.code === 'work.certificate_unavailable' ? texts.t('certLater') : sentenceOf(texts, p, now);
}

export function certificate(v: View) {
  const { result, accessCode, certificate: f } = v.state;
  const next = result && (!accessCode || v.saved || v.copied === accessCode);
  const p = f?.problem;
  // Not disabled while the download is prepared: the button would lose the focus.
  return html`
    <section class="stack tight">
      <div class="acts">
        <button type="button" class=${next ? 'main' : ''} data-ats="certificate" aria-describedby="m-certificate" @click=${v.act.certificate}>
          ${v.texts.t(p ? 'retry' : 'getCert')}
        </button>
      </div>
      <div class="stack tight" id="m-certificate">
        ${noticeOf(v)}
        ${
          f
            ? html`<p class="note ${p ? 'bad' : f.state === 'begun' && downloads() === 'yes' ? 'good' : ''}" data-ats="told-certificate">${fetchingText(f, v.texts, v.now)}</p>`
            : nothing
        }
      </div>
      ${
        p
          ? html`<p class="small"><code data-ats="code">${p.code}</code></p>
            ${p.requestId ? copyable(v, v.texts.t('reference'), p.requestId, 'request-id') : nothing}`
          : nothing
      }
    </section>
  `;
}
