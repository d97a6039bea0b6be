/** The keys of the widget's texts, and the engine for them. */
import type english from '../../../web/i18n/locales/en.json';
import type { Texts as Engine } from '../../../web/i18n/texts.js';

type Section = 'first' | 'firstVerify' | 'rest' | 'restVerify' | 'works' | 'hash';
type KeysOf<T> = T extends unknown ? keyof T : never;

export type Key = KeysOf<(typeof english)[Section]>;
export type Catalogue = Readonly<Record<Key, string>>;
export type Texts = Engine<Key>;
