// webhook.mjs
import { WebhookError, verifyWebhook } from '@timbre/client';

export const LARGEST = 64 * 1024; // bytes of a body
const REMEMBERED = 10_000; // ids; a site with a database keeps those of 30 days

// One secret, or two with a space between them.
const secret = process.env.WEBHOOK_SECRET;
if (secret === undefined) console.error('webhook: WEBHOOK_SECRET is not set, so every webhook is refused.');
else if (!/^whsec_\S+( whsec_\S+)?$/.test(secret)) throw new Error('WEBHOOK_SECRET needs whsec_… of your endpoint.');

const seen = new Set();

// receive returns the answer to a delivery. It acts once on each id. body has the bytes as they came.
export async function receive(headers, body) {
  try {
    const { id, data } = await verifyWebhook(body, headers, secret);
    if (!seen.has(id)) {
      seen.add(id);
      if (seen.size > REMEMBERED) seen.delete(seen.values().next().value); // the oldest
      // Here put the event in your queue. Do not log it whole: it can have an access code.
      console.log('webhook:', data.event, data.ats_id ?? '');
    }
    return { status: 200, text: 'ok' };
  } catch (error) {
    if (!(error instanceof WebhookError)) throw error;
    console.error('webhook:', error.message);
    // 400, or 500 for a mistake in this backend. Timbre sends again after 500, when it is corrected.
    return { status: error.status, text: error.message };
  }
}
