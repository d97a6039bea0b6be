/** UPLOAD, CONFIRMING and TRACKING: the progress, and the price before the user agrees. */
import { html, nothing } from 'lit/html.js';
import { wireCreators } from '../form/checks.js';
import { roles, type Creator } from '../form/draft.js';
import type { Key, Texts } from '../i18n/texts.js';
import type { Pace } from '../state.js';
import { before, changes, unchanged, type Change } from '../ats/work.js';
import { dot, noticeOf, tick, turning } from './controls.js';
import { list, time } from '../../../web/i18n/formats.js';
import { legible } from '../../../web/i18n/legible.js';
import { heading, type View } from './view.js';

export function uploading(v: View) {
  const { state: s, texts, flow } = v;
  const t = texts.t;
  const total = s.file?.size ?? 0;
  const name = t(s.stays ? 'reading' : 'sending');
  return html`
    <div class="stack">
      ${heading(name)}
      <p class="soft"><bdi data-ats="file-name">${legible(s.file?.name ?? '')}</bdi></p>
      <div class="stack tight">
        <progress max=${total || 1} .value=${s.loaded} aria-label=${name} data-ats="progress" part="progress"></progress>
        <p class="small" data-ats="progress-text">${t('sent', { loaded: texts.size(s.loaded), total: texts.size(total) })}</p>
        ${s.pace && !s.notice ? html`<p class="small" data-ats="pace">${paceText(texts, s.pace)}</p>` : nothing}
      </div>
      ${noticeOf(v)}
      ${s.stays ? html`<p class="note good" data-ats="stays">${t('stays')}</p>` : nothing}
      <p class="soft">${t('keepOpen')}</p>
      <div class="acts"><button type="button" data-ats="cancel" @click=${() => flow.edit()}>${t('cancel')}</button></div>
    </div>
  `;
}

/** A screen reader hears quarters instead: this text changes each second. */
const paceText = ({ t, size }: Texts, { speed, left }: Pace): string =>
  left < 60 ? t('paceSoon', { speed: size(speed) }) : t('pace', { speed: size(speed), n: Math.round(left / 60) });

export const confirming = (v: View) => (v.state.phase === 'review' ? review(v) : waiting(v));

function waiting(v: View) {
  const t = v.texts.t;
  const preparing = v.state.phase === 'preparing';
  return html`
    <div class="stack">
      ${heading(t(preparing ? 'preparing' : 'confirming'))}
      <progress aria-label=${t(preparing ? 'preparing' : 'confirming')} data-ats="progress" part="progress"></progress>
      ${noticeOf(v)}
      ${
        preparing
          ? html`<div class="acts">
            <button type="button" data-ats="cancel" @click=${() => v.flow.edit()}>${t('cancel')}</button>
          </div>`
          : nothing
      }
    </div>
  `;
}

function review(v: View) {
  const { state: s, texts, flow } = v;
  const t = texts.t;
  const { quote: q, work: w } = s;
  if (!q) return nothing;
  return html`
    <div class="stack">
      <div class="stack tight">
        ${heading(t('review'))}
        <p class="soft">${t('sealText')}</p>
      </div>
      <dl class="facts" data-ats="review">
        <div>
          <dt>${t('title')}</dt>
          <dd><bdi>${legible(s.title.trim())}</bdi></dd>
        </div>
        ${
          s.version
            ? html`<div>
              <dt>${t('version')}</dt>
              <dd data-ats="version">${s.version}</dd>
            </div>`
            : nothing
        }
        <div>
          <dt>${t('recording')}</dt>
          <dd data-ats="review-file">
            <bdi>${legible(s.file?.name ?? w?.filename ?? '')}</bdi> ${w ? tag(t(s.file ? 'newRec' : 'sameFile'), !!s.file) : nothing} ${s.file ? html`<span class="small">${texts.size(s.file.size)}</span>` : nothing}
          </dd>
          ${q.fileHash ? html`<dd class="small">${t('fileHash')}: <code data-ats="file-hash">${q.fileHash}</code></dd>` : nothing}
          ${q.cut ? html`<dd class="small" data-ats="cut-end">${t('cutEnd')}</dd>` : nothing}
        </div>
        <div>
          <dt>${t('creators')}</dt>
          ${(w ? changes(w.creators, s.creators) : s.creators.map((c) => [c, ''] as const)).map(([c, change]) => person(v, c, change))}
        </div>
        <div>
          <dt>${t('stepPrice')}</dt>
          <dd class="total" data-ats="price">${price(t, q.total)}</dd>
        </div>
      </dl>
      ${
        w && !s.file && unchanged(w.creators, s.creators)
          ? html`<p class="note" data-ats="nothing-new">${t('nothingNew', { n: s.version ?? 0 })}</p>`
          : nothing
      }
      ${
        s.quoteOver
          ? html`<p class="note" role="status" data-ats="quote-over">${t('quoteOver')}</p>`
          : html`<p class="soft" data-ats="quote-until">${t('until', { time: time(texts, q.expiresAt) })}</p>`
      }
      <div class="acts">
        ${
          s.quoteOver
            ? html`<button type="button" class="main" part="button" data-ats="requote" @click=${() => flow.requote()}>
              ${t('requote')}
            </button>`
            : html`<button type="button" class="main" part="button" data-ats="confirm" @click=${() => flow.confirm()}>
              ${t(s.mode === 'update' ? 'updAgree' : 'agree')}
            </button>`
        }
        <button type="button" class="plain" data-ats="edit" @click=${() => flow.edit()}>${t('edit')}</button>
      </div>
      <details>
        <summary data-ats="technical">${t('technical')}</summary>
        <dl class="lines">
          ${q.parts.map(([key, n]) => html`<dt>${t(key)}</dt><dd>${t('credits', { n })}</dd>`)}
        </dl>
        ${q.total ? html`<p class="small" data-ats="who-pays">${t('creditsText')}</p>` : nothing}
        <p class="small">${t('commitment')}: <code data-ats="commitment">${q.commitment}</code></p>
      </details>
    </div>
  `;
}

const price = (t: Texts['t'], n: number) => (n ? t('credits', { n }) : t('free'));

/** All sealed data of a creator; for a changed creator, the changes. */
function person(v: View, c: Creator, change: Change) {
  const t = v.texts.t;
  const was = change === 'changed' && before(v.state.work?.creators ?? [], c);
  const line = (of: (c: Creator) => string, name: string, show = of(c)) =>
    show || (was && of(was))
      ? html`<span class="small" data-ats="review-${name}">${show || '\u2013'} ${was && of(was) !== of(c) ? tag(t('changed'), true) : nothing}</span>`
      : nothing;
  const sealed = (key: 'full_name' | 'email' | 'ipi' | 'isni') => (x: Creator) => legible(wireCreators([x])[0]![key] ?? '');
  const name = sealed('full_name');
  const marked = was ? name(was) !== name(c) : change;
  return html`<dd class="person ${change}" data-ats="review-creator">
    <span data-ats="review-name"><bdi>${name(c)}</bdi> ${marked ? tag(t(change || 'changed'), true) : nothing}</span>
    ${
      change === 'removed'
        ? nothing
        : [
            line(
              (x) =>
                list(
                  v.texts,
                  roles.filter((r) => x.roles[r]).map((r) => t(r)),
                ),
              'roles',
            ),
            line(sealed('email'), 'email'),
            ...(['ipi', 'isni'] as const).map((key) => line(sealed(key), key, sealed(key)(c) && `${key.toUpperCase()} ${sealed(key)(c)}`)),
          ]
    }
  </dd>`;
}

const tag = (text: string, fresh: boolean) => html`<span class="tag ${fresh ? 'new' : ''}">${text}</span>`;

/** The steps as a songwriter understands them: the text of each, and the server's progress at which it starts. */
const steps: readonly (readonly [Key, number])[] = [
  ['stepCheck', 5],
  ['stepSend', 40],
  ['stepFinal', 80],
  ['completed', 100],
];

/** The step in the list for a progress of the server. Steps that a server adds later fall in between. */
const place = (progress: number): number =>
  Math.max(
    0,
    steps.findLastIndex(([, from]) => progress >= from),
  );

/** The text for a progress of the server. */
export const stepKey = (progress: number): Key => steps[place(progress)]![0];

export function tracking(v: View) {
  const { state: s } = v;
  const t = v.texts.t;
  const progress = s.steps.at(-1)?.progress ?? 0;
  const at = place(progress);
  const name = t(s.mode === 'update' ? 'updTracking' : 'tracking');
  return html`
    <div class="stack">
      <div class="stack tight">
        ${heading(name)}
        <p class="soft" data-ats="how-long">${t(v.late ? 'trackLong' : 'trackingText')}</p>
        <p class="soft" data-ats="may-close">${t(v.flow.known || s.mode === 'update' ? 'trackClose' : 'trackStay')}</p>
      </div>
      <progress
        max="100"
        .value=${progress}
        aria-label=${name}
        data-ats="progress"
        part="progress"
      ></progress>
      <ol class="steps" data-ats="steps">
        ${steps.map(
          ([key], i) => html`<li
            class=${i < at ? 'past' : ''}
            aria-current=${i === at ? 'step' : nothing}
            data-ats="step"
          >
            ${i < at ? tick() : i === at ? turning() : dot()} ${t(key)}
          </li>`,
        )}
      </ol>
      ${noticeOf(v)}
    </div>
  `;
}
