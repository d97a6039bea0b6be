// webhook.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';

export const LARGEST = 64 * 1024; // bytes of a body
const TOLERANCE = 5 * 60; // seconds between two clocks
const REMEMBERED = 10_000; // ids; a site with a database keeps those of 30 days

// verify returns the event, or throws. A TypeError is a mistake in this backend.
// secrets is one secret, or two with a space between them. headers has small letters.
export function verify(secrets, headers, body) {
  if (!(body instanceof Uint8Array)) {
    throw new TypeError(
      'verify needs the raw body, and this body was parsed: its bytes are lost. In Express, use express.raw() for this route, ' +
        "before express.json(). In Fastify, add a parser with parseAs: 'buffer'. In Next.js, use await request.arrayBuffer().",
    );
  }
  const keys = (secrets ?? '').split(' ').map((one) => Buffer.from(one.replace(/^whsec_/, ''), 'base64'));
  if (keys.some((key) => key.length < 24)) throw new TypeError('WEBHOOK_SECRET has no secret: it needs whsec_… of this endpoint.');
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!id || !timestamp || !headers['webhook-signature']) throw new Error('A header of the signature is missing.');
  const late = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!/^[0-9]+$/.test(timestamp) || late > TOLERANCE) throw new Error('The timestamp is more than 5 minutes away.');
  const given = headers['webhook-signature'].split(' ').map((one) => Buffer.from(one.replace(/^v1,/, ''), 'base64'));
  const matches = keys.flatMap((key) => {
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
    return given.map((one) => one.length === expected.length && timingSafeEqual(one, expected));
  });
  if (!matches.includes(true)) throw new Error('No signature matches: is WEBHOOK_SECRET of this endpoint, and is the body unchanged?');
  return JSON.parse(Buffer.from(body).toString('utf8'));
}

const seen = new Set();

// receive returns the answer to a delivery. It acts once on each id.
export function receive(headers, body) {
  let event;
  try {
    event = verify(process.env.WEBHOOK_SECRET, headers, body);
  } catch (error) {
    console.error('webhook:', error.message);
    // Timbre sends again after 500, when your mistake is corrected. It does not after 400.
    return { status: error instanceof TypeError ? 500 : 400, text: error.message };
  }
  const id = headers['webhook-id'];
  if (!seen.has(id)) {
    seen.add(id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value); // the oldest
    // Here put the event in your queue. Do not log it whole: it can have an access code.
    console.log('webhook:', event.event, event.ats_id ?? '');
  }
  return { status: 200, text: 'ok' };
}
