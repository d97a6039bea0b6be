/** The upload of the file: attempts, waits, and what each answer of the store means. */
import type { Api } from './api.js';
import { ProblemError, classOf, problemOfBody } from './problem.js';

export interface Slot {
  url: string;
  /** RFC 3339. */
  expiresAt: string;
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

/** Puts the file where the slot says. Three attempts; a slot that is over is renewed, at most twice. */
export async function upload(api: Api, o: UploadOptions): Promise<void> {
  let slot = o.slot;
  let failures = 0;
  let renewals = 0;
  let offline = 0;
  for (;;) {
    if (!api.env.online() && offline++ < 3) await api.waitOnline(o.signal);
    const answer = await api.env.put(api.resolve(slot.url), o.file, o.onProgress, o.signal);
    if (answer.status >= 200 && answer.status < 300) return;

    const told = problemOfBody(answer.body);
    const kind = told && classOf(told.problem.code);
    if (answer.status === 413 && kind !== 'inline')
      throw new ProblemError('registration.audio_too_large', { size_bytes: o.file.size });
    if (told && (kind === 'inline' || kind === 'disabled')) throw told;

    const over =
      answer.status === 403 || answer.status === 410 || (!answer.status && api.env.now() > Date.parse(slot.expiresAt));
    if (over && renewals < 2) {
      renewals++;
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
