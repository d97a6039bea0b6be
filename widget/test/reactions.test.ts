/** Each code that a browser can receive, at each stage of the widget: the screen, the events, and the next step. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorTable, type AtsErrorCode } from '../src/gen/errors.js';
import { time } from '../../web/i18n/formats.js';
import { textsOf } from '../src/i18n/language.js';
import { sentenceOf } from '../src/i18n/sentences.js';
import { code as accessCode, World, type Kind } from './world.js';

const codes = Object.keys(errorTable) as AtsErrorCode[];

/** A widget that receives faults at one call of its flow, and continues as far as possible. */
async function met(mode: 'register' | 'update', at: Kind, faults: World['faults'][Kind]): Promise<World> {
  const w = new World(mode);
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.faults[at] = faults;
  const settled = () => w.events.some(([n]) => n === 'allfeat:failed' || n === 'allfeat:error' || n === 'allfeat:complete');
  if (mode === 'update') {
    w.flow.dispatch({ type: 'draft', path: 'access_code', draft: { code: accessCode } });
    w.flow.open();
    await w.until(() => settled() || !!w.state.work);
  }
  if (!settled()) {
    w.flow.submit();
    await w.until(() => settled() || w.state.phase === 'review');
  }
  if (!settled()) {
    w.flow.confirm();
    await w.until(settled);
  }
  return w;
}

for (const [mode, calls] of [
  ['register', ['init', 'prepare', 'confirm']],
  ['update', ['work', 'init', 'prepare', 'confirm']],
] as const)
  for (const at of calls)
    test(`every code at ${at} of ${mode}`, async () => {
      for (const code of codes) {
        const { status, class: kind } = errorTable[code];
        const details =
          code === 'common.validation_failed'
            ? { fields: [{ field: 'nothing.of.ours', rule: 'r', message: 'm' }] }
            : code === 'registration.audio_too_large'
              ? { size_bytes: 2_000_000, max_bytes: 1_000_000 }
              : undefined;
        const w = await met(
          mode,
          at,
          Array.from({ length: status === 429 ? 3 : 1 }, () => ({ status: status || 500, code, details })),
        );
        const where = `${code} at ${at} of ${mode}`;
        const emitted = w.events.filter(([n]) => /failed|error/.test(n));
        const asked = w.events.filter(([n]) => n === 'allfeat:token-expired').length;
        if (kind === 'refresh') {
          assert.deepEqual([w.state.screen, emitted.length, asked], ['COMPLETE', 0, 1], where);
          continue;
        }
        assert.equal(asked, 0, where);
        assert.equal(emitted.length, 1, where);
        const [name, detail] = emitted[0]!;
        assert.equal(detail['code'], code, where);
        assert.equal(typeof detail['message'], 'string');
        if (kind === 'client') {
          assert.deepEqual([detail['requestId'], (detail['details'] as Record<string, unknown>)['request_id']], [null, 'req_1'], where);
        } else assert.equal(detail['requestId'], 'req_1', where);
        const stage = errorTable[code].stage;
        const here = kind === 'inline' && (stage === 'file' || (stage === 'title') === (mode === 'register'));
        if (here) {
          assert.deepEqual([name, w.state.screen, detail['stage']], ['allfeat:error', 'FORM', stage], where);
          assert.deepEqual(Object.keys(w.state.errors), [stage], where);
        } else {
          assert.equal(name, 'allfeat:failed', where);
          assert.equal(w.state.screen, kind === 'disabled' ? 'DISABLED' : 'FAILED', where);
          const off = kind === 'disabled' || code === 'widget.configuration_error';
          assert.equal(w.state.resume === 'none', off, where);
        }
        if (mode === 'update') assert.equal(w.state.code, accessCode, where);
        else assert.deepEqual([w.state.title, w.state.creators[0]?.fullName, !!w.state.file], [' Blue Morning ', 'Ada', true], where);
      }
    });

test('after a failure after the order, the next step is to follow it, whatever the code', async () => {
  for (const code of codes) {
    const w = new World();
    w.onSocket = (s) => s.drop();
    w.faults.status = Array.from({ length: 200 }, () => ({ status: errorTable[code].status || 500, code }));
    w.flow.submit();
    await w.review();
    w.flow.confirm();
    await w.until(() => w.names().includes('failed'));
    assert.equal(w.state.accessCode, w.accessCode, code);
    assert.equal(w.names().filter((n) => n === 'failed').length, 1, code);
    const off = errorTable[code].class === 'disabled';
    assert.deepEqual([w.state.screen, w.state.resume], off ? ['DISABLED', 'none'] : ['FAILED', 'track'], code);
    w.faults.status = [];
    w.flow.edit();
    assert.equal(w.state.transactionId, 'tx', `${code}: it cannot be left for a second order`);
    if (off) continue;
    w.flow.retry();
    await w.screen('COMPLETE');
    assert.equal(w.confirmations, 1, code);
  }
});

test('a transaction that the server does not know is followed by Retry, and not resumed by a reload', async () => {
  const w = new World();
  w.onSocket = (s) => s.drop();
  w.faults.status = [{ status: 404, code: 'transaction.not_found' }];
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('FAILED');
  assert.equal(w.state.resume, 'track');
  assert.equal(w.remembered, undefined);
});

test('a registered recording: back to the form, next to the file, title and creators kept, and another file succeeds', async () => {
  const w = new World();
  w.faults.prepare = [{ status: 409, code: 'work.already_registered', details: { ats_id: 7 } }];
  w.flow.submit();
  await w.screen('FAILED');
  w.flow.retry();
  assert.deepEqual([w.state.screen, w.state.step, w.state.errors], ['FORM', 'song', { file: { key: 'errRegistered' } }]);
  assert.equal(w.state.title, ' Blue Morning ');
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.choose(new File(['other'], 'other.wav'));
  assert.deepEqual(w.state.errors, {});
  w.flow.submit();
  await w.review();
});

test('a wait that the server asks for is counted down on the screen, and no other wait is', async () => {
  const w = new World();
  w.faults.init = [{ status: 429, code: 'common.rate_limited', headers: { 'Retry-After': '3' } }];
  const seen: string[] = [];
  const dispatch = w.flow.dispatch.bind(w.flow);
  w.flow.dispatch = (a) => {
    dispatch(a);
    if (a.type === 'notice') seen.push(`${w.state.notice} ${w.state.wait.join('/')}`);
  };
  w.flow.submit();
  await w.review();
  assert.deepEqual(
    seen.filter((s) => s !== ' 0/0'),
    ['limited 3/3', 'limited 2/3', 'limited 1/3', 'retry 0/0'],
  );
});

test('a long wait is reported at once, with its end; a quota with the day of its reset', async () => {
  const en = textsOf('en-GB');
  const sentence = (w: World) => sentenceOf(en, w.state.problem!, w.time);
  const after = async (code: string, headers: Record<string, string>, details?: unknown) => {
    const w = new World();
    w.faults.init = [{ status: 429, code, headers, details }];
    w.flow.submit();
    await w.screen('FAILED');
    assert.deepEqual(w.asked, ['init:t1']);
    assert.ok(!('again' in w.events.at(-1)![1]), 'the event has only documented members');
    return w;
  };
  const hour = await after('session.rate_limited', { 'Retry-After': '3600' });
  assert.equal(sentence(hour), `Too many requests. Please try again after ${time(en, hour.time + 3600e3)}.`);
  const day = await after('common.rate_limited', { 'Retry-After': '86400' });
  assert.match(sentence(day), /2 January 2026/);
  const quota = await after('common.quota_exceeded', { 'Retry-After': '5' }, { limit: 1, used: 1, resets_at: '2026-02-01T12:00:00Z' });
  assert.match(sentence(quota), /^No more songs can be registered here until 1 February 2026/);
  const bare = await after('common.quota_exceeded', {});
  assert.equal(sentence(bare), 'No more songs can be registered here for now.');
});

test('three refusals for too many calls end in FAILED with the time to try again', async () => {
  const w = new World();
  w.faults.init = [1, 2, 3].map(() => ({ status: 429, code: 'session.rate_limited', headers: { 'Retry-After': '20' } }));
  const began = w.time;
  w.flow.submit();
  await w.screen('FAILED');
  assert.equal(w.time - began, 40_000);
  assert.equal(w.state.problem?.again, w.time + 20_000);
});
