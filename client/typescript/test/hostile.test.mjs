/** Servers, networks and callers that do what they should not. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { openAsBlob } from 'node:fs';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { Timbre, WebhookError, is, verifyWebhook } from '../dist/index.js';
import { Server, bytes } from './server.mjs';

const open = [];
after(() => open.forEach((server) => (server.closeAllConnections(), server.close())));

/** Starts a server, and returns its address and the requests that it got. */
async function serve(answer) {
  const requests = [];
  const server = createServer((req, res) => {
    requests.push(req);
    answer(req, res, requests.length);
  });
  open.push(server);
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

const caller = (server, more) => new Timbre({ server, apiKey: 'afo_sk_live_1', secretKey: 'csk_1', origin: 'http://x.example', ...more });
const calls = {
  work: (timbre) => timbre.work(1),
  evidence: (timbre) => timbre.evidence(1),
  mint: (timbre) => timbre.mint({ action_type: 'register', allowed_network: 'testnet' }),
};
const malformed = (error) => is(error, 'client.malformed_response') && error.status === 0 && !error.retryable;

test('a success of another server is refused, and is not asked for again', async () => {
  for (const page of ['<!doctype html><title>Sign in</title>', 'null', '"text"', '17', '']) {
    const { url, requests } = await serve((req, res) => res.end(page));
    for (const call of Object.values(calls)) await assert.rejects(call(caller(url)), (e) => malformed(e) && e.details.status === 200, page);
    assert.equal(requests.length, 3, page);
  }
  const { url } = await serve((req, res) => res.end('{}'));
  await assert.rejects(calls.mint(caller(url)), malformed, 'no token');
});

test('an answer without an end is left', async () => {
  for (const status of [200, 400]) {
    let closed;
    const left = new Promise((resolve) => (closed = resolve));
    const { url, requests } = await serve((req, res) => {
      res.writeHead(status).on('close', closed);
      const more = () => {
        while (!res.destroyed && res.write(Buffer.alloc(1 << 20, 32)));
        if (!res.destroyed) res.once('drain', more);
      };
      more();
    });
    await assert.rejects(calls.work(caller(url)), (e) => is(e, 'client.malformed_response') && e.details.status === status);
    await left;
    assert.equal(requests.length, 1);
  }
});

test('an answer that is cut off is asked for again', async () => {
  const { url, requests } = await serve((req, res, n) => {
    if (n > 1) return res.end('{"ats_id":1}');
    res.writeHead(200, { 'Content-Length': 100 }).write('{"ats_id":', () => res.destroy());
  });
  assert.deepEqual(await calls.work(caller(url)), { ats_id: 1 });
  assert.equal(requests.length, 2);
});

test('no key, and no byte of a file, follows a redirect', async () => {
  const other = await serve((req, res) => res.end('{"token":"t"}'));
  for (const status of [301, 302, 303, 307, 308]) {
    const { url } = await serve((req, res) => res.writeHead(status, { Location: other.url }).end());
    for (const call of Object.values(calls)) await assert.rejects(call(caller(url)), malformed);
    const s = new Server();
    const fetch_ = (to, init) => (init.method === 'PUT' ? fetch(url, init) : s.fetch(to, init));
    await assert.rejects(s.register({}, { fetch: fetch_ }), (e) => is(e, 'client.upload_failed') && e.details.status === status);
  }
  assert.equal(other.requests.length, 0);
});

test('a path that would change the host is refused, and nothing is sent', async () => {
  const timbre = new Timbre({ server: 'http://ats.example', apiKey: 'k', fetch: (url) => assert.fail(`called ${url}`) });
  for (const path of ['.other.example/v1/works', '@other.example/', ':81/v1/works', 'v1/works', ''])
    await assert.rejects(timbre.request('GET', path), TypeError, path);
});

test('a wait of a year is left to the caller; a date and a wrong number are not waits', async () => {
  for (const [given, after] of [
    ['31536000', 31536000],
    ['121', 121],
  ]) {
    const { url, requests } = await serve((req, res) => res.writeHead(429, { 'Retry-After': given }).end());
    await assert.rejects(calls.work(caller(url)), (e) => e.status === 429 && e.retryable && e.retryAfter === after);
    assert.equal(requests.length, 1, given);
  }
  for (const given of ['Wed, 21 Oct 2099 07:28:00 GMT', '-5', '1e3', '99999999999', '']) {
    const { url, requests } = await serve((req, res, n) => (n > 1 ? res.end('{}') : res.writeHead(503, { 'Retry-After': given }).end()));
    await calls.work(caller(url));
    assert.equal(requests.length, 2, given);
  }
});

test('a 503 after its effect makes nothing twice', async () => {
  for (const path of ['init', 'prepare', 'confirm']) {
    const s = new Server();
    let lost = false;
    const fetch_ = async (url, init) => {
      const answer = await s.fetch(url, init);
      if (lost || !url.endsWith(`/works/${path}`)) return answer;
      lost = true;
      return new Response('<h1>Busy</h1>', { status: 503, headers: { 'Retry-After': '0' } });
    };
    const { ats_id } = await s.register({}, { fetch: fetch_ });
    assert.deepEqual([ats_id, s.jobs.size, s.count(`POST /v1/works/${path}`)], [7, 1, 2], path);
  }
});

test('an upload whose connection breaks is sent again, whole', async () => {
  const s = new Server();
  const file = new Blob([new Uint8Array(3 << 20)]);
  let got = 0;
  const store = await serve((req, res, n) => {
    if (n === 1) return req.once('data', () => req.socket.resetAndDestroy());
    req.on('data', (chunk) => (got += chunk.length)).on('end', () => res.end('{}'));
  });
  const fetch_ = async (url, init) => {
    if (init.method !== 'PUT') return s.fetch(url, init);
    const answer = await fetch(store.url, init);
    s.jobs.get('job-1').size = got;
    return answer;
  };
  await s.register({ file }, { fetch: fetch_ });
  assert.deepEqual([store.requests.length, got], [2, file.size]);
});

test('a key that ends in the middle ends the registration, and every part that is on its way', async () => {
  for (const call of ['PUT /store', 'POST /v1/works/parts', 'POST /v1/works/prepare', 'POST /v1/works/confirm']) {
    const s = new Server();
    let seen = 0;
    s.before = (now) =>
      now === call && ++seen > (call === 'PUT /store' ? 2 : 0)
        ? Response.json(s.refuse(401, 'common.auth.invalid_api_key'), { status: 401 })
        : undefined;
    await assert.rejects(s.register({ file: bytes(20 << 20) }), (e) => is(e, 'common.auth.invalid_api_key') && !e.retryable);
    const { length } = s.log;
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.deepEqual([s.parallel, s.log.length], [0, length], call);
  }
});

test('a file that changes while it is sent is not sent again and again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'timbre-'));
  try {
    for (const parts of [false, true]) {
      const path = join(dir, 'Ñandú 夜 🎵.wav');
      await writeFile(path, new Uint8Array(9 << 20));
      const s = new Server();
      if (!parts) s.partsFrom = 0;
      const store = await serve((req, res) => req.resume().on('end', () => res.end('{}')));
      const fetch_ = (url, init) => (init.method === 'PUT' ? fetch(store.url, init) : s.fetch(url, init));
      s.before = (call) => (call === 'GET /v1/stats' ? appendFile(path, 'more').then(() => undefined) : undefined);
      await assert.rejects(
        s.register({ file: await openAsBlob(path), filename: path }, { fetch: fetch_ }),
        (e) => is(e, 'client.file_changed') && !e.retryable,
      );
      assert.equal(s.count('POST /v1/works/prepare'), 0);
    }
  } finally {
    await rm(dir, { recursive: true });
  }
  const s = new Server();
  const short = { size: 10 << 20, slice: (start, end) => bytes(Math.min(end, 5 << 20) - Math.min(start, 5 << 20)) };
  await assert.rejects(s.register({ file: short }), (e) => is(e, 'client.file_changed'));
});

test('a callback that throws ends the registration with its error', async () => {
  for (const phase of ['uploading', 'preparing', 'confirming', 'registering']) {
    for (const size of [1000, 20 << 20]) {
      const s = new Server();
      const wrong = new Error(phase);
      const onProgress = (now) => {
        if (now.phase === phase && (now.loaded || phase !== 'uploading')) throw wrong;
      };
      await assert.rejects(s.register({ file: bytes(size), onProgress }), wrong);
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      assert.equal(s.parallel, 0);
    }
  }
  for (const name of ['onState', 'onQuote']) {
    const wrong = new Error(name);
    await assert.rejects(new Server().register({ [name]: () => Promise.reject(wrong) }), wrong);
  }
});

test('an abort at any call leaves no listener and no call', async () => {
  for (const file of [bytes(1000), bytes(20 << 20)]) {
    for (let nth = 1, whole = false; !whole; nth++) {
      const s = new Server();
      const end = new AbortController();
      let seen = 0;
      s.before = () => void (++seen === nth && end.abort(new Error('left')));
      try {
        await s.register({ file, signal: end.signal });
        whole = seen < nth;
        assert.ok(whole, `an abort at call ${nth} ends the registration`);
      } catch (error) {
        assert.equal(error.message, 'left');
      }
      const { length } = s.log;
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      assert.deepEqual([s.parallel, s.log.length, getEventListeners(end.signal, 'abort').length], [0, length, 0], `call ${nth}`);
    }
  }
});

test('of five gigabytes only a few parts are in memory', async () => {
  const s = new Server();
  let held = 0;
  let most = 0;
  const memory = new ArrayBuffer(8 << 20); // the test itself needs no time to fill it
  const file = {
    size: 5e9,
    slice(start, end) {
      if (end - start > 65_536) most = Math.max(most, ++held);
      assert.ok(end - start <= 8 << 20, 'never more than a part');
      return new Uint8Array(memory, 0, end - start);
    },
  };
  s.partSize = 8 << 20;
  s.sizeOf = (body) => {
    held--;
    return body.length;
  };
  const { ats_id } = await s.register({ file });
  assert.equal(ats_id, 7);
  assert.ok(most > 1 && most <= 4, `${most} parts at once`);
  assert.equal(s.count('PUT /store'), Math.ceil(5e9 / (8 << 20)));
});

test('a clock that is a day wrong keeps registrations, and refuses webhooks with words about clocks', async (t) => {
  const real = Date.now();
  for (const wrong of [-86_400_000, 86_400_000]) {
    t.mock.method(Date, 'now', () => real + wrong);
    const s = new Server();
    let expired = 1;
    s.before = (call) =>
      call === 'POST /v1/works/confirm' && expired-- > 0
        ? Response.json(s.refuse(410, 'transaction.expired', { reason: 'quote' }), { status: 410 })
        : undefined;
    s.now = real;
    assert.equal((await s.register()).ats_id, 7);
    assert.equal(s.count('POST /v1/works/prepare'), 2, 'a quote that has expired is asked for again');
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(Math.floor(real / 1000)), 'webhook-signature': 'v1,AAAA' };
    await assert.rejects(
      verifyWebhook('{}', headers, 'whsec_c2VjcmV0'),
      (e) => e instanceof WebhookError && e.reason === 'timestamp' && e.status === 400 && /a clock is wrong/.test(e.message),
    );
    t.mock.restoreAll();
  }
});

test('names in any script arrive as they are, and a malformed key is named but not shown', async () => {
  const s = new Server();
  let body;
  const fetch_ = (url, init) => {
    if (url.endsWith('/init')) body = JSON.parse(init.body);
    return s.fetch(url, init);
  };
  const names = { title: 'Ñandú 夜 🎵 e\u0301', external_user_ref: 'użytkownik-17', filename: 'صوت "a"\\n.wav' };
  await s.register(names, { fetch: fetch_ });
  assert.deepEqual({ title: body.title, external_user_ref: body.external_user_ref, filename: body.filename }, names);
  const { url, requests } = await serve((req, res) => res.end('{"works":[],"page_info":{}}'));
  await caller(url).worksPage({ search: names.title });
  assert.equal(new URL(requests[0].url, url).searchParams.get('search'), names.title);
  for (const name of ['apiKey', 'secretKey', 'token', 'siteKey'])
    for (const key of ['private\n1', 'private 1', 'prívate1'])
      assert.throws(
        () => caller('https://ats.example', { siteKey: 'cpk_1', [name]: key }),
        (e) => e instanceof TypeError && e.message.startsWith(name) && !inspect(e).includes(key),
      );
});
