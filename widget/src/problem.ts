/** Problems: a code of the catalogue with what is needed to act on it. Holds no screen text but the stable English one. */
import { errorMessages, errorTable, type BrowserErrorCode, type ErrorClass } from './gen/errors.js';

export interface Problem {
  readonly code: BrowserErrorCode;
  /** The server's request id; null when the problem was raised in the browser. */
  readonly requestId: string | null;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Carries a problem through promises. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(code: BrowserErrorCode, details?: Record<string, unknown>, requestId: string | null = null) {
    super(code);
    this.problem = details ? { code, requestId, details } : { code, requestId };
  }
}

export const classOf = (code: BrowserErrorCode): ErrorClass => errorTable[code].class;

const known = (code: unknown): code is BrowserErrorCode => typeof code === 'string' && Object.hasOwn(errorTable, code);

const record = (v: unknown): Record<string, unknown> | undefined =>
  typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : undefined;

/** Reads the error object of an envelope or of a tracking frame. Undefined when it is not one. */
export function problemFrom(error: unknown): ProblemError | undefined {
  const e = record(error);
  if (!e || typeof e['code'] !== 'string') return undefined;
  const requestId = typeof e['request_id'] === 'string' ? e['request_id'] : null;
  if (known(e['code'])) return new ProblemError(e['code'], record(e['details']), requestId);
  // A newer server may know codes that this build does not: what it said must not be lost.
  return new ProblemError('widget.unknown_error', {
    ...record(e['details']),
    code: e['code'],
    request_id: requestId,
    message: e['message'],
  });
}

/** Reads a whole response body, `{"error": {…}}`. */
export function problemOfBody(body: string): ProblemError | undefined {
  try {
    return problemFrom(record(JSON.parse(body))?.['error']);
  } catch {
    return undefined;
  }
}

/** Whatever was thrown, as a problem. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof ProblemError) return thrown.problem;
  return { code: 'widget.unknown_error', requestId: null, details: { reason: String(thrown) } };
}

/** Bytes as megabytes of 1,000,000 with at most one decimal. */
const megabytes = (bytes: unknown): string => (typeof bytes === 'number' ? String(Math.round(bytes / 1e5) / 10) : '?');

/** The English message of the catalogue with its placeholders filled: stable, for logs and for integrators. */
export function englishMessage(p: Problem): string {
  return errorMessages[p.code]
    .replace('{size_mb}', megabytes(p.details?.['size_bytes']))
    .replace('{max_mb}', megabytes(p.details?.['max_bytes']));
}
