/** The first page of a registration: the song. */
import { html, nothing } from 'lit/html.js';
import { recording } from './file.js';
import { complaint, describedBy, heading, invalid, submits, type SongView } from './view.js';

export function song(v: SongView) {
  const { state: s, flow } = v;
  const t = v.texts.t;
  return html`
    <form class="stack" novalidate data-ats="form-song" @submit=${submits(() => flow.next())}>
      <div class="stack tight">
        ${heading(t('heading'))}
        <p class="soft">${t('intro')}</p>
      </div>
      ${recording(v)}
      <div class="stack tight">
        <label for="title">${t('title')}</label>
        <input
          id="title"
          data-ats="title"
          dir="auto"
          autocomplete="off"
          .value=${s.title}
          aria-invalid=${invalid(v, 'title')}
          aria-describedby=${describedBy(v, 'title')}
          @input=${(e: Event) => flow.dispatch({ type: 'draft', path: 'title', draft: { title: value(e) } })}
          @click=${(e: Event) => s.title && s.title === s.proposed && (e.target as HTMLInputElement).select()}
        />
        ${complaint(v, 'title')}
      </div>
      ${v.failed ? html`<p class="note bad" role="alert" data-ats="notice">${t('errNetwork')}</p>` : nothing}
      <div class="acts">
        <button class="main" part="button" data-ats="next">${t('next')}</button>
        ${v.filled ? html`<button type="button" class="plain" data-ats="clear" @click=${v.act.clear}>${t('clear')}</button>` : nothing}
      </div>
    </form>
  `;
}

export const value = (e: Event) => (e.target as HTMLInputElement).value;
