/** The entry of the works file: update and download registered works. */
import { works as texts } from '../../../web/i18n/locales/en.json';
import { en } from '../i18n/catalogues.js';
import type { Texts } from '../i18n/texts.js';
import type { Library, WorksPart } from '../parts/contract.js';
import type { View } from '../screens/view.js';
import { sheetOf } from '../styles/styles.js';
import { Works } from './library.js';
import { list, listSaid } from './list.js';
import { accessCode, registered } from './registered.js';
import { versions, versionsSaid } from './versions.js';
import css from './works.css';

Object.assign(en, texts);

const sheet = sheetOf(css);

/** The works with their screens. */
class Drawn extends Works implements Library {
  screen(v: View): unknown {
    return v.state.step === 'works' ? list(v, this) : versions(v, this);
  }

  said(texts: Texts): string {
    return this.listed ? listSaid(this, texts) : versionsSaid(this, texts, this.now);
  }
}

export const library: WorksPart['library'] = (flow, env, target, page) => {
  page.dress(sheet);
  return new Drawn(flow, env, target, page);
};

export const form: WorksPart['form'] = (v, library) => {
  const { step, mode } = v.state;
  if (step === 'code') return accessCode(v);
  return mode === 'update' && step !== 'works' ? registered(v) : library?.screen(v);
};
