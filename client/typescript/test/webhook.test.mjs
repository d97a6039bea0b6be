import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { WebhookError, verifyWebhook } from '../dist/index.js';

const secret = 'whsec_' + Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const other = 'whsec_' + Buffer.from('another secret of this endpoint').toString('base64');
const now = Date.parse('2026-03-01T12:00:00Z');
const body = '{"event":"test","organization_id":"o","endpoint_id":"e","at":"2026-03-01T12:00:00Z","é":1}';

function signed(with_, raw = body, at = now / 1000, id = 'msg_1') {
  const key = Buffer.from(with_.slice(6), 'base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': 'v1,' + createHmac('sha256', key).update(`${id}.${at}.${raw}`).digest('base64'),
  };
}

const refused = async (reason, ...args) => {
  let error;
  await assert.rejects(verifyWebhook(...args), (e) => ((error = e), e instanceof WebhookError && e.reason === reason));
  return error.message;
};

test('a webhook is accepted as text, Buffer, Uint8Array and ArrayBuffer, with the headers of Node and of fetch', async () => {
  const bytes = new TextEncoder().encode(body);
  const headers = signed(secret);
  for (const raw of [body, Buffer.from(body), bytes, bytes.buffer])
    for (const given of [headers, new Headers(headers)]) {
      const { id, at, data } = await verifyWebhook(raw, given, secret, { now });
      assert.deepEqual([id, at.getTime(), data.event], ['msg_1', now, 'test']);
    }
});

test('a parsed body is refused with words that say what to do', async () => {
  // A body that something has read before is empty.
  for (const parsed of [JSON.parse(body), {}, undefined, null, '', Buffer.alloc(0), new ArrayBuffer(0)]) {
    const message = await refused('parsed_body', parsed, signed(secret), secret, { now });
    assert.match(message, /parsed.*express\.raw.*request\.text\(\).*Fastify/s);
  }
  // A body that was parsed and written again has other bytes.
  const message = await refused('signature', JSON.stringify({ ...JSON.parse(body), é: 1.0 }, null, 1), signed(secret), secret, { now });
  assert.match(message, /raw body/);
});

test('during a rotation either secret is enough, and either signature', async () => {
  const both = { ...signed(secret), 'webhook-signature': signed(other)['webhook-signature'] + ' ' + signed(secret)['webhook-signature'] };
  await verifyWebhook(body, both, secret, { now });
  await verifyWebhook(body, both, other, { now });
  await verifyWebhook(body, signed(other), [secret, other], { now });
  await refused('signature', body, signed(other), secret, { now });
});

test('another time, body, id, secret or header is refused', async () => {
  await refused('timestamp', body, signed(secret), secret, { now: now + 301_000 });
  await refused('timestamp', body, signed(secret), secret, { now: now - 301_000 });
  await refused('timestamp', body, signed(secret), secret);
  await refused('timestamp', body, { ...signed(secret), 'webhook-timestamp': '1e9' }, secret, { now });
  await verifyWebhook(body, signed(secret), secret, { now: now + 301_000, tolerance: 600 });
  await refused('signature', body + ' ', signed(secret), secret, { now });
  await refused('signature', body, { ...signed(secret), 'webhook-id': 'msg_2' }, secret, { now });
  for (const signature of ['v1,', 'v1,AAAA', 'v2,' + signed(secret)['webhook-signature'].slice(3), 'é', 'v1,%%%'])
    await refused('signature', body, { ...signed(secret), 'webhook-signature': signature }, secret, { now });
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature'])
    assert.match(await refused('missing_header', body, { ...signed(secret), [name]: undefined }, secret, { now }), new RegExp(name));
  for (const wrong of ['', 'whsec_', 'secret', 'whsec_%%', 'csk_0000']) await refused('secret', body, signed(secret), wrong, { now });
});
