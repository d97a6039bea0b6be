/** The one error of this package: what a server refused, or why no answer came. */
import type { ErrorCode, ErrorDetails } from './gen/errors.js';

/** The details of the codes that the client itself raises. A server sends none of them. */
export interface ClientErrorDetails {
  /** No answer came: the connection failed. */
  'client.network': undefined;
  /** No answer came within the timeout of the call. */
  'client.timeout': undefined;
  /** The answer is not one of a Timbre server: it may come from a proxy. */
  'client.malformed_response': { status: number };
  /** The store refused the bytes of the file. */
  'client.upload_failed': { status: number };
  /** The file changed while it was sent, or cannot be read. */
  'client.file_changed': undefined;
  /** `onQuote` refused the price. Nothing was charged. */
  'client.price_refused': { total_price_credits: number };
  /** The saved state belongs to another file, title or list of creators. */
  'client.other_state': undefined;
  /** The transaction did not end within `followFor`. It continues on the server. */
  'client.unfinished': { transaction_id: string };
}

export type ClientErrorCode = keyof ClientErrorDetails;

/** Every known code. A newer server may send others, so a code is any text at run time. */
export type Code = ErrorCode | ClientErrorCode;

/** The details of a code; undefined when it has none. */
export type Details<C extends string> = C extends keyof ErrorDetails
  ? ErrorDetails[C]
  : C extends keyof ClientErrorDetails
    ? ClientErrorDetails[C]
    : Record<string, unknown> | undefined;

interface Facts {
  message?: string;
  details?: unknown;
  requestId?: string | undefined;
  status?: number;
  retryAfter?: number | undefined;
  server?: string;
  cause?: unknown;
}

export class TimbreError<C extends string = Code | (string & {})> extends Error {
  override readonly name = 'TimbreError';
  readonly code: C;
  readonly details: Details<C>;
  /** The id of the request, for the operator; undefined when no server answered. */
  readonly requestId: string | undefined;
  /** The HTTP status of the refusal; 0 without one. */
  readonly status: number;
  /** The wait in seconds that the server asked for. */
  readonly retryAfter: number | undefined;
  /** The page that explains the code. */
  readonly docsUrl: string;
  /** Whether the same call can succeed later without a change. The client has already tried again. */
  readonly retryable: boolean;

  constructor(code: C, facts: Facts = {}) {
    super(`${code}: ${facts.message ?? 'The server refused the call.'}`, { cause: facts.cause });
    this.code = code;
    this.details = facts.details as Details<C>;
    this.requestId = facts.requestId;
    this.status = facts.status ?? 0;
    this.retryAfter = facts.retryAfter;
    const own = code.startsWith('client.');
    this.docsUrl = `${facts.server ?? ''}/docs/${own ? 'typescript#errors' : `errors#${code}`}`;
    this.retryable = own
      ? /network|timeout/.test(code) || [408, 429, 500, 502, 503, 504].includes(this.status)
      : code === 'idempotency.in_progress' || this.status === 503 || (this.status === 429 && code !== 'common.quota_exceeded');
  }

  /**
   * The `error` that a backend answers its page with: what the server refused, unchanged. The widget explains it. Without
   * an answer of the server it is `common.service_unavailable`.
   */
  forPage(): { code: string; message: string; details?: unknown; request_id?: string } {
    if (!this.status || this.code.startsWith('client.'))
      return { code: 'common.service_unavailable', message: 'The registry cannot be reached.' };
    const error: ReturnType<TimbreError['forPage']> = { code: this.code, message: this.message.slice(this.code.length + 2) };
    if (this.details !== undefined) error.details = this.details;
    if (this.requestId !== undefined) error.request_id = this.requestId;
    return error;
  }
}

/** Whether error is a TimbreError; with a code, whether it has this code. Then `details` has the type of the code. */
export function is(error: unknown): error is TimbreError;
export function is<C extends Code>(error: unknown, code: C): error is TimbreError<C>;
export function is(error: unknown, code?: string): boolean {
  // By name, because two copies of this package may be loaded.
  return error instanceof Error && error.name === 'TimbreError' && (code === undefined || (error as { code?: unknown }).code === code);
}
