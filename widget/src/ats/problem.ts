/** Problems: a code of the catalogue with the data needed to act on it. The only text here is the stable English one. */
import { megabyte } from '../../../web/i18n/texts.js';
import { errorMessages, errorTable, type AtsErrorCode, type ErrorClass } from '../gen/errors.js';

export interface Problem {
  readonly code: AtsErrorCode;
  /** The server's request id; null when the problem arose in the browser. */
  readonly requestId: string | null;
  readonly details?: Readonly<Record<string, unknown>>;
  /** When the server may be asked again, in milliseconds since 1970 by this machine's clock; for the screen. */
  readonly again?: number;
}

/** Carries a problem through promises. */
export class ProblemError extends Error {
  problem: Problem;
  constructor(code: AtsErrorCode, details?: Readonly<Record<string, unknown>>, requestId: string | null = null) {
    super(code);
    this.problem = details ? { code, requestId, details } : { code, requestId };
  }
}

/** The server's answer does not have the documented form. */
export const malformed = (field: string) => new ProblemError('widget.malformed_response', { field });

export const classOf = (code: AtsErrorCode): ErrorClass => errorTable[code].class;

const known = (code: unknown): code is AtsErrorCode => typeof code === 'string' && Object.hasOwn(errorTable, code);

const record = (v: unknown): Record<string, unknown> | undefined =>
  typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : undefined;

/** The page and its server do not match. Only the site's owner can fix that; a new session cannot. */
export const isSetup = (code: string, reason: unknown): boolean =>
  code === 'session.invalid_token' && (reason === 'network' || reason === 'key');

/** Reads the error object of an envelope or of a tracking frame. Undefined when it is not one. */
export function problemFrom(error: unknown): ProblemError | undefined {
  const e = record(error);
  if (!e || typeof e['code'] !== 'string') return undefined;
  const details = record(e['details']);
  const id = typeof e['request_id'] === 'string' ? { request_id: e['request_id'] } : {};
  if (!known(e['code']))
    // A newer server may have codes that this build does not know: its answer must not be lost.
    return new ProblemError('widget.unknown_error', { ...details, code: e['code'], ...id, message: e['message'] });
  // A server in rehearsal sends a code that only a browser can raise: show it as if the browser had raised it.
  if (classOf(e['code']) === 'client') return new ProblemError(e['code'], { ...details, ...id });
  return new ProblemError(e['code'], details, id.request_id);
}

/** Reads a whole response body, `{"error": {…}}`. */
export function problemOfBody(body: string): ProblemError | undefined {
  try {
    return problemFrom(record(JSON.parse(body))?.['error']);
  } catch {
    return undefined;
  }
}

/** Any thrown value, as a problem. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof ProblemError) return thrown.problem;
  return { code: 'widget.unknown_error', requestId: null, details: { reason: String(thrown) } };
}

/**
 * A size and its maximum in megabytes, with one decimal. The size is rounded up and the maximum down, so that a size above the maximum
 * never looks equal to it. A maximum below a tenth gets as many decimals as it needs.
 */
export function megabytes(size: number, max: number): [number, number] {
  let scale = 10;
  while (max > 0 && max * scale < megabyte && scale < 1e6) scale *= 10;
  const show = (bytes: number, round: (n: number) => number) =>
    Math.floor(bytes / megabyte) + round(((bytes % megabyte) * scale) / megabyte) / scale;
  return [show(size, Math.ceil), show(max, Math.floor)];
}

/** The English message of the catalogue with its placeholders filled: stable, for logs and for integrators. */
export function englishMessage(p: Problem): string {
  const { size_bytes: size, max_bytes: max } = p.details ?? {};
  const known = (v: unknown): v is number => typeof v === 'number' && v >= 0;
  const [s, m] = megabytes(known(size) ? size : 0, known(max) ? max : 0);
  return errorMessages[p.code].replace('{size_mb}', known(size) ? String(s) : '?').replace('{max_mb}', known(max) ? String(m) : '?');
}
