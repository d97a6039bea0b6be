import { WebhookError, verifyWebhook } from '@timbre/client';

const LARGEST = 64 * 1024; // bytes of a body
const REMEMBERED = 10_000; // ids; a site with a database keeps those of 30 days
const seen = new Set<string>();

// Receives an event, and acts once on each id.
export async function POST(request: Request) {
  const length = request.headers.get('content-length');
  if (!length || Number(length) > LARGEST) return new Response('The body is too large.', { status: 413 });
  try {
    const { id, data } = await verifyWebhook(await request.arrayBuffer(), request.headers, process.env.WEBHOOK_SECRET ?? '');
    if (!seen.has(id)) {
      const [oldest = ''] = seen;
      if (seen.size >= REMEMBERED) seen.delete(oldest);
      seen.add(id);
      // Here put the event in your queue. Do not log it whole: it can have an access code.
      console.log('webhook:', data.event, 'ats_id' in data ? data.ats_id : '');
    }
    return new Response('ok');
  } catch (error) {
    if (!(error instanceof WebhookError)) throw error;
    console.error('webhook:', error.message);
    // 400, or 500 for a mistake in this backend. Timbre sends again after 500, when it is corrected.
    return new Response(error.message, { status: error.status });
  }
}
