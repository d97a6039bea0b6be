/** Following a transaction: the addresses, and the failures that the last answer reports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api } from '../src/ats/api.js';
import { Tokens } from '../src/ats/token.js';
import { TransactionFailed, track } from '../src/ats/tracking.js';
import { FakeSocket, World } from './world.js';

/** Follows a transaction of a server at atsUrl, and returns the requested addresses. */
async function follow(o: { atsUrl: string; wsUrl: string; statusUrl: string; onSocket: (s: FakeSocket) => void; result: unknown }) {
  const w = new World();
  w.onSocket = o.onSocket;
  const polls: string[] = [];
  const env = {
    ...w.env,
    fetch: async (url: string) => {
      polls.push(url);
      return new Response(JSON.stringify({ is_complete: true, current_step: 'failed', result: o.result }), { status: 200 });
    },
  };
  const target = { siteKey: 'cpk_x', atsUrl: o.atsUrl, network: 'testnet', externalUserId: '', language: 'en' };
  const api = new Api(env, target, new Tokens(env, () => {}), () => {});
  const end = await track(api, { wsUrl: o.wsUrl, statusUrl: o.statusUrl, onStep: () => {}, signal: new AbortController().signal }).then(
    (r) => r as unknown,
    (e: unknown) => e,
  );
  return { end, polls, sockets: w.sockets.map((s) => s.url) };
}

const paths = { wsUrl: '/v1/ws/transactions/tx', statusUrl: '/v1/transactions/tx' };
const dropped = (s: FakeSocket) => s.drop();

for (const [what, atsUrl, base] of [
  ['a server at the root', 'https://ats.example', 'ats.example'],
  ['a final slash', 'https://ats.example/', 'ats.example'],
  ['a server below a path', 'https://host.example/ats/', 'host.example/ats'],
])
  test(`the paths of confirm are put behind ats-url: ${what}`, async () => {
    const { polls, sockets } = await follow({ ...paths, atsUrl: atsUrl!, onSocket: dropped, result: { success: false } });
    assert.deepEqual(sockets, [`wss://${base}/v1/ws/transactions/tx`]);
    assert.deepEqual(polls, [`https://${base}/v1/transactions/tx`]);
  });

test('absolute addresses are used unchanged', async () => {
  const { polls, sockets } = await follow({
    atsUrl: 'https://ats.example',
    wsUrl: 'wss://other.example/ws',
    statusUrl: 'https://other.example/s',
    onSocket: dropped,
    result: { success: false },
  });
  assert.deepEqual([...sockets, ...polls], ['wss://other.example/ws', 'https://other.example/s']);
});

for (const [what, result] of [
  [
    'a text, with the other members next to it',
    {
      success: false,
      error: 'The registration did not go through.',
      error_code: 'transaction.failed',
      error_details: { reason: 'nonce' },
      request_id: 'req_1',
    },
  ],
  [
    'one object',
    { success: false, error: { code: 'transaction.failed', message: 'm', details: { reason: 'nonce' }, request_id: 'req_1' } },
  ],
] as const)
  test(`a failure that polling finds: ${what}`, async () => {
    const { end } = await follow({ ...paths, atsUrl: 'https://ats.example', onSocket: dropped, result });
    assert.ok(end instanceof TransactionFailed);
    assert.deepEqual(end.problem, { code: 'transaction.failed', requestId: 'req_1', details: { reason: 'nonce' } });
  });

test('a failure that is only a text is reported', async () => {
  const { end } = await follow({ ...paths, atsUrl: 'https://ats.example', onSocket: dropped, result: { success: false, error: 'nonce' } });
  assert.ok(end instanceof TransactionFailed);
  assert.deepEqual(end.problem, { code: 'transaction.failed', requestId: null, details: { reason: 'nonce' } });
});

for (const code of ['transaction.not_found', 'transaction.store_unavailable', 'common.rate_limited', 'common.service_unavailable'])
  test(`an error frame with ${code} is about the socket: the status is asked`, async () => {
    const { end, polls } = await follow({
      ...paths,
      atsUrl: 'https://ats.example',
      result: { success: false, error: 'nonce' },
      onSocket: (s) => s.send({ type: 'error', error: { code, message: 'm', request_id: 'req_1' } }),
    });
    assert.equal(polls.length, 1);
    assert.ok(end instanceof TransactionFailed);
  });
