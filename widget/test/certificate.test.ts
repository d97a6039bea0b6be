import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordOf } from '../src/screens/end.js';
import { World, code } from './world.js';

const refused = (status: number, code: string) => ({ status, code });
const unavailable = (n: number) => Array.from({ length: n }, () => refused(404, 'work.certificate_unavailable'));
const asked = (w: World) => w.asked.filter((a) => a.startsWith('certificate'));

async function completed(change: (w: World) => void = () => {}): Promise<World> {
  const w = new World();
  change(w);
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  return w;
}

test('the date is that of the certificate', async () => {
  const w = await completed();
  assert.equal(w.state.result?.at, '2026-01-02T03:04:05Z');
});

test('the certificate is requested with the token of the job, and its download starts', async () => {
  const w = await completed();
  w.flow.tokens.set('t2');
  const urls: string[] = [];
  const fetch = w.env.fetch;
  w.env.fetch = (url, init) => (urls.push(url), fetch(url, init));
  await w.saving(() => w.flow.certificate());
  assert.deepEqual(asked(w), ['certificate:t1']);
  assert.deepEqual(urls, ['https://ats.example/v1/works/w/download/certificate?transaction=tx']);
  assert.deepEqual(w.saved, ['https://blob.example/v1/works/w/download/certificate']);
  assert.deepEqual([w.state.screen, w.state.certificate], ['COMPLETE', { state: 'begun' }]);
  assert.equal(w.state.accessCode, w.accessCode);
});

test('a certificate that is being made is polled at growing intervals, by one request however often the button is pressed', async () => {
  const w = await completed();
  w.faults.certificate = unavailable(4);
  const at: number[] = [];
  const fetch = w.env.fetch;
  w.env.fetch = (url, init) => (at.push(w.time), fetch(url, init));
  const done = w.saving(() => w.flow.certificate());
  await w.until(() => w.state.certificate?.state === 'waiting');
  await w.flow.certificate();
  await w.until(() => w.state.certificate?.state === 'begun');
  await done;
  assert.deepEqual(
    at.map((t, i) => t - at[Math.max(0, i - 1)]!),
    [0, 1000, 1500, 2250, 3375],
  );
  assert.equal(w.saved.length, 1);
  assert.equal(w.names().filter((n) => n === 'error').length, 0);
});

test('a certificate that does not arrive is reported by its code, and can be requested again', async () => {
  const w = await completed();
  w.faults.certificate = unavailable(60);
  const began = w.time;
  await w.saving(async () => {
    void w.flow.certificate();
    await w.until(() => w.state.certificate?.state === 'refused');
  });
  assert.ok(w.time - began <= 120_000 && w.time - began > 100_000, String(w.time - began));
  assert.ok(asked(w).length < 20, String(asked(w).length));
  assert.equal(w.state.certificate?.problem?.code, 'work.certificate_unavailable');
  assert.deepEqual([w.state.screen, w.state.accessCode], ['COMPLETE', w.accessCode]);
  const [name, emitted] = w.events.at(-1)!;
  assert.deepEqual(
    [name, emitted['code'], emitted['stage'], emitted['requestId']],
    ['allfeat:error', 'work.certificate_unavailable', 'certificate', 'req_1'],
  );
  delete w.faults.certificate;
  await w.saving(() => w.flow.certificate());
  assert.equal(w.state.certificate?.state, 'begun');
});

test('after any other problem of the certificate, the screen stays', async () => {
  for (const [fault, want] of [
    [refused(403, 'session.key_inactive'), 'session.key_inactive'],
    [refused(500, 'common.internal'), 'common.internal'],
    [{ status: 200, body: '{"url":7}' }, 'widget.malformed_response'],
    [{ status: 200, body: '{"url":"javascript:alert(1)"}' }, 'widget.malformed_response'],
    ['drop', 'widget.network_error'],
  ] as const) {
    const w = await completed();
    w.faults.certificate = [fault];
    await w.saving(() => w.flow.certificate());
    assert.deepEqual([w.state.screen, w.state.certificate?.problem?.code, w.saved.length], ['COMPLETE', want, 0]);
    assert.equal(w.events.at(-1)![0], 'allfeat:error');
  }
});

test('a refused token is renewed', async () => {
  const w = await completed();
  w.dead.add('t1');
  w.onTokenExpired = (flow) => flow.tokens.set('t2');
  await w.saving(() => w.flow.certificate());
  assert.deepEqual(asked(w), ['certificate:t1', 'certificate:t2']);
  assert.equal(w.state.certificate?.state, 'begun');
});

test('after a reload the page gives another token, and the transaction says which certificate', async () => {
  const w = new World();
  w.flow.tokens.clear();
  w.onTokenExpired = (flow) => flow.tokens.set('t9');
  w.flow.recall({ transactionId: 'tx', wsUrl: '/v1/ws/transactions/tx', statusUrl: '/v1/transactions/tx', title: 'Blue Morning' });
  await w.screen('COMPLETE');
  await w.saving(() => w.flow.certificate());
  assert.deepEqual(asked(w), ['certificate:t9']);
  assert.deepEqual(
    w.events.filter(([n]) => n === 'allfeat:token-expired').map(([, d]) => d),
    [{ pendingAction: 'submit' }],
  );
});

test('an update has a certificate too', async () => {
  const w = new World('update');
  w.flow.dispatch({ type: 'draft', path: 'code', draft: { code } });
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  await w.saving(() => w.flow.certificate());
  assert.equal(w.saved.length, 1);
});

/** An update whose access code was accepted. */
async function opened(change: (w: World) => void = () => {}): Promise<World> {
  const w = new World('update');
  change(w);
  w.flow.dispatch({ type: 'draft', path: 'code', draft: { code } });
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  return w;
}

test('an access code gives the certificate of the latest version, and the update continues unchanged', async () => {
  const w = await opened();
  w.flow.dispatch({ type: 'draft', path: 'code', draft: { code: 'typed on' } });
  await w.saving(() => w.flow.certificate());
  assert.deepEqual(w.saved, [`https://blob.example/v1/access/${code}/versions/2/download/certificate`]);
  assert.deepEqual([w.state.screen, w.state.step, w.state.certificate], ['FORM', 'song', { state: 'begun' }]);
  assert.deepEqual(asked(w), ['certificate:t1']);
  w.flow.dispatch({ type: 'draft', path: 'code', draft: { code } });
  w.flow.submit();
  await w.review();
  // The state for the old version is not shown for the new one.
  assert.equal(w.state.certificate, undefined);
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.equal(w.state.certificate, undefined);
  await w.saving(() => w.flow.certificate());
  assert.equal(w.saved.at(-1), 'https://blob.example/v1/works/w/download/certificate');
});

test('a problem of the certificate leaves the form as it is, and submitting the form ends the wait', async () => {
  const w = await opened((x) => (x.faults.certificate = [refused(410, 'access_code.expired'), ...unavailable(60)]));
  await w.saving(() => w.flow.certificate());
  assert.deepEqual(
    [w.state.screen, w.state.step, w.state.certificate?.problem?.code, w.state.errors],
    ['FORM', 'song', 'access_code.expired', {}],
  );
  assert.deepEqual([w.events.at(-1)![0], w.events.at(-1)![1]['stage']], ['allfeat:error', 'certificate']);
  await w.saving(async () => {
    const waits = w.flow.certificate();
    await w.until(() => w.state.certificate?.state === 'waiting');
    w.flow.next();
    assert.equal(w.state.certificate?.state, 'waiting');
    w.flow.submit();
    await w.review();
    await waits;
  });
  assert.deepEqual([w.state.certificate, w.saved.length, w.names()], [undefined, 0, ['error']]);
});

test('another code gives the certificate of another song', async () => {
  const w = await opened();
  await w.saving(() => w.flow.certificate());
  w.flow.dispatch({ type: 'step', step: 'code' });
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  assert.equal(w.state.certificate, undefined);
});

test('before a code was accepted, no certificate is requested', async () => {
  const w = new World('update');
  w.flow.dispatch({ type: 'draft', path: 'code', draft: { code } });
  await w.flow.certificate();
  assert.deepEqual(w.asked, []);
});

test('leaving ends the wait, and a later answer is ignored', async () => {
  const w = await completed();
  w.faults.certificate = unavailable(60);
  const waits = w.saving(() => w.flow.certificate());
  await w.until(() => w.state.certificate?.state === 'waiting');
  w.flow.reset('register');
  await waits;
  assert.deepEqual([w.state.screen, w.state.certificate, w.saved.length], ['FORM', undefined, 0]);
  assert.equal(w.names().filter((n) => n === 'error').length, 0);
});

test('a server that does not send the work has no certificate to request; its record is the transaction', async () => {
  const w = await completed((x) => (x.sendsWork = false));
  await w.flow.certificate();
  assert.deepEqual([asked(w), w.state.certificate], [[], undefined]);
  assert.equal(recordOf(w.state.result!), 'https://ats.example/explorer');
  assert.equal(recordOf({ ...w.state.result!, workUrl: 'https://ats.example/w/testnet/42' }), 'https://ats.example/w/testnet/42');
  assert.equal(recordOf({ ...w.state.result!, workUrl: 'javascript:alert(1)' }), '');
});
