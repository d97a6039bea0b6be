/** The versions of a work, oldest first: date, creators, and downloads of each. */
import type { Role } from '../form/draft.js';
import type { Texts } from '../i18n/texts.js';
import type { View } from '../screens/view.js';
import type { Fetching } from '../ats/download.js';
import { html, nothing } from 'lit/html.js';
import { date, list } from '../../../web/i18n/formats.js';
import { legible } from '../../../web/i18n/legible.js';
import { fetchingText } from '../screens/certificate.js';
import { noticeOf } from '../screens/controls.js';
import type { Version, What, Works } from './library.js';

function stands(f: Fetching, texts: Texts, now: number): string {
  return f.problem?.code === 'common.not_found' ? texts.t('noAudio') : fetchingText(f, texts, now);
}

export const versionsSaid = (s: Works, texts: Texts, now: number): string => (s.file ? stands(s.file, texts, now) : '');

export function versions(v: View, s: Works) {
  const t = v.texts.t;
  const w = s.chosen;
  if (!w) return nothing;
  return html`
    <div class="stack" data-ats="versions">
      <div class="stack tight">
        <h2 tabindex="-1" data-ats="heading"><bdi>${legible(w.title)}</bdi></h2>
        <p class="soft">${t('nr', { n: String(w.atsId) })}. ${t('seeText')}</p>
      </div>
      ${noticeOf(v)}
      <ol class="versions">
        ${s.versions.map((x) => version(v, s, x))}
      </ol>
      <div class="acts"><button type="button" class="plain" data-ats="back" @click=${() => s.back()}>${t('toSongs')}</button></div>
    </div>
  `;
}

function version(v: View, s: Works, x: Version) {
  const t = v.texts.t;
  const n = x.version;
  const people = s.people.get(n);
  return html`
    <li class="who stack tight" data-ats=${`version-${n}`}>
      <h3 id=${`v-${n}`}>${t('versionNr', { n })}</h3>
      <p class="small"><time datetime=${new Date(x.at || 0).toISOString()}>${date(v.texts, x.at || 0)}</time></p>
      ${x.filename ? html`<p><bdi data-ats=${`file-${n}`}>${legible(x.filename)}</bdi></p>` : nothing}
      <details ?open=${n === s.versions.at(-1)?.version} @toggle=${(e: Event) => (e.target as HTMLDetailsElement).open && void s.show(n)}>
        <summary data-ats=${`creators-${n}`} aria-describedby=${`v-${n}`}>${t('creators')}</summary>
        ${
          people
            ? html`<ul class="people">
              ${people.map(
                (c) => html`<li data-ats=${`creator-${n}`}>
                  <bdi>${legible(c.fullName)}</bdi>${' '}<span class="small">${list(
                    v.texts,
                    (Object.keys(c.roles) as Role[]).filter((r) => c.roles[r]).map((r) => t(r)),
                  )}</span>
                </li>`,
              )}
            </ul>`
            : html`<progress aria-label=${t('getting')} part="progress"></progress>`
        }
      </details>
      <div class="acts">${button(v, s, n, 'audio')} ${button(v, s, n, 'certificate')}</div>
      ${message(v, s, n, 'audio')} ${message(v, s, n, 'certificate')}
    </li>
  `;
}

// Not disabled while the download is prepared: the button would lose the focus.
const button = (v: View, s: Works, n: number, what: What) => html`
  <button type="button" data-ats=${`${what}-${n}`} aria-describedby=${`v-${n} m-${what}-${n}`} @click=${() => void s.get(n, what)}>
    ${v.texts.t(what === 'audio' ? 'getAudio' : 'getCert')}
  </button>
`;

const message = (v: View, s: Works, n: number, what: What) => {
  const f = s.files.get(`${what}-${n}`);
  return f
    ? html`<p class="note ${f.state === 'begun' ? 'good' : ''}" id=${`m-${what}-${n}`} data-ats=${`told-${what}-${n}`}>${stands(f, v.texts, v.now)}</p>`
    : nothing;
};
