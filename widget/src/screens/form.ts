/** FORM: the song, then the creators. The form of a registered work is in the works file. */
import { html, nothing } from 'lit/html.js';
import { maxCreators, roles, type Creator } from '../form/draft.js';
import { withCreator } from '../machine.js';
import { legible } from '../../../web/i18n/legible.js';
import { withName } from './file.js';
import { song, value } from './song.js';
import { noticeOf } from './controls.js';
import { complaint, describedBy, heading, invalid, submits, type View } from './view.js';

export const form = (v: View) => {
  const { step, mode } = v.state;
  if (step === 'creators') return creators(v);
  return mode === 'register' ? song(v) : (v.works?.() ?? fetching(v));
};

export const began = (v: View) => (v.state.another ? another(v) : v.state.partly ? partly(v) : nothing);

/** After a reload, the same file was chosen again. */
function partly(v: View) {
  const t = v.texts.t;
  return html`<div class="note good stack tight" role="status" data-ats="partly">
    <p>${t('goOn')}</p>
    <button type="button" class="main" part="button" data-ats="go-on" @click=${() => v.flow.submit()}>${t('goOnNow')}</button>
  </div>`;
}

/** After a reload, another file was chosen than the one whose upload began. */
const another = ({ texts, state: s }: View) =>
  html`<p class="note" role="status" data-ats="another">${withName(texts.t('otherFile', { name: '{name}' }), legible(s.another))}</p>`;

function fetching(v: View) {
  const t = v.texts.t;
  return html`<div class="stack">
    ${heading(t(v.state.mode === 'update' ? 'updHeading' : 'songs'))}
    <progress aria-label=${t('opening')} data-ats="progress" part="progress"></progress>
    ${noticeOf(v)}
  </div>`;
}

function creators(v: View) {
  const { state: s, flow } = v;
  const t = v.texts.t;
  return html`
    <form class="stack" novalidate data-ats="form-creators" @submit=${submits(() => flow.submit())}>
      <div class="stack tight">
        ${heading(t('whoHeading'))}
        <p class="soft">${t('whoIntro')}</p>
        <p class="small" id="why-email" data-ats="why-email">${t('emailWhy')}</p>
      </div>
      ${s.creators.map((c, i) => creator(v, c, i))}
      ${
        s.creators.length < maxCreators
          ? html`<button type="button" data-ats="add-creator" @click=${v.act.addCreator}>+ ${t('add')}</button>`
          : html`<p class="small" data-ats="most-creators">${t('mostCreators', { max: maxCreators })}</p>`
      }
      <div class="acts">
        <button class="main" part="button" data-ats="submit">${t('submit')}</button>
        <button type="button" class="plain" data-ats="back" @click=${() => flow.dispatch({ type: 'step', step: 'song' })}>
          ${t('back')}
        </button>
      </div>
    </form>
  `;
}

function creator(v: View, c: Creator, i: number) {
  const t = v.texts.t;
  const path = (field: string) => `creators.${i}.${field}`;
  // A password manager fills several fields before the next drawing: read the current values.
  const now = () => v.flow.state.creators;
  const set = (field: string, change: Partial<Creator>) =>
    v.flow.dispatch({
      type: 'draft',
      path: path(field),
      draft: { creators: withCreator(now(), { ...(now().find(({ id }) => id === c.id) ?? c), ...change }) },
    });
  const input = (
    field: 'fullName' | 'email' | 'ipi' | 'isni',
    label: string,
    more: { type?: string; complete?: string; keys?: string },
  ) => html`
    <div class="stack tight">
      <label for=${path(field)}>${label}</label>
      <input
        id=${path(field)}
        data-ats=${`creator-${i}-${field}`}
        type=${more.type ?? 'text'}
        dir=${field === 'fullName' ? 'auto' : 'ltr'}
        autocomplete=${more.complete ?? 'off'}
        inputmode=${more.keys ?? nothing}
        .value=${c[field]}
        aria-invalid=${invalid(v, path(field))}
        aria-describedby=${field === 'email' ? `why-email e-${path(field)}` : describedBy(v, path(field))}
        @input=${(e: Event) => set(field, { [field]: value(e) })}
      />
      ${complaint(v, path(field))}
    </div>
  `;
  const numbers = !!(v.state.errors[path('ipi')] || v.state.errors[path('isni')]);
  return html`
    <fieldset class="who stack" part="creator" data-ats=${`creator-${i}`}>
      <legend class="hide">${t('creator', { n: i + 1 })}</legend>
      <div class="top">
        <strong aria-hidden="true" id=${path('name')}>${t('creator', { n: i + 1 })}</strong>
        ${
          v.state.creators.length > 1
            ? html`<button
              type="button"
              class="plain"
              data-ats=${`remove-creator-${i}`}
              id=${path('remove')}
              aria-labelledby=${`${path('remove')} ${path('name')}`}
              @click=${() => v.act.removeCreator(i)}
            >
              ${t('remove')}
            </button>`
            : nothing
        }
      </div>
      ${input('fullName', t('name'), { complete: i ? 'off' : 'name' })}
      ${input('email', t('email'), { type: 'email', complete: i ? 'off' : 'email' })}
      <fieldset id=${path('roles')} aria-describedby=${describedBy(v, path('roles'))}>
        <legend>${t('roles')}</legend>
        <div class="checks">
          ${roles.map(
            (r) => html`<label
              ><input
                type="checkbox"
                data-ats=${`creator-${i}-${r}`}
                .checked=${c.roles[r]}
                aria-invalid=${invalid(v, path('roles'))}
                @change=${(e: Event) => set('roles', { roles: { ...(now()[i] ?? c).roles, [r]: (e.target as HTMLInputElement).checked } })}
              />${t(r)}</label
            >`,
          )}
        </div>
        ${complaint(v, path('roles'))}
      </fieldset>
      <details ?open=${numbers || !!(c.ipi || c.isni)}>
        <summary data-ats=${`creator-${i}-numbers`}>${t('numbers')}</summary>
        <div class="pair">${input('ipi', 'IPI', { keys: 'numeric' })} ${input('isni', 'ISNI', { keys: 'text' /* may end with X */ })}</div>
      </details>
    </fieldset>
  `;
}
