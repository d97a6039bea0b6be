/** COMPLETE, FAILED and DISABLED: the final screens. */
import { html, nothing } from 'lit/html.js';
import { kept, ordered } from '../machine.js';
import { downloads } from '../page/frame.js';
import { date } from '../../../web/i18n/formats.js';
import { legible } from '../../../web/i18n/legible.js';
import type { Texts } from '../i18n/texts.js';
import { sentenceOf } from '../i18n/sentences.js';
import type { Result } from '../ats/tracking.js';
import { certificate } from './certificate.js';
import { copyButton, copyable, cross, tick } from './controls.js';
import { heading, type View } from './view.js';

/** The address of a work's public record: the work's own page, if the server has one. */
export const recordOf = (r: Result) => pageUrl(r.workUrl || r.explorerUrl);

/** An address from the server becomes a link only if it is http or https. */
const pageUrl = (url: string) => (/^https?:\/\//i.test(url) ? url : '');

/** The text after the access code was saved as a file. Only the user can see whether the file exists. */
export const savedText = (texts: Texts): string => texts.t(downloads() === 'no' ? 'saveNot' : 'saveHint');

const code = (v: View) => {
  const c = v.state.accessCode;
  const t = v.texts.t;
  if (!c) return nothing;
  const stuck = downloads() === 'no';
  const kept = (v.saved && !stuck) || v.copied === c;
  return html`
    <section class="key stack tight" part="access-code" aria-labelledby="l-code">
      <strong id="l-code">${t('code')}</strong>
      <code data-ats="access-code">${c}</code>
      <p class="soft">${t('codeText')}</p>
      ${v.warned ? html`<p class="note" data-ats="unsaved">${t('unsaved')}</p>` : nothing}
      <div class="acts row">
        <button type="button" class=${kept || stuck ? '' : 'main'} part="button" data-ats="save-access-code" aria-describedby="m-code" @click=${v.act.save}>
          ${t(v.saved && !stuck ? 'saved' : 'save')}
        </button>
        ${copyButton(v, c, 'access-code')}
      </div>
      <p class="small" id="m-code" data-ats="told-save">${v.saved ? savedText(v.texts) : nothing}</p>
    </section>
  `;
};

export function complete(v: View) {
  const { state: s } = v;
  const t = v.texts.t;
  const r = s.result;
  if (!r) return nothing;
  const url = recordOf(r);
  const update = s.mode === 'update';
  const title = legible(s.title.trim());
  // First the access code, which is shown only once, then the certificate and the record.
  return html`
    <div class="stack">
      <div class="stack tight">
        <div class="ends"><div class="seal">${tick()}</div>${heading(t(update ? 'updDone' : 'done'))}</div>
        ${s.accessCode ? nothing : html`<p class="soft">${t(update ? 'updDoneText' : 'doneText')}</p>`}
      </div>
      ${code(v)} ${v.flow.known && !s.accessCode ? html`<p class="soft" data-ats="own">${t('ownText')}</p>` : nothing} ${r.workId ? certificate(v) : nothing}
      ${s.accessCode ? html`<p class="soft">${t(update ? 'updDoneText' : 'doneText')}</p>` : nothing}
      <dl class="facts">
        ${
          title
            ? html`<div>
              <dt>${t('title')}</dt>
              <dd><bdi>${title}</bdi></dd>
            </div>`
            : nothing
        }
        <div>
          <dt>${t('number')}</dt>
          <dd class="total" data-ats="ats-id">${r.atsId}</dd>
        </div>
        ${
          s.version
            ? html`<div>
              <dt>${t('version')}</dt>
              <dd class="total" data-ats="version">${s.version}</dd>
            </div>`
            : nothing
        }
        ${
          r.at && !Number.isNaN(Date.parse(r.at))
            ? html`<div>
              <dt>${t('date')}</dt>
              <dd><time data-ats="date" datetime=${r.at}>${date(v.texts, Date.parse(r.at))}</time></dd>
            </div>`
            : nothing
        }
      </dl>
      ${update && !s.own ? html`<p class="soft" data-ats="code-stays">${t('codeStays')}</p>` : nothing}
      ${
        url
          ? html`<div class="stack tight">
            <div class="acts">
              <a class="link" data-ats="explorer" href=${url} target="_blank" rel="noopener noreferrer" aria-describedby="m-view"
                >${t('view')}<span aria-hidden="true"> ↗</span></a
              >
            </div>
            <p class="small" id="m-view">${t('viewText')}</p>
          </div>`
          : nothing
      }
      <div class="acts"><button type="button" class="plain" data-ats="again" @click=${v.act.again}>${t(update ? 'updAgain' : 'again')}</button></div>
      <details>
        <summary data-ats="technical">${t('technical')}</summary>
        <div class="stack tight">
          <p class="small">${t('block')}: <code data-ats="block">${r.blockNumber}</code></p>
          ${copyable(v, t('transaction'), r.txHash, 'tx-hash')}
        </div>
      </details>
    </div>
  `;
}

export function failed(v: View) {
  const { state: s, flow } = v;
  const t = v.texts.t;
  const p = s.problem;
  if (!p) return nothing;
  const off = s.screen === 'DISABLED' || p.code === 'widget.configuration_error';
  const follow = s.resume === 'track';
  // Confirmed but unknown to the server: the outcome is unknown.
  const lost = follow && p.code === 'transaction.not_found';
  const submitted = !!s.transactionId && ordered(s);
  const taken = p.code === 'work.already_registered' && s.resume === 'form';
  return html`
    <div class="stack">
      <div class="stack tight">
        <div class="ends"><div class="seal bad">${cross()}</div>${heading(t(off ? 'off' : 'failed'))}</div>
        <p data-ats="message">${sentenceOf(v.texts, p, v.now)}</p>
        ${
          taken && typeof p.details?.['ats_id'] === 'number'
            ? html`<p class="soft">${t('number')}: <b data-ats="existing">${p.details['ats_id']}</b></p>`
            : nothing
        }
        ${taken ? html`<p class="soft" data-ats="taken">${t('taken')}</p>` : nothing}
        ${
          ((off || !kept(s)) && !submitted && !s.doubt) || lost
            ? nothing
            : html`<p class="soft" data-ats="standing">${t(submitted ? 'noDouble' : s.doubt ? 'unsure' : 'kept')}</p>`
        }
      </div>
      ${submitted ? code(v) : nothing /* the code of a refused order opens nothing */}
      ${
        s.resume === 'none'
          ? nothing
          : html`<div class="acts">
            <button type="button" class="main" part="button" data-ats="retry" @click=${() => flow.retry()}>
              ${t(follow ? 'check' : taken ? 'another' : 'retry')}
            </button>
            ${
              lost
                ? html`<button type="button" class="plain" data-ats="again" @click=${v.act.again}>
                  ${t(s.mode === 'update' ? 'updAgain' : 'again')}
                </button>`
                : nothing
            }
            ${
              s.resume === 'form' || ordered(s) || (s.own && !s.work)
                ? nothing
                : html`<button type="button" class="plain" data-ats="edit" @click=${() => flow.edit()}>${t('edit')}</button>`
            }
          </div>`
      }
      <div class="stack tight tail">
        ${p.requestId ? copyable(v, t('reference'), p.requestId, 'request-id') : nothing}
        <p class="small"><code data-ats="code">${p.code}</code></p>
      </div>
    </div>
  `;
}
