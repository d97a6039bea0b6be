/** Types of <ats-widget>: the element, its events and the error codes. */

/** Every error code that the widget can report. */
export type AtsErrorCode =
  | 'session.invalid_token'
  | 'session.key_inactive'
  | 'session.widget_not_enabled'
  | 'session.origin_not_allowed'
  | 'session.rate_limited'
  | 'common.auth.missing_token'
  | 'common.auth.expired'
  | 'common.auth.invalid_token'
  | 'common.auth.invalid_api_key'
  | 'common.auth.jwks_unavailable'
  | 'common.auth.backend_unavailable'
  | 'organization.not_found'
  | 'organization.inactive'
  | 'organization.no_integration'
  | 'registration.duplicate_title'
  | 'registration.audio_too_large'
  | 'registration.invalid_audio_format'
  | 'registration.insufficient_credits'
  | 'work.not_found'
  | 'work.already_registered'
  | 'access_code.not_found'
  | 'access_code.expired'
  | 'transaction.not_found'
  | 'transaction.store_unavailable'
  | 'transaction.already_confirmed'
  | 'transaction.expired'
  | 'common.rate_limited'
  | 'common.validation_failed'
  | 'common.service_unavailable'
  | 'common.not_found'
  | 'widget.network_error'
  | 'widget.upload_error'
  | 'widget.malformed_response'
  | 'widget.unknown_error'
  | 'widget.configuration_error'
  | 'session.invalid_external_user_ref'
  | 'access_code.format_invalid'
  | 'common.forbidden'
  | 'common.quota_exceeded'
  | 'common.internal'
  | 'registration.audio_empty'
  | 'registration.upload_missing'
  | 'registration.dry_run_failed'
  | 'version.already_in_progress'
  | 'work.certificate_unavailable'
  | 'transaction.failed';
/** Every error code that a server can answer a page or a backend with, and those of the widget. */
export type ErrorCode =
  | AtsErrorCode
  | 'common.bad_request'
  | 'common.conflict'
  | 'api_key.invalid_format'
  | 'api_key.revoked'
  | 'api_key.org_mismatch'
  | 'api_key.scope_denied'
  | 'api_key.limit_reached'
  | 'api_key.not_found'
  | 'api_key.expired'
  | 'api_key.org_inactive'
  | 'api_key.invalid_name'
  | 'api_key.scopes_required'
  | 'api_key.unknown_scope'
  | 'api_key.webhook_url_invalid'
  | 'idempotency.key_reused'
  | 'idempotency.in_progress';
/** One failure inside common.validation_failed. */
export interface FieldError {
  field: string;
  rule: string;
  message: string;
  /** The documented name that a misspelled member was meant to be. */
  did_you_mean?: string;
}
/** The details of the codes that have some; sizes in bytes, times RFC 3339. */
export interface ErrorDetails {
  'session.invalid_token': {
    /** Why the token is refused. `spent`: another init used it. `revoked`: its session was revoked. `unknown`: this server has no record of it, for example after its database was restored. `key`: it is for another site key. `action`, `network` or `work`: it is for another one; `network` also when the token of a test key names the mainnet. */
    reason: string;
  };
  'session.origin_not_allowed': {
    /** `not_listed` (no entry of the allowlist matches the page) or `no_origin` (the mint request has no `Origin` header). */
    reason?: string;
  };
  'session.rate_limited': {
    /** The limit that was reached: `session` (calls of this session), `mint` (sessions minted with this key), or `duplicate_titles` (refusals because of a duplicate title). */
    reason?: string;
  };
  'common.auth.invalid_token': {
    /** `malformed`: not a bearer token with a JWT. `unknown_key`: the server has no key with this `kid`. `signature`: wrong signature or algorithm. `claims`: wrong issuer or audience, or a missing claim. */
    reason: string;
  };
  'common.auth.invalid_api_key': {
    /** The key, and what is wrong with it: `secret_key_missing`, `secret_key_malformed`, `secret_key_unknown`, `site_key_missing` or `site_key_malformed`. */
    reason: string;
  };
  'registration.audio_too_large': {
    /** Size of the file in bytes. */
    size_bytes: number;
    /** Largest size allowed here, in bytes. */
    max_bytes: number;
    /** The number of the part that is too large, when the upload is in parts. The sizes are those of this part. */
    part?: number;
  };
  'registration.invalid_audio_format': {
    /** The format or media type of the bytes. */
    detected: string;
    /** The usual names of the accepted formats. */
    supported: string[];
    /** The reason: unsupported, malformed, no_audio, codec, video or truncated. */
    problem?: string;
    /** One or two English sentences: what is wrong with the file, and what to do. */
    advice?: string;
    /** For a truncated file: the size that the file's header states. */
    declared_bytes?: number;
    /** For a truncated file: the size that the server received. */
    actual_bytes?: number;
  };
  'work.already_registered': {
    /** Registration number of the existing work on the network. Present only when the caller may see that work. */
    ats_id?: number;
  };
  'access_code.expired': {
    /** `lifetime` (the code's lifetime has ended) or `replaced` (a newer code exists). */
    reason?: string;
  };
  'transaction.already_confirmed': {
    /** Transaction of the first confirmation. */
    transaction_id: string;
  };
  'transaction.expired': {
    /** The item that has expired: `job`, `quote` or `upload_url`. */
    reason: string;
  };
  'common.rate_limited': {
    /** The limit that is reached. `address`, `api_key` or `organization`: requests. `followers`: clients that follow this transaction. `bodies_in_flight`: request bodies that this address or organization sends at the same time. For an upload: `uploads_in_flight` (two uploads to this URL are already running); `organization_uploads` or `server_uploads` (uploads at the same time); `organization_bytes` or `server_bytes` (bytes that are being uploaded or are not registered yet). */
    reason?: string;
  };
  'common.validation_failed': {
    /** Each invalid field, with the rule that it breaks. */
    fields: FieldError[];
  };
  'common.service_unavailable': {
    /** `storage_full`: the store has no space for more uploads; files that are already uploaded can be registered. `bodies_in_flight`: this server already reads its maximum of request bodies. `log_stopped`: the log accepts no registrations until the operator has repaired it. `log_silent`, `log_forked`, `migrations_pending` and `stopping` come from `/readyz` alone. */
    reason?: string;
    /** `unknown`: the database did not say whether it carried out the call, and it may have. The same call finds out. An `init` that is then refused with `session.invalid_token` and the reason `spent` was carried out: begin with a new session. */
    outcome?: string;
  };
  'common.not_found': {
    /** `route`: unknown path. `method`: the path does not support this method. `object`: unknown file. `host`: `/metrics` does not answer under this host name. `hash_only`: the recording was never stored, because only its hash was registered. */
    reason?: string;
  };
  'widget.unknown_error': {
    /** The code that the server sent, if any. */
    code?: string;
    /** The request id that the server sent, if any. */
    request_id?: string;
  };
  'session.invalid_external_user_ref': {
    /** `empty`, `too_long` (over 255 bytes) or `null_character`. */
    reason: string;
  };
  'common.forbidden': {
    /** `no_external_user_ref`: the session has none. `other_external_user_ref`: the session has another one than the request or the work. `signature`: an upload or download URL has a wrong signature. `role`: the member's role does not allow this. `origin`: a page of another origin asks for a change. `test_key`: a test API key asks for a change beyond test data. */
    reason: string;
  };
  'common.quota_exceeded': {
    /** Registrations allowed in one period. */
    limit: number;
    /** Registrations used in this period. */
    used: number;
    /** When the next period begins (RFC 3339, UTC). */
    resets_at: string;
  };
  'common.bad_request': {
    /** The name of the malformed header or parameter. */
    reason: string;
  };
  'common.conflict': {
    /** `changed` (another change came first), or `exists` (the same item is already there). */
    reason: string;
    /** The current revision of the changed settings. */
    revision?: number;
    /** The fields that changed since the caller read them. The message has the old and the new value. */
    fields?: FieldError[];
  };
  'registration.upload_missing': {
    /** The file hash in `media_sha256`, when another file was uploaded. */
    announced?: string;
    /** The file hash (SHA-256) of the uploaded file. */
    uploaded?: string;
    /** `not_uploaded`, `incomplete` (the upload was interrupted), `other_file` (its hash is not `media_sha256`), or `not_prepared` (confirm was called before prepare). In parts: `not_begun`, `parts_missing`, or `parts_wrong` (of another size). */
    reason?: string;
  };
  'registration.dry_run_failed': {
    /** The network's own name for the refusal. */
    reason: string;
  };
  'version.already_in_progress': {
    /** `in_flight` (another update is running) or `newer_version` (another version became final after this update started). */
    reason: string;
  };
  'transaction.failed': {
    /** The network's own name for the failure. */
    reason: string;
  };
  'api_key.scope_denied': {
    /** The scope that the route needs. */
    required: string;
  };
  'api_key.limit_reached': {
    /** The maximum number of keys of an organization. */
    max: number;
  };
  'api_key.unknown_scope': {
    /** The value that is not a scope. */
    value: string;
  };
  'api_key.webhook_url_invalid': {
    /** `malformed`, `scheme`, `credentials`, `fragment`, `too_long` or `address`. */
    reason: string;
  };
}

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
  'allfeat:ready': {
    mode: AtsMode;
  };
  /** The upload of the file begins; size in bytes. */
  'allfeat:upload-start': {
    filename: string;
    size: number;
  };
  /** progress in percent; loaded and total in bytes. */
  'allfeat:upload-progress': {
    progress: number;
    loaded: number;
    total: number;
  };
  /** The server has the whole file. */
  'allfeat:upload-complete': {
    filename: string;
  };
  /** The user agreed, and the server accepted the order. */
  'allfeat:confirmed': {
    transactionId: string;
  };
  /** The transaction reached a step; progress in percent. */
  'allfeat:step': {
    step: string;
    progress: number;
    description?: string;
  };
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
  'allfeat:token-expired': {
    pendingAction: AtsPendingAction;
  };
  /**
   * A problem is shown next to its field (title, file, creators or access_code) or button (audio or certificate), which stage names. The user
   * can continue.
   */
  'allfeat:error': AtsProblemDetail & {
    stage: string;
  };
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
export declare const EVENT_NAMES: Readonly<{
  READY: 'allfeat:ready';
  UPLOAD_START: 'allfeat:upload-start';
  UPLOAD_PROGRESS: 'allfeat:upload-progress';
  UPLOAD_COMPLETE: 'allfeat:upload-complete';
  CONFIRMED: 'allfeat:confirmed';
  STEP: 'allfeat:step';
  COMPLETE: 'allfeat:complete';
  FAILED: 'allfeat:failed';
  TOKEN_EXPIRED: 'allfeat:token-expired';
  ERROR: 'allfeat:error';
}>;
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
/** Every event of the widget bubbles and crosses shadow roots. */
export declare class AtsEvent<K extends AtsEventName = AtsEventName> extends CustomEvent<AtsEventDetails[K]> {
  readonly type: K;
  constructor(name: K, detail: AtsEventDetails[K]);
}

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

export interface AtsWidget {
  addEventListener<K extends AtsEventName>(
    type: K,
    listener: (this: AtsWidget, event: AtsEvent<K>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener<K extends keyof HTMLElementEventMap>(
    type: K,
    listener: (this: HTMLElement, event: HTMLElementEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}
/**
 * Registers a song, or a new version of one: form, upload, price, confirmation, tracking, proof.
 *
 * @attr {string} token - Session token; read, and removed from the DOM at once.
 * @attr {string} lang - Language: en, fr, es, de, pt, ja, ar; by default the language of the nearest ancestor or of the document.
 *
 * @csspart card - The card around every screen.
 * @csspart path - The list of steps at the top.
 * @csspart dropzone - The area to choose or drop a file.
 * @csspart creator - The fields of one creator.
 * @csspart button - The main button of a screen.
 * @csspart progress - Progress bars.
 * @csspart access-code - The panel with the access code.
 * @csspart test-network - The band that names the test network.
 *
 * @cssprop --ats-primary - Main colour, any CSS colour; hover, light and readable text are derived from it.
 * @cssprop --ats-primary-hover - The main button under the pointer; by default derived from --ats-primary. Readable text on it is derived.
 * @cssprop --ats-primary-light - Background of a chosen item, with text in --ats-text; by default derived from --ats-primary.
 * @cssprop --ats-text - Text.
 * @cssprop --ats-text-secondary - Secondary text.
 * @cssprop --ats-text-muted - Hints.
 * @cssprop --ats-background - Card.
 * @cssprop --ats-background-secondary - Panels in the card.
 * @cssprop --ats-border - Lines.
 * @cssprop --ats-radius - Corners of controls.
 * @cssprop --ats-radius-lg - Corners of the card.
 * @cssprop --ats-error - Error text.
 * @cssprop --ats-error-light - Error background.
 * @cssprop --ats-success - Success text.
 * @cssprop --ats-success-light - Success background.
 * @cssprop --ats-warning - Notice text.
 * @cssprop --ats-warning-light - Notice background.
 * @cssprop --ats-shadow - Shadow of buttons.
 * @cssprop --ats-shadow-lg - Shadow of the card.
 * @cssprop --ats-font-family - Font.
 * @cssprop --ats-transition - Duration and easing of transitions.
 *
 * @tag ats-widget
 */
export declare class AtsWidget extends HTMLElement {
  #private;
  /**
   * Public key of the integration (cpk_…). Required.
   * @attr site-key
   */
  siteKey: string;
  /**
   * Absolute URL of the ATS. Required.
   * @attr ats-url
   */
  atsUrl: string;
  /**
   * The network to register on, testnet or mainnet.
   * @attr
   * @type {'testnet' | 'mainnet'}
   * @default 'testnet'
   */
  network: string;
  /**
   * The task of the widget: register a song, register a new version, or download the end-user's files. The new version is of the song with an
   * access code, or of one of the end-user's songs. Another mode shows its empty form and forgets the token. Give the token for the new mode within 2 s, or the
   * widget asks for it. An order that has not ended stays.
   * @attr
   * @type {'register' | 'update' | 'download'}
   * @default 'register'
   */
  mode: AtsMode;
  /**
   * The embedding site's reference of the end-user, whose works an update and a download list, without an access code. Required in the mode
   * download.
   * @attr external-user-id
   */
  externalUserId: string;
  /**
   * Largest file in bytes, if below the server's limit; 0: only the server's own limit.
   * @attr max-file-size
   * @default 0
   */
  maxFileSize: number;
  /** Write-only: reads as null. */
  get token(): string | null;
  set token(token: string | null);
  /** Gives a session token. It is kept in memory and never in the DOM. */
  setToken(token: string): void;
  /** Stops all work and returns to the empty form. Emits allfeat:token-expired with pendingAction "reset". */
  reset(): void;
  /** Your backend has refused a token: shows its refusal, the `error` of its answer, at once if something waits for the token. */
  refuseToken(refusal: unknown): void;
  /** The screen that the widget shows, and its ids and codes. */
  getState(): AtsState;
}
declare global {
  interface HTMLElementTagNameMap {
    'ats-widget': AtsWidget;
  }
}

/** The version of this build. */
export declare const version: string;

declare global {
  /** The global name of the classic script: the exports of the module. */
  var AtsWidgetComponent:
    | Readonly<{
        AtsWidget: typeof AtsWidget;
        AtsEvent: typeof AtsEvent;
        EVENT_NAMES: typeof EVENT_NAMES;
        version: string;
      }>
    | undefined;
}

export {};
