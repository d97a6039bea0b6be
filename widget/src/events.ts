/** The events of the element: their names, their details, and one class for all. */
import type { BrowserErrorCode, ErrorDetails } from './gen/errors.js';

/** The reason for a new token: registering and updating, downloading, or reset() (nothing to do yet). */
export type PendingAction = 'submit' | 'download' | 'reset';
export type Mode = 'register' | 'update' | 'download';

/** The details of the codes that have some. A server of another version may omit members, or add some. */
export type AtsProblemDetails<C extends BrowserErrorCode> = Readonly<Record<string, unknown>> &
  (C extends keyof ErrorDetails ? Readonly<Partial<ErrorDetails[C]>> : unknown);

/** Comparing the code narrows the type of details. */
export type AtsProblemDetail<C extends BrowserErrorCode = BrowserErrorCode> = C extends BrowserErrorCode
  ? {
      code: C;
      /** Stable English text, for logs; the screen shows a localized text. */
      message: string;
      /** Null when the problem arose in the browser. */
      requestId: string | null;
      details?: AtsProblemDetails<C>;
    }
  : never;

export interface AtsEventDetails {
  'allfeat:ready': { mode: Mode };
  'allfeat:upload-start': { filename: string; size: number };
  /** progress in percent; loaded and total in bytes. */
  'allfeat:upload-progress': { progress: number; loaded: number; total: number };
  'allfeat:upload-complete': { filename: string };
  'allfeat:confirmed': { transactionId: string };
  'allfeat:step': { step: string; progress: number; description?: string };
  'allfeat:complete': {
    atsId: number;
    txHash: string;
    blockNumber: number;
    explorerUrl: string;
    accessCode?: string;
  };
  'allfeat:failed': AtsProblemDetail;
  'allfeat:token-expired': { pendingAction: PendingAction };
  /** A problem shown next to its field; the user can continue. stage names the field. */
  'allfeat:error': AtsProblemDetail & { stage: string };
}

export type AtsEventName = keyof AtsEventDetails;

/** The names of the events, as constants. */
export const EVENT_NAMES = Object.freeze({
  READY: 'allfeat:ready',
  UPLOAD_START: 'allfeat:upload-start',
  UPLOAD_PROGRESS: 'allfeat:upload-progress',
  UPLOAD_COMPLETE: 'allfeat:upload-complete',
  CONFIRMED: 'allfeat:confirmed',
  STEP: 'allfeat:step',
  COMPLETE: 'allfeat:complete',
  FAILED: 'allfeat:failed',
  TOKEN_EXPIRED: 'allfeat:token-expired',
  ERROR: 'allfeat:error',
} satisfies Record<string, AtsEventName>);

/** Sends one event; the element's own emit(). */
export type Emit = <K extends AtsEventName>(name: K, detail: AtsEventDetails[K]) => void;

// Importing must be safe without a DOM (server-side rendering).
const Base: typeof CustomEvent = globalThis.CustomEvent ?? (class {} as unknown as typeof CustomEvent);

/** Every event bubbles and crosses shadow roots. */
export class AtsEvent<K extends AtsEventName = AtsEventName> extends Base<AtsEventDetails[K]> {
  declare readonly type: K;
  constructor(name: K, detail: AtsEventDetails[K]) {
    super(name, { detail, bubbles: true, composed: true });
  }
}
