import assert from 'node:assert/strict';
import { test } from 'node:test';
import { is } from '../dist/index.js';
import { Server, bytes } from './server.mjs';

/** Ends a registration at the nth call, before or after its effect, as a crash does; continues it with the saved state. */
async function crashed(nth, when, more) {
  const s = new Server();
  const end = new AbortController();
  let calls = 0;
  let state;
  s[when] = () => {
    if (++calls === nth) end.abort(new Error('killed'));
    end.signal.throwIfAborted();
  };
  let whole = false;
  try {
    await s.register({ ...more, signal: end.signal, onState: (at) => (state = JSON.stringify(at)) });
    whole = true;
  } catch (error) {
    assert.equal(error.message, 'killed');
  }
  s[when] = () => undefined;
  const result = await s.register({ ...more, state: state && JSON.parse(state), onState: (at) => (state = JSON.stringify(at)) });
  const where = `call ${nth}, ${when}`;
  assert.equal(s.jobs.size, 1, `${where}: one job`);
  assert.equal([...s.jobs.values()].filter((job) => job.transaction).length, 1, where);
  assert.deepEqual([result.ats_id, result.access_code, result.transaction_id], [7, 'atc_1', 'tx-of-job-1'], where);
  return whole;
}

test('a crash at any call, before or after its effect, leaves one registration', async () => {
  for (const more of [{}, { file: bytes(10 << 20), filename: 'large.wav' }])
    for (const when of ['before', 'after']) {
      let nth = 1;
      while (!(await crashed(nth, when, more))) nth++;
      assert.ok(nth > 5, 'the crashes reached every call');
    }
});

test('a large file goes in parts, at most four at once, and only the missing ones after an interruption', async () => {
  const s = new Server();
  const end = new AbortController();
  let state;
  const file = bytes((20 << 20) + 5);
  const seen = [];
  const first = s.register({
    file,
    signal: end.signal,
    onState: (at) => (state = at),
    onProgress: ({ phase, loaded }) => phase === 'uploading' && loaded > 9 << 20 && end.abort(new Error('enough')),
  });
  await assert.rejects(first, /enough/);
  const sent = s.jobs.get('job-1').parts.size;
  assert.ok(sent >= 9 && sent < 21, `${sent} parts`);
  const before = s.count('PUT /store');
  await s.register({ file, state, onProgress: ({ phase, loaded, total }) => phase === 'uploading' && seen.push([loaded, total]) });
  assert.equal(s.count('PUT /store') - before, 21 - sent);
  assert.equal(s.count('POST /v1/works/init'), 1);
  assert.ok(s.most <= 4, `${s.most} at once`);
  assert.deepEqual(seen.at(-1), [file.length, file.length]);
  assert.ok(
    seen.every(([loaded], i) => !i || loaded >= seen[i - 1][0]),
    'progress does not go back',
  );
});

test('parts that the store lost are sent again', async () => {
  const s = new Server();
  let lost = false;
  s.before = (call) => {
    if (call === 'POST /v1/works/parts/complete' && !lost) lost = s.jobs.get('job-1').parts.delete(3);
  };
  await s.register({ file: bytes(10 << 20) });
  assert.equal(s.count('PUT /store'), 11);
});

test('an upload URL that the store refuses is renewed, and a full store is not asked twice', async () => {
  const s = new Server();
  let refusals = 1;
  s.before = (call) => (call === 'PUT /store' && refusals-- > 0 ? new Response('<Error/>', { status: 403 }) : undefined);
  await s.register();
  assert.equal(s.count('POST /v1/works/upload'), 1);

  const full = new Server();
  full.before = (call) =>
    call === 'PUT /store'
      ? Response.json(full.refuse(503, 'common.service_unavailable', { reason: 'storage_full' }), {
          status: 503,
          headers: { 'Retry-After': '0' },
        })
      : undefined;
  await assert.rejects(full.register(), (e) => is(e, 'common.service_unavailable') && e.details.reason === 'storage_full');
  assert.equal(full.count('PUT /store'), 1);

  const broken = new Server();
  broken.before = (call) => (call === 'PUT /store' ? new Response('<Error/>', { status: 400 }) : undefined);
  await assert.rejects(broken.register(), (e) => is(e, 'client.upload_failed') && e.details.status === 400);
});

test('a session in a page sends only headers that a server allows other origins', async () => {
  const s = new Server();
  const sent = new Set();
  const fetch_ = (url, init) => {
    for (const name of new Headers(init.headers).keys()) sent.add(name);
    return s.fetch(url, init);
  };
  const session = { apiKey: undefined, token: 't', siteKey: 'cpk_1', language: 'fr', fetch: fetch_ };
  assert.equal((await s.register({ file: bytes(10 << 20) }, session)).ats_id, 7);
  // Those of fetch's own list, and those of Access-Control-Allow-Headers.
  assert.deepEqual([...sent].sort(), ['accept', 'accept-language', 'authorization', 'content-type', 'x-site-key']);
});

test('a refused price charges nothing, and the same state can accept it later', async () => {
  const s = new Server();
  let state;
  const refused = s.register({ onQuote: async ({ total_price_credits }) => total_price_credits < 80, onState: (at) => (state = at) });
  await assert.rejects(refused, (e) => is(e, 'client.price_refused') && e.details.total_price_credits === 87);
  assert.equal(s.count('POST /v1/works/confirm'), 0);
  await s.register({ state });
  assert.deepEqual([s.jobs.size, s.count('PUT /store')], [1, 1]);
});

test('a state of another file or title is refused before any call', async () => {
  const s = new Server();
  let state;
  await s.register({ onState: (at) => (state ??= at) });
  s.log = [];
  for (const other of [{ file: bytes(1000, 2) }, { file: bytes(1001) }, { title: 'Red Morning' }])
    await assert.rejects(s.register({ state, ...other }), (e) => is(e, 'client.other_state') && !e.retryable);
  assert.deepEqual(s.log, []);
});

test('where nothing is stored, only the hash is sent', async () => {
  const s = new Server();
  s.upload = 'none';
  await s.register({ file: new Blob(['abc']) });
  // The test vector of SHA-256.
  assert.equal(s.jobs.get('job-1').hash, '0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.equal(s.count('PUT /store'), 0);
  await s.register({ title: 'b', file: { size: 2 ** 40, slice: () => bytes(9) }, media_sha256: '0x' + 'ab'.repeat(32) });
  assert.equal(s.jobs.get('job-2').hash, '0x' + 'ab'.repeat(32));
  await assert.rejects(s.register({ title: 'c', file: { size: 2 ** 40, slice: () => bytes(9) } }), /media_sha256/);
});
