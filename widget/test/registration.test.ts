import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textsOf } from '../src/i18n/language.js';
import { sentenceOf } from '../src/i18n/sentences.js';
import { World, type Fault, type Kind } from './world.js';

const refused = (status: number, code: string, details?: unknown, headers?: Record<string, string>): Fault => ({
  status,
  code,
  ...(details !== undefined && { details }),
  ...(headers && { headers }),
});

/** A world in which the price is shown. */
async function priced(faults: Partial<Record<Kind, Fault[]>> = {}): Promise<World> {
  const w = new World();
  Object.assign(w.faults, faults);
  w.flow.submit();
  await w.review();
  return w;
}

test('from the form to the certificate', async () => {
  const w = await priced();
  assert.equal(w.state.quote?.total, 86);
  assert.equal(w.confirmations, 0, 'nothing is ordered before the user agrees');
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(w.names(), ['upload-start', 'upload-complete', 'confirmed', 'complete']);
  assert.deepEqual(w.asked, ['init:t1', 'put', 'prepare:t1', 'confirm:t1']);
  assert.equal(w.state.result?.atsId, 42);
  assert.equal(w.sockets[0]?.url, 'wss://ats.example/v1/ws/transactions/tx');
  assert.deepEqual([w.remembered?.transactionId, w.remembered?.done], ['tx', true], 'until its code is saved');
  w.flow.codeKept();
  assert.equal(w.remembered, undefined);
  assert.equal(w.events.filter(([n]) => n === 'allfeat:step').length, 6);
});

test('a recording that ends inside a frame is reported at the review, and may be confirmed', async () => {
  const quote = { job_id: 'job', commitment: '0xcc', total_price_credits: 1, is_valid: true, expires_at: '2026-01-02T00:00:00Z' };
  const w = await priced({ prepare: [{ status: 200, body: JSON.stringify({ ...quote, incomplete_last_frame: true }) }] });
  assert.equal(w.state.quote?.cut, true);
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.equal((await priced()).state.quote?.cut, undefined);
});

test('a missing field is marked and nothing is sent', async () => {
  const w = new World();
  w.flow.dispatch({ type: 'draft', path: 'title', draft: { title: '  ' } });
  w.flow.submit();
  assert.deepEqual(Object.keys(w.state.errors), ['title']);
  assert.deepEqual(w.asked, []);
});

test('an expired token pauses the call that needs it, also when the page answers inside its handler', async () => {
  const w = new World();
  w.faults.prepare = [refused(401, 'common.auth.expired')];
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'prepare:t1', 'prepare:t2']);
  assert.deepEqual(w.events.find(([n]) => n === 'allfeat:token-expired')?.[1], { pendingAction: 'submit' });
});

test('a late token continues; without a token FAILED follows after 60 s, and Retry asks again', async () => {
  const w = new World();
  w.flow.tokens.clear();
  const began = w.time;
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.time - began, 60_000);
  assert.equal(w.state.problem?.code, 'common.auth.missing_token');
  w.flow.retry();
  await w.until(() => w.state.notice === 'token');
  w.flow.tokens.set('t2');
  await w.review();
  assert.equal(w.names().filter((n) => n === 'token-expired').length, 2);
});

test('a page that keeps giving a bad token is not asked forever', async () => {
  const w = new World();
  w.faults.init = Array.from({ length: 20 }, () => refused(401, 'session.invalid_token'));
  w.onTokenExpired = (f) => f.tokens.set('bad');
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.names().filter((n) => n === 'token-expired').length, 3);
});

test('429 is tried twice more, with the wait that the server asks for', async () => {
  const w = new World();
  w.faults.init = [refused(429, 'common.rate_limited', undefined, { 'Retry-After': '7' }), refused(429, 'session.rate_limited')];
  const began = w.time;
  w.flow.submit();
  await w.review();
  assert.equal(w.time - began, 7000 + 2000);

  const v = new World();
  v.faults.init = [1, 2, 3].map(() => refused(429, 'common.rate_limited'));
  v.flow.submit();
  await v.screen('FAILED');
  assert.equal(v.asked.length, 3);
});

test('503 is reported at once', async () => {
  const w = new World();
  w.faults.prepare = [refused(503, 'common.service_unavailable', undefined, { 'Retry-After': '1' })];
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.state.problem?.requestId, 'req_1');
  w.flow.retry();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'prepare:t1', 'prepare:t1'], 'Retry continues where it stopped');
});

test('the upload: three attempts, then upload_error, then Retry sends again to the same job', async () => {
  const w = new World();
  w.faults.put = ['drop', refused(500, 'common.internal'), 'drop'];
  const began = w.time;
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.time - began, 3000);
  assert.equal(w.state.problem?.code, 'widget.upload_error');
  assert.equal(w.state.problem?.requestId, null);
  w.flow.retry();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'put', 'put', 'put', 'prepare:t1']);
});

test('a full store does not receive the file again; Retry sends it to the same job', async () => {
  const full = refused(503, 'common.service_unavailable', { reason: 'storage_full' }, { 'Retry-After': '60' });
  for (const fault of [full, { status: 507, body: '<Error><Code>InsufficientStorage</Code></Error>' }]) {
    const w = new World();
    w.faults.put = [fault];
    const began = w.time;
    w.flow.submit();
    await w.screen('FAILED');
    assert.equal(w.time, began, 'no wait');
    const p = w.state.problem!;
    assert.equal(p.code, 'common.service_unavailable');
    assert.equal(p.details?.['reason'], 'storage_full');
    assert.equal(sentenceOf(textsOf('en'), p, w.time), 'There is no space for more files right now. Please try again later.');
    assert.ok(w.state.file, 'the file is still there');
    w.flow.retry();
    await w.review();
    assert.deepEqual(w.asked, ['init:t1', 'put', 'put', 'prepare:t1']);
  }
});

test('a wait that the store asks for is kept, and the end says why the store refused', async () => {
  const busy = (wait: string) => refused(429, 'common.rate_limited', { reason: 'uploads_in_flight' }, { 'Retry-After': wait });
  const w = await priced({ put: [busy('10'), busy('10')] });
  assert.deepEqual(w.asked, ['init:t1', 'put', 'put', 'put', 'prepare:t1']);
  const hopeless = new World();
  hopeless.faults.put = [busy('10'), busy('10'), busy('10')];
  const began = hopeless.time;
  hopeless.flow.submit();
  await hopeless.screen('FAILED');
  assert.equal(hopeless.time - began, 20_000);
  assert.equal(hopeless.state.problem?.code, 'common.rate_limited');
  const long = new World();
  long.faults.put = [busy('60')];
  long.flow.submit();
  await long.screen('FAILED');
  assert.equal(long.asked.filter((a) => a === 'put').length, 1);
});

test('an expired upload URL is renewed, which does not count as an attempt', async () => {
  for (const status of [403, 410]) {
    const w = await priced({ put: ['drop', { status, body: '<Error/>' }, 'drop'] });
    assert.deepEqual(w.asked, ['init:t1', 'put', 'put', 'upload:t1', 'put', 'put', 'prepare:t1']);
    assert.deepEqual(w.puts, ['init', 'init', 'upload', 'upload']);
  }
});

test('a store that refuses every upload URL ends in FAILED', async () => {
  const w = new World();
  w.faults.put = Array.from({ length: 9 }, () => ({ status: 403, body: '' }));
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.asked.filter((a) => a === 'upload:t1').length, 2);
  assert.equal(w.state.problem?.code, 'widget.upload_error');
  assert.equal(w.state.resume, 'upload');
});

test('an upload URL that expires between two attempts is renewed before the next', async () => {
  const w = new World();
  const put = w.env.put;
  let slept = false;
  w.env.put = (...args) => {
    if (!slept) w.time += 11 * 60_000; // the lid was closed meanwhile
    const first = !slept;
    slept = true;
    if (first) w.faults.put = ['drop'];
    return put(...args);
  };
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'upload:t1', 'put', 'prepare:t1']);
});

test('a clock ahead of every deadline renews nothing', async () => {
  const w = new World();
  const now = w.env.now;
  w.env.now = () => now() + 864e5;
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'prepare:t1']);
});

test('another job is started if an upload URL cannot be renewed', async () => {
  for (const refusal of [refused(404, 'common.not_found'), refused(410, 'transaction.expired'), refused(404, 'transaction.not_found')]) {
    const w = new World();
    w.faults.put = [{ status: 403, body: '' }];
    w.faults.upload = [refusal];
    w.onTokenExpired = (f) => f.tokens.set('t2');
    w.flow.submit();
    await w.review();
    assert.deepEqual(w.asked, ['init:t1', 'put', 'upload:t1', 'init:t2', 'put', 'prepare:t2']);
  }
});

test('a renewal that fails for another reason is reported, and Retry continues with the upload', async () => {
  const w = new World();
  w.faults.put = [
    { status: 410, body: '' },
    { status: 410, body: '' },
  ];
  w.faults.upload = [refused(503, 'common.service_unavailable')];
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.state.resume, 'upload');
  w.flow.retry();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'upload:t1', 'put', 'upload:t1', 'put', 'prepare:t1']);
});

test('a file over the limit is reported at once, next to the file, with everything kept', async () => {
  const w = new World();
  w.faults.put = [refused(413, 'registration.audio_too_large', { size_bytes: 1_000_000, max_bytes: 500_000 })];
  w.flow.submit();
  await w.until(() => w.state.screen === 'FORM');
  assert.deepEqual(w.asked, ['init:t1', 'put']);
  assert.deepEqual(Object.keys(w.state.errors), ['file']);
  assert.equal(w.state.title, ' Blue Morning ');
  assert.ok(w.state.file);
  const [name, detail] = w.events.at(-1)!;
  assert.equal(name, 'allfeat:error');
  assert.equal(detail['message'], 'The asset file is too large (1 MB). Max: 0.4 MB.');
  assert.equal(detail['stage'], 'file');
});

test('a lost connection is waited for', async () => {
  const w = new World();
  w.connected = false;
  w.flow.submit();
  await w.until(() => w.state.notice === 'offline');
  w.reconnect();
  await w.review();

  const v = new World();
  v.connected = false;
  const began = v.time;
  v.flow.submit();
  await v.screen('FAILED');
  assert.equal(v.state.problem?.code, 'widget.network_error');
  assert.ok(v.time - began <= 400_000, 'but not forever');
});

test('a confirm whose answer was lost: Retry follows the first transaction and never orders a second', async () => {
  const w = await priced({ confirm: ['drop'] });
  w.flow.confirm();
  await w.screen('FAILED');
  w.faults.confirm = [refused(409, 'transaction.already_confirmed', { transaction_id: 'tx' })];
  w.flow.retry();
  await w.screen('COMPLETE');
  assert.equal(w.confirmations, 1);
  assert.equal(w.state.transactionId, 'tx');
});

test('two clicks on confirm order once', async () => {
  const w = await priced();
  w.flow.confirm();
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.equal(w.confirmations, 1);
});

test('an expired price cannot be agreed to; a new one can', async () => {
  const w = await priced();
  await w.until(() => w.state.quoteOver);
  w.flow.confirm();
  assert.equal(w.confirmations, 0);
  w.flow.requote();
  await w.review();
  assert.equal(w.state.quoteOver, false);
});

test('a new price for an expired job starts it again with one click: a new token, everything kept', async () => {
  for (const refusal of [refused(410, 'transaction.expired'), refused(404, 'transaction.not_found')]) {
    const w = await priced();
    await w.until(() => w.state.quoteOver);
    w.faults.prepare = [refusal];
    w.onTokenExpired = (f) => f.tokens.set('t2');
    w.flow.requote();
    await w.until(() => w.asked.length === 7 && w.state.phase === 'review');
    assert.deepEqual(w.asked.slice(3), ['prepare:t1', 'init:t2', 'put', 'prepare:t2']);
    assert.equal(w.state.title, ' Blue Morning ');
    assert.equal(w.state.quoteOver, false);
    assert.ok(!w.names().includes('failed'));
  }
});

test('a job that expires right after its upload is reported, not started forever', async () => {
  const w = new World();
  w.faults.prepare = [refused(410, 'transaction.expired'), refused(410, 'transaction.expired')];
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.state.resume, 'init');
});

test('Retry starts a job again that expired before it was confirmed', async () => {
  const w = await priced({ confirm: [refused(410, 'transaction.expired')] });
  w.flow.confirm();
  await w.screen('FAILED');
  assert.equal(w.state.resume, 'init');
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.retry();
  await w.review();
  assert.deepEqual(w.asked.slice(-3), ['init:t2', 'put', 'prepare:t2']);
  assert.deepEqual(w.events.find(([n]) => n === 'allfeat:token-expired')?.[1], { pendingAction: 'submit' });
  assert.ok(w.state.file);
  assert.equal(w.state.creators[0]?.fullName, 'Ada');
});

test('a token that arrived in the meantime is used, and the page is not asked', async () => {
  const w = await priced();
  w.flow.edit();
  w.flow.tokens.set('t2');
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked.slice(-3), ['init:t2', 'put', 'prepare:t2']);
  assert.ok(!w.names().includes('token-expired'));
});

test('the socket drops: polling continues, and every step is reported once', async () => {
  const w = await priced();
  w.onSocket = (s) => {
    s.sendSteps(3);
    s.drop();
  };
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(
    w.events.filter(([n]) => n === 'allfeat:step').map(([, d]) => d['progress']),
    [5, 20, 40, 60, 80, 100],
  );
});

test('a silent socket and a status without an end: FAILED, with the access code, and checking again is not a new order', async () => {
  const w = await priced();
  w.onSocket = () => {};
  w.reached = 2;
  const began = w.time;
  w.flow.confirm();
  await w.screen('FAILED');
  assert.ok(w.time - began <= 181_000);
  assert.equal(w.state.resume, 'track');
  assert.equal(w.state.accessCode, w.accessCode);
  assert.ok(w.remembered, 'a reload can still find it');
  w.reached = 6;
  w.flow.retry();
  await w.screen('COMPLETE');
  assert.equal(w.confirmations, 1);
});

test('polling asks every 3 s for 120 s', async () => {
  const w = await priced();
  w.onSocket = (s) => s.drop();
  w.reached = 2;
  const began = w.time;
  w.flow.confirm();
  await w.screen('FAILED');
  assert.equal(w.asked.filter((a) => a.startsWith('status')).length, 41);
  assert.equal(w.time - began, 120_000);
});

test('a status that says that it has ended, but not how: asked once more, then reported as what it is', async () => {
  for (const [field, result] of [
    ['result', null],
    ['tx_hash', { success: true, ats_id: 42 }],
  ] as const) {
    const w = await priced();
    w.onSocket = (s) => s.drop();
    const body = JSON.stringify({ is_complete: true, current_step: 'completed', progress: 100, result });
    w.faults.status = [
      { status: 200, body },
      { status: 200, body },
    ];
    const began = w.time;
    w.flow.confirm();
    await w.screen('FAILED');
    assert.deepEqual(w.events.at(-1)![1], {
      code: 'widget.malformed_response',
      message: 'Server returned an unexpected response.',
      requestId: null,
      details: { field },
    });
    assert.equal(w.time - began, 3000);
    w.flow.retry();
    await w.screen('COMPLETE');

    // The first answer may have come too early.
    const early = await priced({ status: [{ status: 200, body }] });
    early.onSocket = (s) => s.drop();
    early.flow.confirm();
    await early.screen('COMPLETE');
  }
});

test('after 120 s the error is that of the last answer', async () => {
  const w = await priced({ status: [refused(503, 'transaction.store_unavailable')] });
  w.onSocket = (s) => s.drop();
  w.reached = 4;
  w.flow.confirm();
  await w.screen('FAILED');
  assert.equal(w.state.problem?.code, 'widget.network_error');
});

test('an error frame ends the transaction; the access code is not lost', async () => {
  const w = await priced();
  w.onSocket = (s) => {
    s.sendSteps(2);
    s.send({ type: 'error', error: { code: 'transaction.failed', message: 'm', details: { reason: 'X' }, request_id: 'req_9' } });
    s.sendAll(); // too late
  };
  w.flow.confirm();
  await w.screen('FAILED');
  assert.equal(w.state.problem?.requestId, 'req_9');
  assert.equal(w.state.accessCode, w.accessCode);
  assert.equal(w.state.resume, 'form');
  assert.ok(w.sockets[0]!.closed);
});

test('unreadable frames lead to polling, not to an endless wait', async () => {
  for (const frame of [
    '<html>',
    '{"type":"update","step":"completed","progress":100}',
    '[]',
    '{"type":"update","step":"completed","details":{"ats_id":"x"}}',
  ]) {
    const w = await priced();
    w.onSocket = (s) => s.send(frame);
    w.flow.confirm();
    if (frame === '[]') w.onSocket = (s) => s.drop();
    await w.screen('COMPLETE');
  }
});

test('reset stops the upload, clears the form, and emits its event', async () => {
  const w = new World();
  let hang: (() => void) | undefined;
  const put = w.env.put;
  w.env.put = (url, file, onProgress, signal) =>
    new Promise((resolve, reject) => {
      hang = () => void put(url, file, onProgress, signal).then(resolve);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  w.flow.submit();
  await w.until(() => !!hang);
  w.flow.reset('register');
  assert.equal(w.state.screen, 'FORM');
  assert.equal(w.state.file, null);
  assert.equal(w.flow.tokens.value, '');
  assert.deepEqual(w.events.at(-1), ['allfeat:token-expired', { pendingAction: 'reset' }]);
  hang!();
  await new Promise((r) => setImmediate(r));
  assert.equal(w.state.screen, 'FORM', 'a stopped run changes nothing');
});

test('an unknown code keeps the message of the server', async () => {
  const w = new World();
  w.faults.init = [refused(418, 'tea.pot')];
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.state.problem?.code, 'widget.unknown_error');
  assert.deepEqual(w.state.problem?.details, { code: 'tea.pot', request_id: 'req_1', message: 'm' });
});

test('answers without the documented JSON', async () => {
  for (const body of ['', '<html>', '[]', '{"job_id":1}', 'null', '{"error":{}}']) {
    const w = new World();
    w.faults.init = [{ status: 200, body }];
    w.flow.submit();
    await w.screen('FAILED');
    assert.equal(w.state.problem?.code, 'widget.malformed_response');
    assert.equal(w.state.problem?.requestId, null);
  }
});

test('limits are read without a token, and their absence is tolerated', async () => {
  const w = new World();
  w.flow.tokens.clear();
  const { stats, ...limits } = await w.flow.limits(new AbortController().signal);
  assert.deepEqual(limits, { maxBytes: 5000, formats: [] });
  assert.ok(stats);
  w.faults.stats = [{ status: 500, body: 'oops' }];
  assert.deepEqual(await w.flow.limits(new AbortController().signal), { maxBytes: 0, formats: [] });
  assert.equal(w.state.screen, 'FORM');
});

test('the server is sent trimmed values and compact numbers', async () => {
  const w = new World();
  let body: Record<string, unknown> = {};
  const fetch = w.env.fetch;
  w.env.fetch = (url, init) => {
    if (url.endsWith('/init')) body = JSON.parse(String(init.body)) as typeof body;
    return fetch(url, init);
  };
  w.flow.submit();
  await w.review();
  assert.equal(body['title'], 'Blue Morning');
  assert.equal(body['size_bytes'], 1000);
  assert.equal((body['creators'] as { isni: string }[])[0]!.isni, '000000012345678X');
  assert.ok(!('external_user_ref' in body));
});

test('a job continues with the token that started it, whatever the page gives meanwhile', async () => {
  const w = await priced();
  w.flow.tokens.set('t2');
  w.flow.requote();
  await w.until(() => w.asked.length === 4 && w.state.phase === 'review');
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(
    w.asked.filter((a) => /^(init|prepare|confirm):/.test(a)),
    ['init:t1', 'prepare:t1', 'prepare:t1', 'confirm:t1'],
  );
});

test('removed for good while something waits: nothing waits any more, and it continues when it is back', async () => {
  const tracking = async (w: World) => {
    await w.review();
    w.flow.confirm();
    await w.screen('TRACKING');
    await w.until(() => w.sockets.length === 1);
  };
  const points: [string, (w: World) => Promise<void>, (w: World) => Promise<void>][] = [
    [
      'the price is being asked for',
      async (w) => {
        // The token is missing, and the page is slow.
        w.faults.prepare = [{ status: 401, code: 'common.auth.expired' }];
        await w.until(() => w.names().includes('token-expired'));
      },
      (w) => {
        w.flow.tokens.set('t2');
        return w.review();
      },
    ],
    ['the price is shown', (w) => w.review(), (w) => w.until(() => w.state.quoteOver)],
    ['the song is in the queue', tracking, (w) => w.screen('COMPLETE')],
    [
      'the steps are asked for',
      async (w) => {
        await tracking(w);
        w.reached = 2;
        w.sockets[0]!.drop();
        await w.until(() => w.asked.filter((a) => a.startsWith('status')).length === 2);
        w.reached = 6;
      },
      (w) => w.screen('COMPLETE'),
    ],
  ];
  for (const [name, reach, end] of points) {
    const w = new World();
    w.onSocket = () => {};
    w.flow.submit();
    await reach(w);
    assert.notEqual(w.waiting, 0, name);
    const { screen } = w.state;
    w.flow.abandon();
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.deepEqual([w.waiting, w.sockets.every((s) => s.closed), w.state.screen], [0, true, screen], name);
    const asked = w.asked.length;
    w.onSocket = (s) => s.sendAll();
    w.flow.comeBack();
    await end(w);
    assert.ok(w.confirmations <= 1 && w.asked.length >= asked && !w.names().includes('failed'), name);
  }
});

test('removed for good while the order is sent: its answer is remembered, and followed when the element is back', async () => {
  const w = new World();
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  w.flow.abandon();
  await w.screen('TRACKING');
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  assert.deepEqual([w.confirmations, w.sockets.length, w.waiting, w.remembered?.transactionId], [1, 0, 0, w.state.transactionId]);
  w.flow.comeBack();
  await w.screen('COMPLETE');
  assert.equal(w.confirmations, 1);
});

test('reset, another mode, another user and removal during an upload: it stops, and nothing is ordered or reported afterwards', async () => {
  for (const act of [
    (w: World) => w.flow.reset('register'),
    (w: World) => w.flow.switch('update'),
    (w: World) => w.flow.leave('register', 'ada'),
    (w: World) => w.flow.abandon(),
    (w: World) => w.flow.giveWay('register'),
  ]) {
    const w = new World();
    let signal: AbortSignal | undefined;
    let sent!: () => void;
    w.env.put = (_url, _file, _progress, s) => new Promise((resolve) => ((signal = s), (sent = () => resolve({ status: 200, body: '' }))));
    w.flow.submit();
    await w.until(() => !!signal);
    act(w);
    assert.ok(signal?.aborted);
    sent(); // too late to abort
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.deepEqual([w.state.screen, w.routes.filter((r) => /prepare|confirm/.test(r)), w.confirmations], ['FORM', [], 0]);
    assert.ok(!w.names().includes('upload-complete') && !w.names().includes('failed'));
  }
});
