/**
 * FORM of an update: the access code, and the song that it opened or that the user chose. The creators have the same form as in a new
 * registration.
 */
import { complaint, heading, invalid, submits, type View } from '../screens/view.js';
import { html, nothing } from 'lit/html.js';
import { legible } from '../../../web/i18n/legible.js';
import { tidyCode } from '../ats/work.js';
import { certificate } from '../screens/certificate.js';
import { noticeOf } from '../screens/controls.js';
import { recording } from '../screens/file.js';

export function accessCode(v: View) {
  const { state: s, flow } = v;
  const t = v.texts.t;
  const set = (code: string) => flow.dispatch({ type: 'draft', path: 'access_code', draft: { code } });
  return html`
    <form class="stack" novalidate data-ats="form-code" aria-busy=${s.opening} @submit=${submits(() => flow.open())}>
      <div class="stack tight">
        ${heading(t('updHeading'))}
        <p class="soft">${t('updIntro')}</p>
      </div>
      <div class="stack tight">
        <label for="access_code">${t('codeField')}</label>
        <textarea
          id="access_code"
          data-ats="access_code"
          class="mono"
          dir="ltr"
          rows="3"
          maxlength="500"
          autocomplete="off"
          autocapitalize="none"
          spellcheck="false"
          .value=${s.code}
          ?readonly=${s.opening}
          aria-invalid=${invalid(v, 'access_code')}
          aria-describedby="code-hint e-access_code"
          @input=${(e: Event) => {
            const field = e.target as HTMLTextAreaElement;
            // Not while a character in the middle is corrected: the caret would jump.
            set(field.selectionEnd === field.value.length ? tidyCode(field.value) : field.value);
          }}
          @keydown=${(e: KeyboardEvent) => {
            if (e.key !== 'Enter' || e.isComposing) return;
            e.preventDefault();
            flow.open();
          }}
        ></textarea>
        <p class="small" id="code-hint">${t('codeHint')}</p>
        ${complaint(v, 'access_code')}
      </div>
      ${
        s.opening
          ? html`<progress aria-label=${t('opening')} data-ats="progress" part="progress"></progress>
            ${noticeOf(v) === nothing ? html`<p class="soft">${t('opening')}</p>` : noticeOf(v)}`
          : nothing
      }
      <div class="acts">
        ${
          s.opening
            ? html`<button type="button" data-ats="cancel" @click=${() => flow.edit()}>${t('cancel')}</button>`
            : html`<button class="main" part="button" data-ats="next">${t('find')}</button>`
        }
      </div>
      <details>
        <summary data-ats="lost-code">${t('lostCode')}</summary>
        <p class="small">${t('lostText')}</p>
      </details>
    </form>
  `;
}

export function registered(v: View) {
  const { state: s, flow } = v;
  const t = v.texts.t;
  const w = s.work;
  if (!w) return nothing;
  return html`
    <form class="stack" novalidate data-ats="form-song" @submit=${submits(() => flow.next())}>
      <div class="stack tight">
        ${heading(t('updHeading'))}
        <p class="soft">${t('workIntro')}</p>
      </div>
      ${s.moved ? html`<p class="note" role="status" data-ats="moved">${t('moved')}</p>` : nothing}
      <dl class="facts pairs" data-ats="work">
        <div class="wide">
          <dt>${t('title')}</dt>
          <dd class="big"><bdi data-ats="work-title">${legible(w.title)}</bdi></dd>
        </div>
        <div>
          <dt>${t('number')}</dt>
          <dd data-ats="work-id">${w.atsId}</dd>
        </div>
        <div>
          <dt>${t('version')}</dt>
          <dd data-ats="work-version">${w.version}</dd>
        </div>
        ${
          w.filename
            ? html`<div class="wide">
              <dt>${t('keptFile')}</dt>
              <dd><bdi data-ats="work-file">${legible(w.filename)}</bdi></dd>
            </div>`
            : nothing
        }
      </dl>
      ${w.code ? certificate(v) : nothing} ${recording(v)}
      <div class="acts">
        <button class="main" part="button" data-ats="next">${t('next')}</button>
        <button type="button" class="plain" data-ats="back" @click=${() => flow.dispatch({ type: 'step', step: s.own ? 'works' : 'code' })}>
          ${t('back')}
        </button>
      </div>
    </form>
  `;
}
