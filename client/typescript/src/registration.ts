/** A whole registration or update: init, upload, prepare, price, confirm, follow. It can be saved between any two steps, and continued. */
import { TimbreError, is } from './errors.js';
import { sleep, type CallOptions, type Http } from './http.js';
import { bytesOf, readerOf, uploadParts, uploadWhole, type RangeReader, type Recording } from './upload.js';
import type { Confirmed, InitRequest, Job, Quote, Stats, Succeeded, Transaction, UploadSlot, VersionQuote } from './gen/api.js';

/** How far a registration is. */
export interface Progress {
  /** The step that is running. */
  phase: 'uploading' | 'preparing' | 'confirming' | 'registering';
  /** While uploading: bytes that the store has. While registering: percent. Otherwise 0. */
  loaded: number;
  /** While uploading: the size of the file in bytes. While registering: 100. Otherwise 0. */
  total: number;
  /** While registering: the step, such as `submitting`. */
  step?: string;
}

/**
 * Where a registration is, as JSON. Save it at each `onState`, and give it back as `state`. It can hold the access code of the new work:
 * keep it as safe as a password.
 */
export interface State {
  version: 1;
  /** The `Idempotency-Key` of init: with an API key, a repeated init makes no second job. */
  key: string;
  /** Tells the input and the file apart from others. */
  print: string;
  job_id?: string;
  /** `file`: bytes must be sent. `hash`: only the hash is sent. `none`: the recording of the version before stays. */
  send?: 'file' | 'hash' | 'none';
  uploaded?: boolean;
  transaction_id?: string;
  access_code?: string;
}

/** The options of registrations and updates. */
export interface RunOptions<Q> extends CallOptions {
  /** The name of the file; a File has its own. */
  filename?: string;
  /** The SHA-256 of the file, `0x` and 64 hex digits. The server then refuses other bytes. */
  media_sha256?: string;
  /**
   * Called with the price, before anything is charged. `false` refuses it: the call throws `client.price_refused`. An abort does not
   * end it: the call waits for its answer.
   */
  onQuote?: (quote: Q) => boolean | undefined | Promise<boolean | undefined>;
  onProgress?: (progress: Progress) => void;
  /** Called after each step, and awaited: save the state here. */
  onState?: (state: State) => unknown;
  /** A saved state: continues its registration. The other options must be the same as before. After `transaction.failed` give none. */
  state?: State | undefined;
  /** Milliseconds after which the call stops to follow the transaction; 900,000 by default. */
  followFor?: number;
}

export interface RegisterOptions extends RunOptions<Quote>, Omit<InitRequest, 'filename' | 'media_sha256' | 'size_bytes'> {
  /** The recording. Its size has the server's limit: see `stats`. */
  file: Recording;
}

/** A finished registration or update. */
export interface Registered extends Omit<Succeeded, 'success'> {
  transaction_id: string;
}

/** The differences between a registration and the kinds of updates. */
export interface Kind {
  /** The path of the calls, such as `/v1/works`. */
  base: string;
  /** The name of its init. */
  init: string;
  /** The body of init. */
  body: Record<string, unknown>;
  /** The members of the bodies of the other steps, besides the job. */
  step: Record<string, unknown>;
  file: Recording | undefined;
}

/** The largest file whose hash the client computes, in bytes: the hash needs all bytes in memory. */
const mostHashed = 256 << 20;
/** The first and the longest pause between two looks at the transaction, in ms. */
const polls = [200, 2000] as const;
/** How often an expired quote is renewed. */
const requotes = 3;

/** Runs all steps that state has not seen. Every step may be repeated: no crash makes a second registration. */
export async function run<Q extends Quote | VersionQuote>(http: Http, kind: Kind, o: RunOptions<Q>): Promise<Registered> {
  const { signal } = o;
  const file = kind.file === undefined ? undefined : readerOf(kind.file);
  const body = { ...kind.body };
  if (file) {
    body['filename'] = o.filename ?? (kind.file as { name?: string }).name ?? 'recording';
    body['size_bytes'] = file.size;
    if (o.media_sha256) body['media_sha256'] = o.media_sha256;
  }
  const print = await printOf(JSON.stringify([kind.base, body]), file);
  const s: State = o.state ? { ...o.state } : { version: 1, key: crypto.randomUUID(), print };
  if (s.print !== print) throw http.own('client.other_state', 'The saved state belongs to another file or to other input.');
  const save = async (more: Partial<State>) => {
    Object.assign(s, more);
    await o.onState?.({ ...s });
  };
  const call = <T>(step: string, more: object = {}) =>
    http.json<T>('POST', `${kind.base}/${step}`, { body: { ...kind.step, ...more, job_id: s.job_id }, signal });

  if (!s.transaction_id) {
    if (!s.job_id) {
      await save({});
      // A session has no such keys, and the rules of other origins (CORS) keep a page from sending one.
      const headers = http.options.apiKey ? { 'Idempotency-Key': s.key } : undefined;
      const slot = await http.json<Job & Partial<UploadSlot>>('POST', `${kind.base}/${kind.init}`, { body, headers, signal });
      await save({ job_id: slot.job_id, send: slot.upload_url ? 'file' : slot.upload ? 'hash' : 'none' });
      if (file && slot.upload_url) await upload(slot.upload_url);
    }
    try {
      await save({ ...(await price()), uploaded: true });
    } catch (error) {
      // A confirm before a crash, or one whose answer was lost.
      if (!is(error, 'transaction.already_confirmed')) throw error;
      await save({ transaction_id: error.details.transaction_id });
    }
  }
  return follow();

  async function upload(url?: string): Promise<void> {
    if (!file || s.uploaded || s.send !== 'file') return;
    const onProgress = (loaded: number) => o.onProgress?.({ phase: 'uploading', loaded, total: file.size });
    onProgress(0);
    const u = { http, base: kind.base, job: { ...kind.step, job_id: s.job_id! }, file, url, onProgress, signal };
    await ((await inParts(file.size)) ? uploadParts(u) : uploadWhole(u));
    await save({ uploaded: true });
  }

  async function inParts(size: number): Promise<boolean> {
    if (size < 8 << 20) return false;
    const { parts_from_bytes } = await http.json<Stats>('GET', '/v1/stats', { open: true, signal });
    return !!parts_from_bytes && size >= parts_from_bytes;
  }

  /** Prepares, asks for the price, and confirms. */
  async function price(): Promise<Partial<State>> {
    await upload();
    for (let again = 0; ; again++) {
      o.onProgress?.({ phase: 'preparing', loaded: 0, total: 0 });
      let quote: Q;
      try {
        quote = await call<Q>('prepare', s.send === 'hash' && file ? await hashed(file) : {});
      } catch (error) {
        // The store has lost the file since the state was saved.
        if (!is(error, 'registration.upload_missing') || !s.uploaded || again >= requotes || s.send !== 'file') throw error;
        s.uploaded = false;
        await upload();
        continue;
      }
      if ((await o.onQuote?.(quote)) === false) {
        const { total_price_credits } = quote;
        throw new TimbreError('client.price_refused', {
          message: 'The price was refused.',
          details: { total_price_credits },
          server: http.server,
        });
      }
      signal?.throwIfAborted();
      o.onProgress?.({ phase: 'confirming', loaded: 0, total: 0 });
      try {
        const { transaction_id, access_code } = await call<Confirmed>('confirm');
        return { transaction_id, ...(access_code && { access_code }) };
      } catch (error) {
        // The quote expired while the price was considered: ask again.
        if (!is(error, 'transaction.expired') || error.details?.reason !== 'quote' || again >= requotes) throw error;
      }
    }
  }

  async function hashed(reader: RangeReader): Promise<object> {
    let { media_sha256 } = o;
    if (!media_sha256) {
      if (reader.size > mostHashed) throw new TypeError('This server takes only the hash of the file. Give it as media_sha256.');
      media_sha256 = '0x' + (await sha256(await bytesOf(reader, 0, reader.size)));
    }
    return { media_sha256, size_bytes: reader.size };
  }

  async function follow(): Promise<Registered> {
    const transaction_id = s.transaction_id!;
    const until = performance.now() + (o.followFor ?? 900_000);
    for (let pause: number = polls[0]; ; pause = Math.min(pause * 1.5, polls[1])) {
      const t = await http.json<Transaction>('GET', `/v1/transactions/${transaction_id}`, { open: true, signal });
      o.onProgress?.({ phase: 'registering', loaded: t.progress, total: 100, step: t.current_step });
      if (t.result?.success) {
        const { success: _, ...result } = t.result;
        return { ...(s.access_code && { access_code: s.access_code }), ...result, transaction_id };
      }
      if (t.result) {
        const { error: message, error_code, error_details: details, request_id: requestId } = t.result;
        throw new TimbreError(error_code, { message, details, requestId, server: http.server });
      }
      if (performance.now() > until)
        throw http.own('client.unfinished', 'The transaction has not ended yet.', { details: { transaction_id } });
      await sleep(pause, signal);
    }
  }
}

/** Tells a registration apart from others: the hash of its input, and of the size and both ends of its file. */
async function printOf(input: string, file: RangeReader | undefined): Promise<string> {
  const parts: BlobPart[] = [input];
  if (file) {
    const end = Math.min(file.size, 65_536);
    parts.push(await bytesOf(file, 0, end), await bytesOf(file, file.size - end, file.size));
  }
  return sha256(await new Blob(parts).arrayBuffer());
}

const sha256 = async (bytes: ArrayBuffer): Promise<string> =>
  [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((b) => b.toString(16).padStart(2, '0')).join('');
