import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { Timbre, TimbreError, is } from '../dist/index.js';

/** Answers in their order: [status, body, headers], or 'drop', or 'wait'. */
let answers = [];
let requests = [];
const server = createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => {
    requests.push({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(chunks).toString() });
    const answer = answers.shift();
    if (answer === 'drop') return req.socket.destroy();
    if (answer === 'wait') return;
    const [status, body, headers] = answer ?? [500, 'no answer is left'];
    res.writeHead(status, { 'X-Request-Id': 'req_1', ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
});
let url;
before(
  () =>
    new Promise((ready) =>
      server.listen(0, '127.0.0.1', () => {
        url = `http://127.0.0.1:${server.address().port}`;
        ready();
      }),
    ),
);
after(() => {
  server.closeAllConnections();
  server.close();
});

const refusal = (code, details) => ({ error: { code, message: 'No.', details, request_id: 'req_2' } });
const given = (...list) => {
  answers = list;
  requests = [];
};
const stats = { total_works: 0, max_audio_size_bytes: 1, supported_formats: [], upload: 'put' };

test('a refusal has its code, details, request id and page', async () => {
  given([409, refusal('transaction.already_confirmed', { transaction_id: 't' })]);
  await assert.rejects(new Timbre({ server: url + '/', retries: 0 }).stats(), (error) => {
    assert.ok(is(error) && error instanceof TimbreError && is(error, 'transaction.already_confirmed') && !is(error, 'common.internal'));
    assert.deepEqual(
      [error.details.transaction_id, error.requestId, error.status, error.retryable, error.docsUrl],
      ['t', 'req_2', 409, false, url + '/docs/errors#transaction.already_confirmed'],
    );
    return true;
  });
  assert.ok(!is(new Error('no')) && !is(undefined));
});

test('what may pass is repeated, and the wait of the server is kept', async () => {
  given([429, refusal('common.rate_limited'), { 'Retry-After': '0' }], 'drop', [502, '<html>', { 'Retry-After': '0' }], [200, stats]);
  assert.deepEqual(await new Timbre({ server: url }).stats(), stats);
  assert.equal(requests.length, 4);
});

test('repeats end', async () => {
  given(...Array.from({ length: 9 }, () => [503, refusal('common.service_unavailable'), { 'Retry-After': '0' }]));
  await assert.rejects(
    new Timbre({ server: url, retries: 3 }).stats(),
    (e) => is(e, 'common.service_unavailable') && e.retryable && e.retryAfter === 0,
  );
  assert.equal(requests.length, 4);
});

test('what cannot pass is not repeated', async () => {
  for (const [status, body, code] of [
    [429, refusal('common.quota_exceeded'), 'common.quota_exceeded'],
    [500, refusal('common.internal'), 'common.internal'],
    [422, refusal('a.code.of.tomorrow'), 'a.code.of.tomorrow'],
    [404, '<html>', 'client.malformed_response'],
    [200, '{', 'client.malformed_response'],
    [302, '', 'client.malformed_response'],
  ]) {
    given([status, body, status === 302 ? { Location: '/elsewhere' } : {}]);
    await assert.rejects(new Timbre({ server: url }).stats(), (error) => is(error) && error.code === code && !error.retryable);
    assert.equal(requests.length, 1, code);
  }
});

test('a server that says nothing is given up, and a signal ends a call with its reason', async () => {
  given('wait');
  await assert.rejects(new Timbre({ server: url, timeout: 50, retries: 0 }).stats(), (e) => is(e, 'client.timeout') && e.status === 0);
  given('wait');
  const reason = new Error('the person left');
  const end = new AbortController();
  const call = new Timbre({ server: url }).stats({ signal: end.signal });
  while (!requests.length) await new Promise(setImmediate);
  end.abort(reason);
  await assert.rejects(call, reason);
  await assert.rejects(new Timbre({ server: url }).stats({ signal: AbortSignal.abort(reason) }), reason);
  // During the wait between two attempts.
  given([503, refusal('common.service_unavailable'), { 'Retry-After': '60' }]);
  const waiting = new AbortController();
  const long = new Timbre({ server: url }).stats({ signal: waiting.signal });
  while (!requests.length) await new Promise(setImmediate);
  waiting.abort(reason);
  await assert.rejects(long, reason);
});

test('a mint sends the origin and no header of a key, and unknown members stay visible to the server', async () => {
  given([200, { token: 't', expires_in: 300 }]);
  const timbre = new Timbre({ server: url, secretKey: 'csk_1', origin: 'https://songs.example' });
  assert.deepEqual(await timbre.mint({ action_type: 'register', allowed_network: 'testnet', external_user_ref: 'user-17' }), {
    token: 't',
    expires_in: 300,
  });
  const [{ headers, body }] = requests;
  assert.deepEqual([headers.origin, headers.authorization], ['https://songs.example', undefined]);
  assert.deepEqual(JSON.parse(body), {
    action_type: 'register',
    allowed_network: 'testnet',
    external_user_ref: 'user-17',
    secret_key: 'csk_1',
  });
  assert.doesNotMatch(inspect(timbre, { depth: 9, showHidden: true }) + JSON.stringify(timbre), /csk_1/);
});

test('a key is refused in a page, and a token without its site key', () => {
  globalThis.document = {};
  try {
    assert.throws(() => new Timbre({ server: url, apiKey: 'afo_sk_live_1' }), /belongs on a backend/);
    assert.throws(() => new Timbre({ server: url, secretKey: 'csk_1' }), /belongs on a backend/);
    new Timbre({ server: url, token: 't', siteKey: 'cpk_1' });
  } finally {
    delete globalThis.document;
  }
  assert.throws(() => new Timbre({ server: url, token: 't' }), /siteKey/);
  assert.throws(() => new Timbre({ server: 'ats.example' }), /address/);
});

test('a list reads each page once, when it is needed', async () => {
  const page = (ids, end) => [
    200,
    { works: ids.map((ats_id) => ({ ats_id })), total_count: 3, page_info: { has_next_page: !!end, end_cursor: end } },
  ];
  given(page([1], 'a'), page([], 'b'), page([2, 3], null));
  const seen = [];
  for await (const work of new Timbre({ server: url, apiKey: 'k' }).works({ network: 'testnet', first: 1 })) seen.push(work.ats_id);
  assert.deepEqual(seen, [1, 2, 3]);
  assert.deepEqual(
    requests.map((r) => r.url),
    ['/v1/works?network=testnet&first=1', '/v1/works?network=testnet&first=1&after=a', '/v1/works?network=testnet&first=1&after=b'],
  );
  assert.equal(requests[0].headers.authorization, 'Bearer k');
});
