/** The types that the first file and rest.ts share. */
import type { Limits } from './ats/limits.js';
import type { AtsMode } from './events.js';
import type { Language } from './i18n/language.js';
import type { Dropped } from './page/drop.js';
import type { Holder } from './page/place.js';
import type { AtsState } from './public.js';
import type { State } from './state.js';

/** The element, as rest.ts uses it. */
export interface Host extends HTMLElement {
  siteKey: string;
  /** Absolute URL of the ATS. */
  atsUrl: string;
  network: string;
  mode: AtsMode;
  externalUserId: string;
  /** In bytes; 0: only the server's own limit. */
  maxFileSize: number;
}

/** The state that the first screen hands to the rest. */
export interface Begun {
  /** The title, as far as the user typed it. */
  state: State;
  /** The chosen file, or something else that was dropped. */
  drop: Dropped | undefined;
  /** The person left the first screen while rest.ts was loading. */
  next: boolean;
  token: string;
  /** The page will soon give another token, because of its last change. */
  expects: boolean;
  readonly language: Language;
  /** The mode that allfeat:ready was last emitted for. */
  ready: AtsMode | '';
  /** Set after the person has touched the element: until then the element never takes the focus. */
  used: boolean;
  /** The limits that the server states, and the attributes that they were read for. */
  limits: (Limits & { readonly of: string }) | undefined;
  /** Represents the element as the owner of a storage key. */
  readonly place: Holder;
  /** Draws once for all changes within one task. */
  changed(): void;
}

/** The controller of rest.ts, as the element uses it. */
export interface Started {
  /** Removed from the page, but still needed: it is unknown whether the server has accepted the order. */
  readonly ordering: boolean;
  /** Continues with the state of the first screen. */
  begin(): void;
  /** Gives a token, or the error object with which the page's backend refuses one. */
  setToken(token: unknown): void;
  reset(): void;
  getState(): AtsState;
  /** An attribute has changed. */
  changed(name: string, old: string | null, value: string | null): void;
  connected(): void;
  disconnected(): void;
  /** Another widget has taken over the element's storage key. */
  giveWay(): void;
  draw(): void;
  drag(e: DragEvent): void;
}

/** The exports of rest.ts. */
export interface Rest {
  readonly Controller: new (el: Host, root: ShadowRoot, begun: Begun) => Started;
}
