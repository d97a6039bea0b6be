/** The types that a page uses besides the events: the state of the element, and its attributes. */
import type { AtsMode } from './events.js';

export type AtsScreen = 'FORM' | 'UPLOAD' | 'CONFIRMING' | 'TRACKING' | 'COMPLETE' | 'FAILED' | 'DISABLED';

/** The result of getState(). */
export interface AtsState {
  screen: AtsScreen;
  /** The widget is ready, and has no token or waits for another one. A page that listens late has missed the event that says so. */
  needsToken?: true;
  jobId?: string;
  transactionId?: string;
  atsId?: number;
  /** In a registration, from the moment when the server returned it. An update has none, because the code stays the same. */
  accessCode?: string;
}

/** The attributes that markup may set. The types for React, Vue and Svelte add them to templates. */
export interface AtsWidgetAttributes {
  /** Public key of the integration (cpk_…). Required. */
  'site-key': string;
  /** Absolute URL of the ATS. Required. */
  'ats-url': string;
  /** The network to register on; by default testnet. */
  network?: 'testnet' | 'mainnet';
  /** The task of the widget; by default register. */
  mode?: AtsMode;
  /** Session token; read, and removed from the DOM at once. setToken() never writes to the DOM. */
  token?: string | null;
  /** The embedding site's reference of the end-user. Required in the mode download. */
  'external-user-id'?: string | null;
  /** Largest file in bytes; 0: only the server's own limit. */
  'max-file-size'?: number | `${number}`;
  /** Language: en, fr, es, de, pt, ja, ar; by default the language of the nearest ancestor or of the document. */
  lang?: string;
}
