/** The upload of the file: attempts, waits, and what each answer of the store means. */
import { longestRetryAfter, type Api } from './api.js';
import { ProblemError, classOf, problemOfBody } from './problem.js';

export interface Slot {
  url: string;
  /** Milliseconds since 1970, by this machine's clock. */
  expiresAt: number;
}

export interface UploadOptions {
  file: File;
  slot: Slot;
  /** Asks for another slot when this one is over. */
  renew: () => Promise<Slot>;
  onProgress: (loaded: number) => void;
  signal: AbortSignal;
}

/** Waits before the second and the third attempt, in ms. */
const waits = [1000, 2000];

/** A store that refuses every slot is not asked for ever. */
const renewals = 2;

/**
 * Puts the file where the slot says, in three attempts. A store that asks for a wait is given it; one that has no room is
 * not asked again. A slot that the store refuses is renewed, and so is one whose
 * time passed before an attempt; neither counts as an attempt.
 */
export async function upload(api: Api, o: UploadOptions): Promise<void> {
  let slot = o.slot;
  let failures = 0;
  let renewed = 0;
  let offline = 0;
  for (;;) {
    if (!api.env.online() && offline++ < 3) await api.waitOnline(o.signal);
    // The machine may have slept since.
    if (api.env.now() > slot.expiresAt) slot = await o.renew();
    const answer = await api.env.put(api.resolve(slot.url), o.file, o.onProgress, o.signal);
    o.signal.throwIfAborted();
    if (answer.status >= 200 && answer.status < 300) return;

    // Stores that speak S3 say it by the status alone.
    const told =
      problemOfBody(answer.body) ?? (answer.status === 507 ? new ProblemError('common.service_unavailable', { reason: 'storage_full' }) : undefined);
    const kind = told && classOf(told.problem.code);
    if (answer.status === 413 && kind !== 'inline')
      throw new ProblemError('registration.audio_too_large', { size_bytes: o.file.size });
    if (told && (kind === 'inline' || kind === 'disabled')) throw told;

    if ((answer.status === 403 || answer.status === 410) && renewed++ < renewals) {
      slot = await o.renew();
      continue;
    }
    // A store that has no room has none in two seconds either, and a file may be large: it is not sent for nothing.
    const wait = answer.retryAfter ?? 0;
    const full = told?.problem.details?.['reason'] === 'storage_full';
    if (told && (full || wait > longestRetryAfter || (answer.status === 429 && failures >= waits.length))) {
      if (wait) told.problem = { ...told.problem, again: api.env.now() + wait * 1000 };
      throw told;
    }
    // Losing the connection is no fault of the attempt.
    if (!answer.status && !api.env.online() && offline < 3) continue;
    if (failures >= waits.length)
      throw new ProblemError('widget.upload_error', {
        status: answer.status,
        ...(told && { code: told.problem.code, request_id: told.problem.requestId }),
      });
    const least = waits[failures++]!;
    api.notice('retry');
    await (wait && told ? api.waitOut(wait, o.signal) : api.env.sleep(least, o.signal));
    api.notice('');
  }
}
