/** The upload of the file: attempts, waits, and the meaning of each answer of the store. */
import { longestRetryAfter, type Api } from './api.js';
import { ProblemError, classOf, problemOfBody } from './problem.js';

export interface Slot {
  url: string;
  /** Milliseconds since 1970, by this machine's clock. */
  expiresAt: number;
  /** The job of an earlier page, whose upload in parts continues. */
  continues?: boolean;
}

export interface UploadOptions {
  file: File;
  slot: Slot;
  /** Asks for another upload URL when this one has expired. */
  renew: () => Promise<Slot>;
  onProgress: (loaded: number) => void;
  signal: AbortSignal;
}

/** Waits before the second and the third attempt, in ms. */
const waits = [1000, 2000];

/** The most renewals: a store that refuses every upload URL is not asked forever. */
const renewals = 2;

/**
 * Puts the file to its upload URL, in at most three attempts. A wait that the store asks for is kept. A full store is not asked again. An
 * upload URL that the store refuses, or that has expired before an attempt, is renewed; this does not count as an attempt.
 */
export async function upload(api: Api, o: UploadOptions): Promise<void> {
  let slot = o.slot;
  let failures = 0;
  let renewed = 0;
  let offline = 0;
  for (;;) {
    if (!api.env.online() && offline++ < 3) await api.waitOnline(o.signal);
    // The machine may have slept since the last check.
    if (api.env.now() > slot.expiresAt) slot = await o.renew();
    const answer = await api.env.put(api.resolve(slot.url), o.file, o.onProgress, o.signal);
    o.signal.throwIfAborted();
    if (answer.status >= 200 && answer.status < 300) return;

    // Stores with the S3 protocol send only the status.
    const refusal =
      problemOfBody(answer.body) ??
      (answer.status === 507 ? new ProblemError('common.service_unavailable', { reason: 'storage_full' }) : undefined);
    const kind = refusal && classOf(refusal.problem.code);
    if (answer.status === 413 && kind !== 'inline') throw new ProblemError('registration.audio_too_large', { size_bytes: o.file.size });
    if (refusal && (kind === 'inline' || kind === 'disabled')) throw refusal;

    if ((answer.status === 403 || answer.status === 410) && renewed++ < renewals) {
      slot = await o.renew();
      continue;
    }
    // A full store is still full two seconds later, and a file may be large: do not send it again.
    const wait = answer.retryAfter ?? 0;
    const full = refusal?.problem.details?.['reason'] === 'storage_full';
    if (refusal && (full || wait > longestRetryAfter || (answer.status === 429 && failures >= waits.length))) {
      if (wait) refusal.problem = { ...refusal.problem, again: api.env.now() + wait * 1000 };
      throw refusal;
    }
    // A lost connection does not count as an attempt.
    if (!answer.status && !api.env.online() && offline < 3) continue;
    if (failures >= waits.length)
      throw new ProblemError('widget.upload_error', {
        status: answer.status,
        ...(refusal && { code: refusal.problem.code, request_id: refusal.problem.requestId }),
      });
    const least = waits[failures++]!;
    api.notice('retry');
    await (wait && refusal ? api.waitOut(wait, o.signal) : api.env.sleep(least, o.signal));
    api.notice('');
  }
}
