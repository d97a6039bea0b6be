import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Timbre, is } from '../dist/index.js';

const creators = [{ full_name: 'Ada Example', email: 'ada@songs.example', roles: { author: true } }];
const bytes = (n, first = 1) => new Uint8Array(n).fill(first, 0, 1);

/** A server and its store, as far as a registration sees them. before and after see each call; one that throws cuts it off. */
class Server {
  jobs = new Map();
  keys = new Map();
  log = [];
  price = 87;
  partSize = 1 << 20;
  partsFrom = 8 << 20;
  parallel = 0;
  most = 0;
  upload = 'put';
  before = () => undefined;
  after = () => undefined;

  fetch = async (url, init) => {
    init.signal?.throwIfAborted();
    const path = new URL(url).pathname;
    const call = `${init.method} ${path.replace(/\/store\/.*/, '/store')}`;
    this.log.push(call);
    this.most = Math.max(this.most, ++this.parallel);
    try {
      const early = await this.before(call);
      if (early) return early;
      const body = typeof init.body === 'string' ? JSON.parse(init.body) : init.body;
      const answer = this.answer(call, path, body, init);
      const { status, ...rest } = (await answer) ?? {};
      await this.after(call);
      return new Response(JSON.stringify(rest), { status: status ?? 200 });
    } finally {
      this.parallel--;
    }
  };

  refuse = (status, code, details) => ({ status, error: { code, message: code, details, request_id: 'req_1' } });

  async answer(call, path, body, init) {
    const job = this.jobs.get(body?.job_id);
    if (/\/works\/(prepare|confirm|parts)/.test(path) && job?.transaction) {
      return this.refuse(409, 'transaction.already_confirmed', { transaction_id: job.transaction });
    }
    switch (call) {
      case 'POST /v1/works/init': {
        const key = init.headers['Idempotency-Key'];
        let id = this.keys.get(key);
        if (!id) this.keys.set(key, (id = `job-${this.jobs.size + 1}`));
        if (!this.jobs.has(id)) this.jobs.set(id, { parts: new Map() });
        return this.upload === 'none' ? { job_id: id, upload: 'none' } : { job_id: id, upload_url: `http://ats.example/store/${id}` };
      }
      case 'POST /v1/works/upload':
        return { job_id: body.job_id, upload_url: `http://ats.example/store/${body.job_id}` };
      case 'GET /v1/stats':
        return { parts_from_bytes: this.partsFrom };
      case 'PUT /store': {
        const [, , id, part] = path.split('/');
        const size = (await new Response(body).arrayBuffer()).byteLength;
        const to = this.jobs.get(id);
        if (part) to.parts.set(Number(part), size);
        else to.size = size;
        return {};
      }
      case 'POST /v1/works/parts': {
        job.total ??= body.size_bytes;
        const part_count = Math.ceil(job.total / this.partSize);
        const stored = [...job.parts].map(([number, size_bytes]) => ({ number, size_bytes }));
        const sizeOf = (n) => (n < part_count ? this.partSize : job.total - this.partSize * (part_count - 1));
        const urls = (body.numbers ?? []).map((n) => ({
          number: n,
          size_bytes: sizeOf(n),
          url: `http://ats.example/store/${body.job_id}/${n}`,
        }));
        return { complete: !!job.size, size_bytes: job.total, part_size_bytes: this.partSize, part_count, stored, urls };
      }
      case 'POST /v1/works/parts/complete':
        if ([...job.parts.values()].reduce((a, b) => a + b, 0) !== job.total)
          return this.refuse(409, 'registration.upload_missing', { reason: 'parts_missing' });
        job.size = job.total;
        return {};
      case 'POST /v1/works/prepare':
        if (this.upload === 'none') job.hash = body.media_sha256;
        else if (!job.size) return this.refuse(409, 'registration.upload_missing');
        return { job_id: body.job_id, total_price_credits: this.price, expires_at: new Date(Date.now() + 300_000).toISOString() };
      case 'POST /v1/works/confirm':
        job.transaction = `tx-of-${body.job_id}`;
        return { transaction_id: job.transaction, status_url: '', ws_url: '', access_code: 'atc_1' };
    }
    if (path.startsWith('/v1/transactions/')) {
      return { current_step: 'completed', progress: 100, result: { success: true, ats_id: 7, access_code: 'atc_1', tx_hash: '0x1' } };
    }
    throw new Error(`no answer to ${call}`);
  }

  register(more = {}) {
    return new Timbre({ server: 'http://ats.example', apiKey: 'k', fetch: this.fetch, retries: 1 }).register({
      title: 'Blue Morning',
      creators,
      network: 'testnet',
      file: bytes(1000),
      ...more,
    });
  }

  count = (call) => this.log.filter((c) => c === call).length;
}

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
