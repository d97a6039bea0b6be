/** The upload of the file: attempts, waits, and what each answer of the store means. */
import type { Api } from './api.js';
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
 * Puts the file where the slot says, in three attempts. A slot that the store refuses is renewed, and so is one whose
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

    const told = problemOfBody(answer.body);
    const kind = told && classOf(told.problem.code);
    if (answer.status === 413 && kind !== 'inline')
      throw new ProblemError('registration.audio_too_large', { size_bytes: o.file.size });
    if (told && (kind === 'inline' || kind === 'disabled')) throw told;

    if ((answer.status === 403 || answer.status === 410) && renewed++ < renewals) {
      slot = await o.renew();
      continue;
    }
    // Losing the connection is no fault of the attempt.
    if (!answer.status && !api.env.online() && offline < 3) continue;
    if (failures >= waits.length)
      throw new ProblemError('widget.upload_error', {
        status: answer.status,
        ...(told && { code: told.problem.code, request_id: told.problem.requestId }),
      });
    api.notice('retry');
    await api.env.sleep(waits[failures++]!, o.signal);
    api.notice('');
  }
}
