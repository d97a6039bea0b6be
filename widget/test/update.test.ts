import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newCreator, type Creator } from '../src/form/draft.js';
import { changes, isCode, tidyCode, workFrom } from '../src/ats/work.js';
import { kept } from '../src/machine.js';
import { code, World, type Fault, type Kind } from './world.js';

const refused = (status: number, code: string, details?: unknown): Fault => ({ status, code, ...(details !== undefined && { details }) });
const type = (w: World, text: string) => w.flow.dispatch({ type: 'draft', path: 'access_code', draft: { code: text } });
const people = (w: World) => w.state.creators.map((c) => c.fullName);

/** A world whose access code was accepted. */
async function opened(faults: Partial<Record<Kind, Fault[]>> = {}): Promise<World> {
  const w = new World('update');
  w.accessCode = undefined;
  Object.assign(w.faults, faults);
  type(w, code);
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  return w;
}

const rename = (w: World, i: number, fullName: string) =>
  w.flow.dispatch({ type: 'draft', path: '', draft: { creators: w.state.creators.map((c, at) => (at === i ? { ...c, fullName } : c)) } });

test('a pasted code is cleaned up', () => {
  const broken = ` ${code.slice(0, 20).toUpperCase()}\n  ${code.slice(20, 50)} \u200f${code.slice(50)}\u2069\r\n`;
  assert.equal(tidyCode(broken), code);
  assert.ok(isCode(code));
  for (const bad of ['', 'atc_', code.slice(0, -1), code + '0', code.replace('c0', 'g0'), 'cpk_' + code.slice(4), code + '/..'])
    assert.ok(!isCode(bad), bad);
});

test('without a new file: the code opens the song, and the new version is registered', async () => {
  const w = await opened();
  assert.deepEqual([w.state.title, w.state.version, people(w)], ['Blue Morning', 3, ['Ada', 'Ben']]);
  assert.deepEqual(w.state.creators[0]?.roles, { author: true, composer: true, arranger: false, adapter: false });
  w.flow.next();
  assert.equal(w.state.step, 'creators');
  rename(w, 1, 'Benjamin');
  w.flow.submit();
  await w.review();
  assert.equal(w.confirmations, 0);
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(w.routes, [
    `GET /v1/access/${code}/work`,
    `POST /v1/access/${code}/versions/init`,
    `POST /v1/access/${code}/versions/prepare`,
    `POST /v1/access/${code}/versions/confirm`,
  ]);
  assert.deepEqual(w.asked, ['work:t1', 'init:t1', 'prepare:t1', 'confirm:t1']);
  assert.deepEqual(Object.keys(w.bodies[1]!), ['creators']);
  assert.deepEqual((w.bodies[1]!['creators'] as unknown[])[1], {
    full_name: 'Benjamin',
    email: 'ben@example.org',
    roles: { author: false, composer: false, arranger: true, adapter: false },
  });
  assert.deepEqual(w.names(), ['confirmed', 'complete']);
  assert.deepEqual([w.state.version, w.state.accessCode], [3, undefined]);
  assert.ok(!('accessCode' in w.events.at(-1)![1]));
});

test('with a new file: it is uploaded, and its upload URL can be renewed', async () => {
  const w = await opened();
  w.faults.put = [{ status: 403, body: '' }];
  w.flow.choose(new File([new Uint8Array(2000)], 'take2.wav'));
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  const at = `POST /v1/access/${code}/versions/`;
  assert.deepEqual(w.routes.slice(1), [at + 'init-upload', at + 'upload', at + 'prepare', at + 'confirm']);
  assert.deepEqual(w.puts, ['init-upload', 'upload']);
  assert.deepEqual([w.bodies[1]!['filename'], w.bodies[1]!['size_bytes']], ['take2.wav', 2000]);
  assert.deepEqual(w.names(), ['upload-start', 'upload-complete', 'confirmed', 'complete']);
});

test('a chosen file can be removed again', async () => {
  const w = await opened();
  w.flow.choose(new File([], 'empty.wav'));
  assert.deepEqual(Object.keys(w.state.errors), ['file']);
  w.flow.unchoose();
  assert.deepEqual([w.state.file, w.state.errors], [null, {}]);
  w.flow.submit();
  await w.review();
  assert.ok(w.routes[1]!.endsWith('/init'));
});

test('a malformed code is reported at once, next to its field, without a request', () => {
  const w = new World('update');
  type(w, 'atc_123 4');
  w.flow.open();
  assert.deepEqual(w.state.errors, { access_code: { key: 'badCode' } });
  assert.equal(w.state.code, 'atc_123 4');
  assert.deepEqual(w.asked, []);
  const [name, detail] = w.events.at(-1)!;
  assert.deepEqual(
    [name, detail['code'], detail['requestId'], detail['stage']],
    ['allfeat:error', 'access_code.format_invalid', null, 'access_code'],
  );
  type(w, '');
  w.flow.open();
  assert.deepEqual(w.state.errors, { access_code: { key: 'needed' } });
});

test('a refused code is reported next to its field, the typed code is kept, and another one succeeds', async () => {
  for (const [status, refusal] of [
    [404, 'access_code.not_found'],
    [410, 'access_code.expired'],
    [422, 'access_code.format_invalid'],
  ] as const) {
    const w = new World('update');
    w.faults.work = [refused(status, refusal)];
    type(w, ` ${code}`);
    w.flow.open();
    await w.until(() => !w.state.opening);
    assert.deepEqual(
      [w.state.screen, w.state.step, Object.keys(w.state.errors), w.state.code],
      ['FORM', 'code', ['access_code'], ` ${code}`],
    );
    assert.deepEqual(w.names(), ['error']);
    assert.deepEqual([w.events[0]![1]['code'], w.events[0]![1]['requestId'], w.events[0]![1]['stage']], [refusal, 'req_1', 'access_code']);
    w.flow.open();
    await w.until(() => w.state.step === 'song');
  }
});

test('the look-up: a new token, an unreachable server, and a cancel', async () => {
  const w = new World('update');
  w.flow.tokens.clear();
  type(w, code);
  w.flow.open();
  await w.until(() => w.state.notice === 'token');
  assert.deepEqual(w.events, [['allfeat:token-expired', { pendingAction: 'submit' }]]);
  w.flow.edit();
  assert.deepEqual([w.state.step, w.state.opening, w.state.code], ['code', false, code]);

  const v = new World('update');
  v.faults.work = [refused(503, 'common.service_unavailable')];
  type(v, code);
  v.flow.open();
  await v.screen('FAILED');
  assert.equal(v.state.resume, 'open');
  v.flow.retry();
  await v.until(() => v.state.step === 'song');
  assert.deepEqual(v.asked, ['work:t1', 'work:t1']);
});

test('answers about the work without the documented JSON', async () => {
  const w = new World('update');
  const good = w.work;
  for (const bad of [
    { ...good, ats_id: '42' },
    { ...good, title: undefined },
    { ...good, latest_version: null },
    { ...good, creators: [] },
    { ...good, creators: [null] },
    { ...good, creators: [{ full_name: 'A', email: 'a@b', roles: { author: true } }] },
  ]) {
    const v = new World('update');
    v.work = bad as never;
    type(v, code);
    v.flow.open();
    await v.screen('FAILED');
    assert.equal(v.state.problem?.code, 'widget.malformed_response', JSON.stringify(bad));
  }
  assert.equal(workFrom({ ...good, asset_filename: null }, code).filename, '');
});

test('another update is running: Retry reads the work again, and the typed fields are kept', async () => {
  for (const at of ['init', 'prepare', 'confirm'] as const) {
    const w = await opened();
    rename(w, 0, 'Ada L.');
    const file = new File([new Uint8Array(10)], 'take2.wav');
    w.flow.choose(file);
    w.faults[at === 'init' ? 'init-upload' : at] = [refused(409, 'version.already_in_progress')];
    w.onTokenExpired = (f) => f.tokens.set('t2');
    w.flow.submit();
    if (at === 'confirm') {
      await w.review();
      w.flow.confirm();
    }
    await w.screen('FAILED');
    w.work = {
      ...w.work,
      latest_version: 3,
      asset_filename: 'theirs.wav',
      creators: [...w.work.creators, { full_name: 'Cy', email: 'c@x', roles: ['author'] }],
    };
    w.flow.retry();
    await w.until(() => w.state.step === 'song');
    assert.deepEqual([w.state.moved, w.state.version, w.state.work?.filename], [true, 4, 'theirs.wav']);
    assert.deepEqual([w.state.code, w.state.file, people(w)], [code, file, ['Ada L.', 'Ben']]);
    w.flow.submit();
    await w.review();
    assert.deepEqual(
      changes(w.state.work!.creators, w.state.creators).map(([c, change]) => [c.fullName, change]),
      [
        ['Ada L.', 'changed'],
        ['Ben', ''],
        ['Cy', 'removed'],
      ],
    );
    assert.equal(w.names().filter((n) => n === 'failed').length, 1);
  }
});

test('a field that was only shown follows the work; another code opens another work', async () => {
  const w = await opened();
  w.flow.choose(new File(['x'], 'take2.wav'));
  w.flow.dispatch({ type: 'step', step: 'code' });
  w.work = { ...w.work, latest_version: 3, creators: w.work.creators.slice(1) };
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  assert.deepEqual([people(w), w.state.file?.name, w.state.moved], [['Ben'], 'take2.wav', true]);
  w.flow.dispatch({ type: 'step', step: 'code' });
  rename(w, 0, 'B.');
  w.work = { ...w.work, ats_id: 43, title: 'Other' };
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  assert.deepEqual([people(w), w.state.file, w.state.title, w.state.moved], [['Ben'], null, 'Other', false]);
});

test('a code that was replaced in the meantime: back to its field, everything else kept', async () => {
  const w = await opened();
  rename(w, 0, 'Ada L.');
  w.faults.prepare = [refused(410, 'access_code.expired')];
  w.flow.submit();
  await w.until(() => w.state.screen === 'FORM');
  assert.deepEqual([w.state.step, Object.keys(w.state.errors), w.state.code], ['code', ['access_code'], code]);
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  assert.deepEqual(people(w), ['Ada L.', 'Ben']);
});

test('an update whose confirm was lost and whose code expired is not left for a second one', async () => {
  const w = await opened();
  w.flow.submit();
  await w.review();
  w.faults.confirm = ['drop', refused(410, 'access_code.expired')];
  w.flow.confirm();
  await w.screen('FAILED');
  w.flow.retry();
  await w.until(() => w.state.screen === 'FAILED' && w.state.problem?.code === 'access_code.expired');
  w.flow.edit();
  assert.equal(w.state.screen, 'FAILED');
  w.faults.confirm = [refused(409, 'transaction.already_confirmed', { transaction_id: 'tx' })];
  w.flow.retry();
  await w.screen('COMPLETE');
  assert.equal(w.confirmations, 1);
});

test('a registered recording: another one is requested, or the registered one again', async () => {
  const w = await opened();
  w.flow.choose(new File(['x'], 'take2.wav'));
  w.faults.prepare = [refused(409, 'work.already_registered')];
  w.flow.submit();
  await w.screen('FAILED');
  w.flow.retry();
  assert.deepEqual([w.state.step, w.state.errors], ['song', { file: { key: 'errRegistered' } }]);
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.unchoose();
  w.flow.submit();
  await w.review();
});

test('an expired job without a file is started again, and so is one that lacks an upload', async () => {
  const w = await opened({ prepare: [refused(410, 'transaction.expired'), refused(409, 'registration.upload_missing')] });
  w.onTokenExpired = (f) => f.tokens.set(`t${w.asked.length + 1}`);
  w.flow.submit();
  await w.screen('FAILED');
  w.flow.retry();
  await w.screen('FAILED');
  w.flow.retry();
  await w.review();
  assert.deepEqual(
    w.asked.map((a) => a.split(':')[0]),
    ['work', 'init', 'prepare', 'init', 'prepare', 'init', 'prepare'],
  );
});

test('a code whose work was not read is never sent with fields typed for another work', async () => {
  const w = await opened();
  rename(w, 0, 'Ada L.');
  w.flow.dispatch({ type: 'step', step: 'code' });
  const other = 'atc_' + 'b'.repeat(64);
  type(w, other);
  w.faults.work = [{ status: 503, code: 'common.service_unavailable' }];
  w.codes.add(other);
  w.flow.open();
  await w.screen('FAILED');
  w.flow.edit();
  assert.deepEqual([w.state.screen, w.state.step, w.state.code], ['FORM', 'code', other]);
  // The first code again: its work is read again, and the fields typed for it are there.
  type(w, code);
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  assert.deepEqual(people(w), ['Ada L.', 'Ben']);
});

test('a reload after another update came first: the user is asked for the code', async () => {
  const w = new World();
  w.onSocket = (s) => s.send({ type: 'error', error: { code: 'version.already_in_progress', message: 'm' } });
  w.flow.recall({ transactionId: 'tx', wsUrl: '/ws', statusUrl: '/s', title: 'Blue Morning', version: 3 });
  await w.screen('FAILED');
  assert.equal(kept(w.state), false, 'nothing filled in survived the reload');
  w.flow.retry();
  assert.deepEqual([w.state.screen, w.state.step, w.asked], ['FORM', 'code', []]);
});

test('a token given before the mode counts for the mode, until there is a screen', () => {
  const w = new World();
  w.flow.switch('update', true);
  assert.equal(w.flow.tokens.value, 't1');
  w.flow.switch('register');
  assert.equal(w.flow.tokens.value, '');
});

test('a reload resumes an update, by name and version, without the code', async () => {
  const w = await opened();
  w.onSocket = () => {};
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.until(() => !!w.remembered);
  const kept = w.remembered!;
  assert.doesNotMatch(JSON.stringify(kept), /atc_/);
  const v = new World();
  v.accessCode = undefined;
  v.flow.recall(kept);
  assert.equal(v.state.screen, 'TRACKING');
  await v.screen('COMPLETE');
  assert.deepEqual([v.state.mode, v.state.title, v.state.version], ['update', 'Blue Morning', 3]);
  assert.deepEqual(v.asked, []);
});

test('another mode gives an empty form, but does not replace a running order', async () => {
  const w = await opened();
  assert.equal(w.flow.switch('update'), false, 'already in this mode');
  w.flow.submit();
  await w.review();
  w.onSocket = () => {};
  w.flow.confirm();
  assert.equal(w.flow.switch('register'), false);
  await w.screen('TRACKING');
  assert.equal(w.flow.switch('register'), false);
  w.sockets[0]!.sendAll();
  await w.screen('COMPLETE');
  assert.equal(w.flow.switch('register'), true);
  assert.deepEqual([w.state.screen, w.state.step, w.state.mode, w.flow.tokens.value], ['FORM', 'song', 'register', '']);
});

test('another end-user finds nothing of the previous one, not even a running order', async () => {
  const w = await opened();
  w.flow.submit();
  await w.review();
  w.onSocket = () => {};
  w.flow.confirm();
  await w.screen('TRACKING');
  assert.equal(w.flow.leave('update', ''), false, 'an order with an access code is followed to its end');
  assert.equal(w.state.screen, 'TRACKING');
  assert.equal(w.flow.leave('update', 'ada'), true);
  const { screen, step, title, code, work, transactionId, accessCode, steps } = w.state;
  assert.deepEqual(
    [screen, step, title, code, work, transactionId, accessCode, steps],
    ['FORM', 'code', '', '', undefined, undefined, undefined, []],
  );
  assert.equal(w.flow.tokens.value, '');
  w.sockets[0]!.sendAll();
  await new Promise(setImmediate);
  assert.equal(w.state.screen, 'FORM', 'the previous run reports nothing');
});

test('added, changed and removed creators: matched by name, or else by email', () => {
  const who = (fullName: string, email: string, more: Partial<Creator> = {}): Creator => ({ ...newCreator(0), fullName, email, ...more });
  const a = who('Ada', 'a@x', { isni: '000000012345678X' });
  const b = who('Ben', 'b@x');
  for (const [before, after, want] of [
    [
      [a, b],
      [a, b],
      [
        ['Ada', ''],
        ['Ben', ''],
      ],
    ],
    [
      [a, b],
      [b, a],
      [
        ['Ben', ''],
        ['Ada', ''],
      ],
    ],
    [
      [a, b],
      [
        { ...a, isni: '0000 0001 2345 678x' },
        { ...b, id: 9 },
      ],
      [
        ['Ada', ''],
        ['Ben', ''],
      ],
    ],
    [
      [a, b],
      [{ ...a, email: 'new@x' }],
      [
        ['Ada', 'changed'],
        ['Ben', 'removed'],
      ],
    ],
    [
      [a, b],
      [a, who('Benjamin', 'B@x ')],
      [
        ['Ada', ''],
        ['Benjamin', 'changed'],
      ],
    ],
    [
      [a],
      [who('Cy', 'c@x')],
      [
        ['Cy', 'added'],
        ['Ada', 'removed'],
      ],
    ],
    // One address for both, for example of a publisher: names take precedence.
    [
      [a, who('Ben', 'a@x')],
      [who('Ben', 'a@x', { ipi: '1' }), a],
      [
        ['Ben', 'changed'],
        ['Ada', ''],
      ],
    ],
  ] as const)
    assert.deepEqual(
      changes(before, after).map(([c, change]) => [c.fullName, change]),
      want,
    );
});
