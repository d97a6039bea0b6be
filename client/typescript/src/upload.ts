/** The bytes of a recording: with one PUT, or in parts that survive an interruption. */
import { TimbreError, is } from './errors.js';
import { sleep, type Http } from './http.js';
import type { Parts, UploadSlot } from './gen/api.js';

/** A recording: a Blob or File (in Node, `openAsBlob` reads a file as it is sent), bytes, or an object that reads ranges. */
export type Recording = Blob | ArrayBuffer | Uint8Array<ArrayBuffer> | RangeReader;

/** Reads a recording piece by piece. */
export interface RangeReader {
  /** In bytes. */
  readonly size: number;
  /** The bytes from `start` up to `end`, without `end`. */
  slice(start: number, end: number): Blob | Uint8Array<ArrayBuffer> | Promise<Blob | Uint8Array<ArrayBuffer>>;
}

export const readerOf = (file: Recording): RangeReader =>
  file instanceof ArrayBuffer || ArrayBuffer.isView(file) ? new Blob([file]) : file;

/** The bytes of a range. */
export const bytesOf = async (file: RangeReader, start: number, end: number): Promise<ArrayBuffer> =>
  new Response(await file.slice(start, end)).arrayBuffer();

export interface Upload {
  http: Http;
  /** The path of the job's calls, such as `/v1/works`. */
  base: string;
  /** The members of the body of each call. */
  job: { job_id: string };
  file: RangeReader;
  /** From init, while it is fresh. */
  url?: string | undefined;
  onProgress: (loaded: number) => void;
  signal: AbortSignal | undefined;
}

/** Parts on their way at once. A server takes two requests to one URL, and 64 of an organization. */
const parallel = 4;
/** URLs that are asked for at once: a URL that is needed much later would expire. */
const batch = 8;
/** How often an upload URL is asked for again, when the store refuses it. */
const renewals = 2;

/** Sends the file with one PUT. */
export async function uploadWhole(u: Upload): Promise<void> {
  const renew = async () => (await u.http.json<UploadSlot>('POST', u.base + '/upload', { body: u.job, signal: u.signal })).upload_url!;
  await put(u, u.url ?? (await renew()), renew, 0, u.file.size);
  u.onProgress(u.file.size);
}

/** Sends the parts that the server does not have, and makes one file of them. */
export async function uploadParts(u: Upload): Promise<void> {
  const ask = (more: object) => u.http.json<Parts>('POST', u.base + '/parts', { body: { ...u.job, ...more }, signal: u.signal });
  for (let lost = 0; ; lost++) {
    const plan = await ask({ size_bytes: u.file.size });
    if (plan.complete) return;
    const stored = new Set(plan.stored.map((part) => part.number));
    let loaded = plan.stored.reduce((sum, part) => sum + part.size_bytes, 0);
    u.onProgress(loaded);
    const missing = Array.from({ length: plan.part_count }, (_, i) => i + 1).filter((n) => !stored.has(n));
    while (missing.length) {
      const urls = (await ask({ numbers: missing.splice(0, batch) })).urls;
      const end = new AbortController();
      const own = u.signal ? either(u.signal, end) : end.signal;
      const work = async () => {
        for (let part = urls.shift(); part; part = urls.shift()) {
          const { number, size_bytes } = part;
          const renew = async () => (await ask({ numbers: [number] })).urls[0]!.url;
          const start = (number - 1) * plan.part_size_bytes;
          await put({ ...u, signal: own }, part.url, renew, start, start + size_bytes);
          u.onProgress((loaded += size_bytes));
        }
      };
      try {
        await Promise.all(Array.from({ length: parallel }, work));
      } finally {
        end.abort(); // after a failure the other parts stop too
      }
    }
    try {
      await u.http.json('POST', u.base + '/parts/complete', { body: u.job, signal: u.signal });
      return;
    } catch (error) {
      // The store lost parts: the next round sends them again.
      if (!is(error, 'registration.upload_missing') || lost >= renewals) throw error;
    }
  }
}

/** Aborts end when parent is aborted. */
function either(parent: AbortSignal, end: AbortController): AbortSignal {
  if (parent.aborted) end.abort(parent.reason);
  else parent.addEventListener('abort', () => end.abort(parent.reason), { once: true, signal: end.signal });
  return end.signal;
}

/** Puts a range of the file to a URL of the store. A URL that the store refuses is renewed. */
async function put(u: Upload, url: string, renew: () => Promise<string>, start: number, end: number): Promise<void> {
  let renewed = 0;
  const full = await u.http.again(u.signal, async () => {
    for (;;) {
      const body = await u.file.slice(start, end);
      if ((body instanceof Blob ? body.size : body.length) !== end - start) throw u.http.changed();
      const answer = await u.http.send(url, { method: 'PUT', body }, u.signal, end - start);
      if (answer.status >= 200 && answer.status < 300) return undefined;
      if ((answer.status === 403 || answer.status === 410) && renewed++ < renewals) {
        url = await renew();
        continue;
      }
      const refusal = u.http.refusal(answer);
      // An incomplete body: something on the way cut it off.
      if (refusal && is(refusal, 'registration.upload_missing') && renewed++ < renewals) {
        await sleep(500, u.signal);
        continue;
      }
      // A full store is still full after a moment: the bytes are not sent again.
      if (refusal && is(refusal, 'common.service_unavailable') && refusal.details?.reason === 'storage_full') return refusal;
      if (refusal) throw refusal;
      // The store of a bucket answers in XML.
      const { status, retryAfter } = answer;
      throw new TimbreError('client.upload_failed', {
        status,
        retryAfter,
        details: { status },
        server: u.http.server,
        message: `The store refused the bytes (status ${status}).`,
      });
    }
  });
  if (full) throw full;
}
