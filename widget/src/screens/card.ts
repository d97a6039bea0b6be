/** The frame around every screen: the network, the steps of the registration, the screen, and the live region. */
import { html, nothing } from 'lit/html.js';
import type { State } from '../state.js';
import type { Texts } from '../i18n/texts.js';

export const card = (network: string, s: State, texts: Texts, screen: unknown, said: string) =>
  html`<div class="frame">
    <div
      class="card"
      part="card"
      lang=${texts.lang}
      dir=${texts.dir}
      role="group"
      aria-label=${texts.t(s.mode === 'update' ? 'updHeading' : s.mode === 'download' ? 'songs' : 'heading')}
      data-ats="card"
      data-screen=${s.screen}
    >
      ${
        network === 'mainnet'
          ? nothing
          : html`<p class="ribbon" part="test-network" data-ats="test-network"><b>${texts.t('testNet')}</b> ${texts.t('testText')}</p>`
      }
      <div class="body">${s.problem || s.mode === 'download' ? nothing : path(s, texts)} ${screen}</div>
      <p class="hide" role="status" data-ats="live">${said}</p>
    </div>
  </div>`;

function path({ screen, step, phase, stays }: State, { t }: Texts) {
  // Before the price was requested, the current step is the one that leads to the price.
  const third =
    screen === 'UPLOAD' && !stays
      ? 'stepUpload'
      : screen === 'UPLOAD' || (screen === 'CONFIRMING' && phase === 'preparing')
        ? 'stepCheck'
        : 'stepPrice';
  const names = [t('stepSong'), t('creators'), t(third), t('stepProof')];
  const at = screen === 'FORM' ? (step === 'creators' ? 1 : 0) : screen === 'UPLOAD' || screen === 'CONFIRMING' ? 2 : 3;
  return html`<ol class="path" part="path">
    ${names.map(
      (name, i) =>
        html`<li class=${i < at || screen === 'COMPLETE' ? 'past' : ''} aria-current=${i === at ? 'step' : nothing}><span>${name}</span></li>`,
    )}
  </ol>`;
}
