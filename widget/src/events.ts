/** The events of the element: their names, their details, and one class for all. */
import type { AtsErrorCode, ErrorDetails } from './gen/errors.js';

/** The reason for a new token: registering and updating, downloading, or reset() (nothing to do yet). */
export type AtsPendingAction = 'submit' | 'download' | 'reset';
export type AtsMode = 'register' | 'update' | 'download';

/** The details of the codes that have some. A server of another version may omit members, or add some. */
export type AtsProblemDetails<C extends AtsErrorCode> = Readonly<Record<string, unknown>> &
  (C extends keyof ErrorDetails ? Readonly<Partial<ErrorDetails[C]>> : unknown);

/** Comparing the code narrows the type of details. */
export type AtsProblemDetail<C extends AtsErrorCode = AtsErrorCode> = C extends AtsErrorCode
  ? {
      code: C;
      /** Stable English text, for logs; the screen shows a localized text. */
      message: string;
      /** Null when the problem arose in the browser. */
      requestId: string | null;
      details?: AtsProblemDetails<C>;
    }
  : never;

/** The detail of each event. */
export interface AtsEventDetails {
  /** The widget is configured and visible. */
  'allfeat:ready': { mode: AtsMode };
  /** The upload of the file begins; size in bytes. */
  'allfeat:upload-start': { filename: string; size: number };
  /** progress in percent; loaded and total in bytes. */
  'allfeat:upload-progress': { progress: number; loaded: number; total: number };
  /** The server has the whole file. */
  'allfeat:upload-complete': { filename: string };
  /** The user agreed, and the server accepted the order. */
  'allfeat:confirmed': { transactionId: string };
  /** The transaction reached a step; progress in percent. */
  'allfeat:step': { step: string; progress: number; description?: string };
  /** The work, or its new version, is registered. */
  'allfeat:complete': {
    atsId: number;
    txHash: string;
    blockNumber: number;
    explorerUrl: string;
    accessCode?: string;
  };
  /** The FAILED or DISABLED screen is shown. */
  'allfeat:failed': AtsProblemDetail;
  /** The widget needs a new token: call setToken() within 60 s. */
  'allfeat:token-expired': { pendingAction: AtsPendingAction };
  /**
   * A problem is shown next to its field (title, file, creators or access_code) or button (audio or certificate), which stage names. The user
   * can continue.
   */
  'allfeat:error': AtsProblemDetail & { stage: string };
}

export type AtsEventName = keyof AtsEventDetails;

export type ReadyDetail = AtsEventDetails['allfeat:ready'];
export type UploadStartDetail = AtsEventDetails['allfeat:upload-start'];
export type UploadProgressDetail = AtsEventDetails['allfeat:upload-progress'];
export type UploadCompleteDetail = AtsEventDetails['allfeat:upload-complete'];
export type ConfirmedDetail = AtsEventDetails['allfeat:confirmed'];
export type StepDetail = AtsEventDetails['allfeat:step'];
export type CompleteDetail = AtsEventDetails['allfeat:complete'];
export type FailedDetail = AtsEventDetails['allfeat:failed'];
export type TokenExpiredDetail = AtsEventDetails['allfeat:token-expired'];
export type ErrorDetail = AtsEventDetails['allfeat:error'];

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

/**
 * Sends one event; the element's own emit().
 * @internal
 */
export type Emit = <K extends AtsEventName>(name: K, detail: AtsEventDetails[K]) => void;

declare global {
  interface HTMLElementEventMap {
    'allfeat:ready': AtsEvent<'allfeat:ready'>;
    'allfeat:upload-start': AtsEvent<'allfeat:upload-start'>;
    'allfeat:upload-progress': AtsEvent<'allfeat:upload-progress'>;
    'allfeat:upload-complete': AtsEvent<'allfeat:upload-complete'>;
    'allfeat:confirmed': AtsEvent<'allfeat:confirmed'>;
    'allfeat:step': AtsEvent<'allfeat:step'>;
    'allfeat:complete': AtsEvent<'allfeat:complete'>;
    'allfeat:failed': AtsEvent<'allfeat:failed'>;
    'allfeat:token-expired': AtsEvent<'allfeat:token-expired'>;
    'allfeat:error': AtsEvent<'allfeat:error'>;
  }
}

// Importing must be safe without a DOM (server-side rendering).
const Base: typeof CustomEvent = globalThis.CustomEvent ?? (class {} as unknown as typeof CustomEvent);

/** Every event of the widget bubbles and crosses shadow roots. */
export class AtsEvent<K extends AtsEventName = AtsEventName> extends Base<AtsEventDetails[K]> {
  declare readonly type: K;
  constructor(name: K, detail: AtsEventDetails[K]) {
    super(name, { detail, bubbles: true, composed: true });
  }
}
