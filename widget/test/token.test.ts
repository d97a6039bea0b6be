/** The token in every order of events: what the page gives and when, and what the widget does with it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemFrom } from '../src/ats/problem.js';
import { World, type Kind } from './world.js';

const expired = { status: 401, code: 'common.auth.expired' } as const;
const asked = (w: World) => w.events.filter(([n]) => n === 'allfeat:token-expired').map(([, d]) => d['pendingAction']);
const failures = (w: World) => w.names().filter((n) => n === 'failed').length;

/** Answers token-expired with a token after this many milliseconds of the world's clock. */
const answerAfter = (w: World, ms: number, token: string) => {
  w.onTokenExpired = (f) => void w.env.sleep(ms, new AbortController().signal).then(() => f.tokens.set(token));
};

for (const at of ['init', 'prepare', 'confirm'] as const) {
  test(`expired at ${at}: inside the handler, after 59 s, after 61 s`, async () => {
    for (const wait of [-1, 0, 59_000, 61_000]) {
      const w = new World();
      if (wait < 0) w.onTokenExpired = (f) => f.tokens.set('t2');
      else answerAfter(w, wait, 't2');
      const end = async () => {
        await w.until(() => w.state.phase === 'review' || w.state.screen === 'FAILED');
        if (w.state.screen !== 'FAILED' && at === 'confirm') {
          w.dead.add('t1');
          w.flow.confirm();
        }
        await w.until(() => ['COMPLETE', 'FAILED'].includes(w.state.screen) || (at !== 'confirm' && w.state.phase === 'review'));
      };
      if (at === 'init') w.dead.add('t1');
      if (at === 'prepare') w.env.put = async () => (w.asked.push('put'), w.dead.add('t1'), { status: 200, body: '' });
      w.flow.submit();
      await end();
      const late = wait > 60_000;
      assert.deepEqual([w.state.screen === 'FAILED', failures(w)], [late, late ? 1 : 0], `${wait}`);
      assert.deepEqual(asked(w), ['submit'], `${wait}`);
      if (late) {
        assert.equal(w.state.problem?.code, 'common.auth.expired');
        await w.until(() => w.flow.tokens.value === 't2');
        w.flow.retry();
        if (at === 'confirm') await w.screen('COMPLETE');
        else await w.review();
        assert.deepEqual(asked(w), ['submit'], 'the late token is used; the page is not asked again');
      }
      assert.equal(w.asked.filter((a) => a === 'put').length, 1, 'the upload is not repeated');
    }
  });
}

test('a new token serves the rest of the job: the page is asked once', async () => {
  const w = new World();
  w.env.put = async () => (w.dead.add('t1'), { status: 200, body: '' });
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(w.asked, ['init:t1', 'prepare:t1', 'prepare:t2', 'confirm:t2']);
  assert.deepEqual(asked(w), ['submit']);
});

test('a token that the page gave unasked is tried before the page is asked', async () => {
  const w = new World();
  w.flow.submit();
  await w.review();
  w.flow.tokens.set('t2');
  w.dead.add('t1');
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(w.asked.slice(-2), ['confirm:t1', 'confirm:t2']);
  assert.deepEqual(asked(w), []);
});

test('a token that expires during the upload: a renewed upload URL needs a token, the upload continues', async () => {
  const w = new World();
  w.faults.put = [{ status: 403, body: '' }];
  w.faults.upload = [expired];
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'put', 'upload:t1', 'upload:t2', 'put', 'prepare:t2']);
});

test('tracking needs no token', async () => {
  const w = new World();
  w.onSocket = (s) => s.drop();
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  w.onTokenExpired = () => assert.fail('asked for a token');
  await w.screen('TRACKING');
  w.flow.tokens.clear();
  await w.screen('COMPLETE');
  assert.ok(w.asked.includes('status:'));
});

test('the same spent token for every request, at every call: FAILED, not a loop', async () => {
  for (const at of ['init', 'prepare', 'confirm'] as Kind[]) {
    const w = new World();
    w.onTokenExpired = (f) => f.tokens.set('t1');
    if (at === 'init') w.dead.add('t1');
    w.flow.submit();
    if (at !== 'init') await w.review();
    w.dead.add('t1');
    if (at === 'prepare') w.flow.requote();
    if (at === 'confirm') w.flow.confirm();
    const began = w.time;
    await w.screen('FAILED');
    assert.equal(w.time, began, 'without a wait');
    assert.deepEqual(asked(w), ['submit', 'submit', 'submit']);
    assert.equal(failures(w), 1);
    w.onTokenExpired = (f) => f.tokens.set('t2');
    w.flow.retry();
    await w.until(() => w.state.phase === 'review' || w.state.screen === 'COMPLETE');
  }
});

test('the same valid token twice, empty tokens, and a token after the answer change nothing', async () => {
  const w = new World();
  w.dead.add('t1');
  w.onTokenExpired = (f) => {
    for (const token of ['', 't2', 't2']) f.tokens.set(token);
  };
  w.flow.submit();
  await w.review();
  w.flow.tokens.set('t2');
  assert.deepEqual(w.asked, ['init:t1', 'init:t2', 'put', 'prepare:t2']);
});

test('a second song with the spent token of the first: the page is asked for a new one before anything is sent', async () => {
  const w = new World();
  w.flow.submit();
  await w.review();
  w.flow.edit();
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked.slice(3), ['init:t2', 'put', 'prepare:t2']);
  assert.deepEqual(asked(w), ['submit']);
});

test('two widgets at once: each asks and is answered separately', async () => {
  const one = new World();
  const two = new World('update');
  one.dead.add('t1');
  two.flow.tokens.clear();
  two.flow.dispatch({ type: 'draft', path: 'access_code', draft: { code: 'atc_' + 'c0de'.repeat(16) } });
  one.flow.submit();
  two.flow.open();
  await one.until(() => one.state.notice === 'token');
  await two.until(() => two.state.notice === 'token');
  two.flow.tokens.set('u1');
  await two.until(() => two.state.step === 'song');
  assert.equal(one.state.notice, 'token', 'it does not use the token of the other');
  one.flow.tokens.set('t2');
  await one.review();
  assert.deepEqual([one.asked.at(-1), two.asked], ['prepare:t2', ['work:u1']]);
});

test('no token at all: asked once, FAILED after 60 s', async () => {
  const w = new World();
  w.flow.tokens.clear();
  const began = w.time;
  w.flow.submit();
  await w.screen('FAILED');
  assert.deepEqual([w.time - began, asked(w), failures(w), w.asked], [60_000, ['submit'], 1, []]);
});

test('a refusal of the backend fails the call that waits, at once, and a retry asks again', async () => {
  const w = new World();
  w.dead.add('t1');
  w.onTokenExpired = (f) => {
    const why = problemFrom({ code: 'registration.insufficient_credits', message: 'No credits.', request_id: 'req_1' });
    if (why) f.tokens.refuse(why);
  };
  const before = w.env.now();
  w.flow.submit();
  await w.screen('FAILED');
  assert.deepEqual([w.state.problem?.code, w.state.problem?.requestId], ['registration.insufficient_credits', 'req_1']);
  assert.equal(w.env.now(), before, 'without waiting');
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.retry();
  await w.review();
  assert.deepEqual(asked(w), ['submit', 'submit']);
});

test('a refusal that nothing waits for changes nothing', async () => {
  const w = new World();
  const why = problemFrom({ code: 'registration.insufficient_credits' });
  if (why) w.flow.tokens.refuse(why);
  w.flow.submit();
  await w.review();
  assert.equal(failures(w), 0);
});
