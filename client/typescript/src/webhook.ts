/** Verifies webhooks: Standard Webhooks, with Web Crypto. */
import type { WebhookEvent } from './gen/api.js';

export type WebhookProblem = 'parsed_body' | 'missing_header' | 'timestamp' | 'signature' | 'secret';

/** Why a webhook is refused. Never act on its body. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly reason: WebhookProblem;
  /**
   * The status to answer with. It is 400, and the server does not send the event again. For `parsed_body` and `secret` it is 500: the fault
   * is the receiver's, and the server sends the event again.
   */
  readonly status: 400 | 500;
  constructor(reason: WebhookProblem, message: string) {
    super(message);
    this.reason = reason;
    this.status = reason === 'parsed_body' || reason === 'secret' ? 500 : 400;
  }
}

/** The headers of the request: those of fetch, or of Node's `request.headers`. */
export type WebhookHeaders = { get(name: string): string | null } | Record<string, string | string[] | undefined>;

export interface WebhookOptions {
  /** How far the timestamp may be from this machine's clock, in seconds; 300 by default. */
  tolerance?: number;
  /** The time, in milliseconds since 1970, for tests. */
  now?: number;
}

export interface Webhook {
  /** The id of the delivery, the same for all attempts. Remember it for 30 days, and act once on each. */
  id: string;
  /** The time of this attempt. */
  at: Date;
  data: WebhookEvent;
}

const advice =
  'Give verifyWebhook the raw body: in Express, use express.raw({ type: "application/json" }) for this route; ' +
  'in Next.js, Hono, Deno and Bun, await request.text(); in Fastify, a content type parser with { parseAs: "buffer" }.';

/**
 * Returns the event of a webhook when one of the secrets signed it. Throws WebhookError.
 * @param rawBody The body as it arrived, as text or bytes, and not parsed.
 * @param secret `whsec_…`. During a rotation, give both secrets: as a list, or as one text with a space between them.
 */
export async function verifyWebhook(
  rawBody: string | Uint8Array | ArrayBuffer,
  headers: WebhookHeaders,
  secret: string | readonly string[],
  options: WebhookOptions = {},
): Promise<Webhook> {
  const raw: unknown = rawBody;
  let body: Uint8Array | undefined;
  if (typeof raw === 'string') body = new TextEncoder().encode(raw);
  else if (raw instanceof Uint8Array) body = raw;
  else if (raw instanceof ArrayBuffer) body = new Uint8Array(raw);
  if (!body?.length)
    throw new WebhookError(
      'parsed_body',
      `This body is empty or was parsed before: its bytes are lost, and no signature can match. ${advice}`,
    );

  const keys = await Promise.all([secret ?? ''].flat().join(' ').trim().split(/\s+/).map(keyOf));
  const header = (name: string): string => {
    const given = typeof headers.get === 'function' ? headers.get(name) : (headers as Record<string, string | string[] | undefined>)[name];
    const text = typeof given === 'string' ? given : '';
    if (!text) throw new WebhookError('missing_header', `The header ${name} is missing. This request is not a webhook of Timbre.`);
    return text;
  };
  const id = header('webhook-id');
  const timestamp = header('webhook-timestamp');
  const signatures = header('webhook-signature').split(' ').slice(0, 8);
  const at = Number(timestamp) * 1000;
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs((options.now ?? Date.now()) - at) > (options.tolerance ?? 300) * 1000)
    throw new WebhookError('timestamp', 'The timestamp is too far from this clock. The request is old, or a clock is wrong.');

  const signed = new Blob([`${id}.${timestamp}.`, body as Uint8Array<ArrayBuffer>]);
  const bytes = await signed.arrayBuffer();
  for (const key of keys) {
    for (const signature of signatures) {
      const given = /^v1,([\w+/]+=*)$/.exec(signature)?.[1];
      // Web Crypto compares in constant time.
      const bits = given === undefined ? undefined : decode(given);
      if (bits && (await crypto.subtle.verify('HMAC', key, bits, bytes)))
        return { id, at: new Date(at), data: JSON.parse(new TextDecoder().decode(body)) as WebhookEvent };
    }
  }
  throw new WebhookError('signature', `No signature matches. The secret is another one, or the body was changed. ${advice}`);
}

/** The key of a secret. */
async function keyOf(secret: string): Promise<CryptoKey> {
  const raw = /^whsec_[\w+/]+=*$/.test(secret) ? decode(secret.slice(6)) : undefined;
  if (!raw?.length) throw new WebhookError('secret', 'The secret of the webhook is missing, or not one: it begins with whsec_.');
  return crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
}

/** The bytes of base64; undefined when it is malformed. */
function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}
