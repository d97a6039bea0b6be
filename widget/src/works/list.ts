/** The list of works: a search field, one radio button for each work, and a button for the next page. */
import type { Texts } from '../i18n/texts.js';
import { complaint, heading, submits, type View } from '../screens/view.js';
import { html, nothing } from 'lit/html.js';
import { date } from '../../../web/i18n/formats.js';
import { legible } from '../../../web/i18n/legible.js';
import { noticeOf } from '../screens/controls.js';
import type { Entry, Works } from './library.js';

const count = (s: Works, { t }: Texts): string => {
  const total = s.total ?? 0;
  if (!total) return s.answered ? t('noMatch') : t('noSongs');
  return s.next ? t('sent', { loaded: s.list.length, total }) : t('songCount', { n: total });
};

export const listSaid = (s: Works, texts: Texts): string => (s.total === undefined ? texts.t('opening') : count(s, texts));

export function list(v: View, s: Works) {
  const t = v.texts.t;
  const download = v.state.mode === 'download';
  const first = s.total === undefined;
  const none = s.total === 0 && !s.answered && !s.search;
  return html`
    <form class="stack" novalidate data-ats="form-works" @submit=${submits(() => s.pick())}>
      <div class="stack tight">
        ${heading(t(download ? 'songs' : 'updHeading'))}
        ${none ? html`<p class="soft" data-ats="none">${t('noSongs')} ${t('noSongsText')}</p>` : html`<p class="soft">${t(download ? 'seeIntro' : 'pickIntro')}</p>`}
      </div>
      ${first || none ? nothing : html`${search(v, s)} ${works(v, s)}`}
      ${first ? html`<progress aria-label=${t('opening')} data-ats="progress" part="progress"></progress>` : nothing} ${noticeOf(v)}
      ${
        first || (!none && !s.list.length)
          ? nothing
          : html`<div class="acts">
            ${
              none
                ? html`<button type="button" data-ats="look" @click=${() => s.type('', true)}>${t('check')}</button>`
                : html`<button class="main" part="button" data-ats="next">${t(download ? 'see' : 'next')}</button>`
            }
          </div>`
      }
    </form>
  `;
}

const search = (v: View, s: Works) => html`
  <div class="stack tight">
    <label for="search">${v.texts.t('search')}</label>
    <input
      id="search"
      data-ats="search"
      type="search"
      dir="auto"
      maxlength="200"
      autocomplete="off"
      enterkeyhint="search"
      aria-controls="works"
      .value=${s.search}
      @input=${(e: Event) => s.type((e.target as HTMLInputElement).value)}
      @keydown=${(e: KeyboardEvent) => {
        if (e.isComposing) return;
        // Enter starts the search; the button below opens the chosen work.
        if (e.key === 'Enter') {
          e.preventDefault();
          s.type(s.search, true);
        } else if (e.key === 'ArrowDown' && s.list[0]) {
          e.preventDefault();
          radio(e, s.chosen ?? s.list[0])?.focus();
        }
      }}
    />
  </div>
`;

const radio = (e: Event, w: Entry) =>
  ((e.target as HTMLElement).getRootNode() as ShadowRoot).querySelector<HTMLElement>(`[data-ats="work-${w.atsId}"]`);

function works(v: View, s: Works) {
  const t = v.texts.t;
  const { opening } = v.state;
  const said = s.total || s.list.length ? count(s, v.texts) : t('noMatch');
  return html`
    <div class="stack tight">
      <fieldset
        id="works"
        class="works ${opening ? 'stale' : ''}"
        data-ats="works"
        aria-busy=${opening}
        aria-describedby=${v.state.errors['work'] ? 'e-work' : nothing}
        @keydown=${(e: KeyboardEvent) => {
          // At the end of a page, the arrow keys would wrap to the first work.
          if (e.key !== 'ArrowDown' || !s.next || (e.target as HTMLInputElement).value !== s.list.at(-1)?.id) return;
          e.preventDefault();
          s.more(true);
        }}
      >
        <legend>${t('songs')} <span class="small" data-ats="count">${said}</span></legend>
        ${complaint(v, 'work')}
        ${s.list.map(
          (w) => html`<label>
            <input
              type="radio"
              name="work"
              data-ats=${`work-${w.atsId}`}
              value=${w.id}
              .checked=${w.id === s.chosen?.id}
              aria-invalid=${v.state.errors['work'] ? 'true' : nothing}
              @change=${() => s.choose(w)}
            />
            <span
              ><b><bdi>${legible(w.title)}</bdi></b>
              <span class="small">${t('nr', { n: String(w.atsId) })} · ${t('versionNr', { n: w.version })} · ${date(v.texts, w.at)}</span></span
            >
          </label>`,
        )}
      </fieldset>
      ${s.next ? html`<button type="button" data-ats="more" @click=${() => s.more(false)}>${t('more')}</button>` : nothing}
    </div>
  `;
}
