/** The works of an end-user: the list, choosing a work to update, and the downloads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kept } from '../src/machine.js';
import { errorTable, type AtsErrorCode } from '../src/gen/errors.js';
import type { Works } from '../src/works/library.js';
import { World, type Fault } from './world.js';

const refused = (status: number, code: string): Fault => ({ status, code });
const libraryOf = (w: World) => w.flow.library as unknown as Works;
const titles = (w: World) => libraryOf(w).list.map((e) => e.title);

/** A world of an end-user with this many songs. */
function worldOf(mode: 'update' | 'download', songs: number): World {
  const w = new World(mode, 'ada');
  w.accessCode = undefined;
  w.library = Array.from({ length: songs }, (_, i) => ({
    id: `id-${i}`,
    ats_id: 100 + i,
    title: i % 3 ? `Song ${i}` : `Blue ${i}`,
    versions: 2,
  }));
  return w;
}

/** The same world, with its list shown. */
async function listed(mode: 'update' | 'download', songs = 3): Promise<World> {
  const w = worldOf(mode, songs);
  w.flow.browse();
  await w.until(() => !w.state.opening && libraryOf(w)?.total !== undefined);
  return w;
}

async function chosen(w: World, i = 0): Promise<void> {
  libraryOf(w).choose(libraryOf(w).list[i]!);
  libraryOf(w).pick();
  await w.until(() => w.state.step === 'song');
}

test('the list needs no code, and leads to the newest version with its creators', async () => {
  const w = await listed('update');
  assert.deepEqual([w.state.step, w.state.own, titles(w)], ['works', true, ['Blue 0', 'Song 1', 'Song 2']]);
  await chosen(w, 1);
  assert.deepEqual(
    [w.state.title, w.state.version, w.state.work?.filename, w.state.creators.map((c) => c.fullName)],
    ['Song 1', 3, 'take2.wav', ['Ada', 'Ben']],
  );
  w.flow.next();
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  const at = '/v1/works/101/versions';
  assert.deepEqual(w.routes, [
    `GET /v1/works`,
    `GET ${at}`,
    `GET ${at}/2/creators`,
    `POST ${at}/init`,
    `POST ${at}/prepare`,
    `POST ${at}/confirm`,
  ]);
  assert.equal(w.state.accessCode, undefined);
});

test('the widget waits for a token before it asks for one', async () => {
  const w = worldOf('update', 1);
  w.flow.tokens.clear();
  w.flow.browse();
  await new Promise(setImmediate);
  assert.deepEqual(w.events, []);
  w.flow.tokens.set('t2');
  await w.until(() => !w.state.opening);
  assert.deepEqual([w.events, w.asked], [[], ['works:t2']]);

  const v = worldOf('update', 1);
  v.flow.tokens.clear();
  v.onTokenExpired = (flow) => flow.tokens.set('t3');
  v.flow.browse();
  await v.until(() => !v.state.opening && v.asked.length > 0);
  assert.deepEqual([v.events, v.asked], [[['allfeat:token-expired', { pendingAction: 'submit' }]], ['works:t3']]);
});

test('the search starts after a pause in typing, and the last search text counts', async () => {
  const w = await listed('update', 9);
  for (const typed of ['B', 'Bl', 'Blu', 'Blue 3']) libraryOf(w).type(typed);
  await w.until(() => libraryOf(w).answered === 'Blue 3');
  assert.deepEqual([titles(w), w.asked.length], [['Blue 3'], 2]);
  libraryOf(w).type('nothing', true);
  await w.until(() => libraryOf(w).answered === 'nothing');
  assert.deepEqual([titles(w), libraryOf(w).total], [[], 0]);
});

test('pages follow each other, and the focus continues at the next work', async () => {
  const w = await listed('update', 45);
  assert.equal(titles(w).length, 20);
  w.focus = 'more';
  libraryOf(w).more(false);
  libraryOf(w).more(false); // pressed twice
  await w.until(() => titles(w).length === 40);
  assert.equal(w.focus, 'more');
  w.focus = 'work-139';
  libraryOf(w).more(true);
  await w.until(() => titles(w).length === 45);
  assert.deepEqual([w.focus, libraryOf(w).chosen?.atsId, libraryOf(w).next, w.asked.length], ['work-140', 140, '', 3]);
});

test('a late answer moves nothing that the user works with', async () => {
  const w = await listed('update', 9);
  libraryOf(w).type('Blue');
  // Before the answer arrives, the user moves into the list and chooses.
  libraryOf(w).choose(libraryOf(w).list[2]!);
  w.focus = 'work-102';
  await w.until(() => libraryOf(w).answered === 'Blue');
  assert.deepEqual([titles(w), w.focus], [['Blue 0', 'Blue 3', 'Song 2', 'Blue 6'], 'work-102']);
  // Only focused, in a list that becomes shorter.
  libraryOf(w).type('Blue 6');
  w.focus = 'work-103';
  await w.until(() => libraryOf(w).answered === 'Blue 6');
  assert.deepEqual([titles(w), w.focus], [['Blue 6', 'Blue 3'], 'work-103']);
});

test('while a session is renewed, typing does not ask the page again', async () => {
  const w = await listed('update', 9);
  w.dead.add('t1');
  libraryOf(w).type('Song');
  await w.until(() => w.names().length > 0);
  libraryOf(w).type('Song 4');
  w.flow.tokens.set('t2');
  await w.until(() => libraryOf(w).answered === 'Song 4');
  assert.deepEqual([titles(w), w.names()], [['Song 4'], ['token-expired']]);
});

test('the works of another end-user are not shown, whatever token arrives late', async () => {
  const w = worldOf('update', 2);
  w.owner = 'ben';
  w.onTokenExpired = (flow) => {
    w.owner = 'ada';
    flow.tokens.set('t2');
  };
  w.flow.browse();
  await w.until(() => !w.state.opening && titles(w).length > 0);
  assert.deepEqual([w.asked, w.names()], [['works:t1', 'works:t2'], ['token-expired']]);

  const v = worldOf('update', 2);
  v.owner = 'ben';
  v.onTokenExpired = (flow) => flow.tokens.set('still');
  v.flow.browse();
  await v.screen('FAILED');
  assert.deepEqual([v.state.problem?.code, titles(v)], ['common.forbidden', []]);
});

test('a deleted work leads to the list, read again', async () => {
  for (const at of ['list', 'init'] as const) {
    const w = await listed('update');
    if (at === 'init') await chosen(w, 1);
    else libraryOf(w).choose(libraryOf(w).list[1]!);
    w.library = w.library.filter((x) => x.ats_id !== 101);
    if (at === 'init') w.flow.submit();
    else libraryOf(w).pick();
    await w.screen('FAILED');
    assert.deepEqual([w.state.problem?.code, w.state.resume, kept(w.state)], ['work.not_found', 'form', false]);
    w.flow.retry();
    await w.until(() => titles(w).length === 2 && !w.state.opening);
    assert.deepEqual([w.state.screen, w.state.step, libraryOf(w).chosen], ['FORM', 'works', undefined]);
  }
});

test('an unreachable server: Retry repeats the request', async () => {
  const w = await listed('update', 45);
  libraryOf(w).type('Song');
  w.faults.works = [refused(503, 'common.service_unavailable')];
  await w.screen('FAILED');
  assert.deepEqual([w.state.resume, w.names()], ['open', ['failed']]);
  w.flow.retry();
  await w.until(() => libraryOf(w).answered === 'Song');
  w.faults.works = [refused(503, 'common.service_unavailable')];
  libraryOf(w).more(false);
  await w.screen('FAILED');
  w.flow.retry();
  await w.until(() => titles(w).length === 30);
});

test('after another update came first, the work is read again, and the typed fields are kept', async () => {
  const w = await listed('update');
  await chosen(w);
  w.flow.dispatch({ type: 'draft', path: '', draft: { creators: [{ ...w.state.creators[0]!, fullName: 'Ada L.' }] } });
  w.faults.init = [refused(409, 'version.already_in_progress')];
  w.flow.submit();
  await w.screen('FAILED');
  w.library[0]!.versions = 3;
  w.flow.retry();
  await w.until(() => w.state.step === 'song' && !w.state.opening);
  assert.deepEqual([w.state.moved, w.state.version, w.state.creators.map((c) => c.fullName)], [true, 4, ['Ada L.']]);
});

test('answers without the documented JSON', async () => {
  for (const body of ['{"total_count":1}', '{"total_count":1,"works":[{}]}', '[]', '{"total_count":1,"works":{}}']) {
    const w = worldOf('update', 1);
    w.faults.works = [{ status: 200, body }];
    w.flow.browse();
    await w.screen('FAILED');
    assert.equal(w.state.problem?.code, 'widget.malformed_response', body);
  }
});

test('without the works file: Retry fetches it', async () => {
  const w = worldOf('update', 1);
  const fetchPart = w.fetchPart;
  w.fetchPart = async () => {
    w.fetchPart = fetchPart;
    throw new (await import('../src/ats/problem.js')).ProblemError('widget.network_error');
  };
  w.flow.browse();
  await w.screen('FAILED');
  assert.deepEqual([w.state.problem?.code, w.state.resume], ['widget.network_error', 'open']);
  w.flow.retry();
  await w.until(() => !w.state.opening && titles(w).length === 1);
});

test('another end-user, and another mode, start empty', async () => {
  const w = await listed('update');
  await chosen(w);
  const former = libraryOf(w);
  w.user = w.owner = 'ben';
  assert.equal(w.flow.leave('update', 'ada'), true);
  assert.deepEqual(
    [w.flow.library, w.state.work, w.state.title, w.state.step, w.flow.tokens.value],
    [undefined, undefined, '', 'works', ''],
  );
  w.library = [{ id: 'b', ats_id: 7, title: 'Ben’s', versions: 1 }];
  w.flow.tokens.set('t2');
  w.flow.browse();
  await w.until(() => !w.state.opening && !!w.flow.library);
  assert.notEqual(libraryOf(w), former);
  assert.deepEqual(titles(w), ['Ben’s']);
  assert.equal(w.flow.switch('download'), true);
  assert.deepEqual([w.flow.library, w.state.step, w.flow.tokens.value], [undefined, 'works', '']);
  w.user = '';
  assert.equal(w.flow.leave('update', 'ben'), true);
  assert.deepEqual([w.state.step, w.state.own], ['code', false]);
});

test('the versions of a work, their creators when they are opened, and a download', async () => {
  const w = await listed('download');
  await chosen(w);
  const s = libraryOf(w);
  assert.deepEqual(
    s.versions.map((v) => [v.version, v.filename]),
    [
      [1, 'take1.wav'],
      [2, 'take2.wav'],
    ],
  );
  assert.deepEqual([...s.people.keys()], [2]);
  await s.show(1);
  await s.show(1);
  assert.deepEqual(
    s.people.get(1)?.map((c) => c.fullName),
    ['Ada', 'Ben'],
  );
  assert.deepEqual(w.routes.slice(1), [
    'GET /v1/works/100/versions',
    'GET /v1/works/100/versions/2/creators',
    'GET /v1/works/100/versions/1/creators',
  ]);
  await w.saving(() => s.get(1, 'audio'));
  assert.deepEqual(w.saved, ['https://blob.example/v1/works/id-0/versions/1/download/audio']);
  assert.equal(s.files.get('audio-1')?.state, 'begun');
});

test('a certificate that is being made is waited for; one that does not arrive is reported next to its button', async () => {
  const w = await listed('download');
  await chosen(w);
  const s = libraryOf(w);
  w.faults.certificate = [refused(404, 'work.certificate_unavailable'), refused(404, 'work.certificate_unavailable')];
  const done = w.saving(() => s.get(2, 'certificate'));
  await w.until(() => s.files.get('certificate-2')?.state === 'waiting');
  await s.get(2, 'certificate'); // pressed again meanwhile
  await w.until(() => s.files.get('certificate-2')?.state === 'begun');
  await done;
  assert.deepEqual([w.saved.length, w.asked.filter((a) => a.startsWith('certificate')).length, w.names()], [1, 3, []]);

  w.faults.certificate = Array.from({ length: 60 }, () => refused(404, 'work.certificate_unavailable'));
  const late = s.get(1, 'certificate');
  await w.until(() => s.files.get('certificate-1')?.state === 'refused');
  await late;
  assert.equal(w.state.screen, 'FORM');
  const [name, emitted] = w.events.at(-1)!;
  assert.deepEqual([name, emitted['code'], emitted['stage']], ['allfeat:error', 'work.certificate_unavailable', 'certificate']);
});

test('a recording that is not kept is reported next to its button; a problem of the whole page is a screen', async () => {
  const w = await listed('download');
  await chosen(w);
  const s = libraryOf(w);
  w.faults.audio = [refused(404, 'common.not_found')];
  await s.get(1, 'audio');
  assert.deepEqual([s.files.get('audio-1')?.problem?.code, w.state.screen], ['common.not_found', 'FORM']);
  w.faults.audio = [refused(403, 'session.key_inactive')];
  await s.get(2, 'audio');
  assert.equal(w.state.screen, 'DISABLED');
});

test('leaving the screen ends all waiting', async () => {
  const w = await listed('download');
  await chosen(w);
  const s = libraryOf(w);
  w.faults.certificate = Array.from({ length: 60 }, () => refused(404, 'work.certificate_unavailable'));
  const waits = s.get(2, 'certificate');
  await w.until(() => s.files.get('certificate-2')?.state === 'waiting');
  s.back();
  await waits;
  assert.deepEqual([w.state.step, w.focus, s.files.size, w.saved], ['works', 'work-100', 0, []]);
});

test('every code, received by the list: by its class', async () => {
  for (const code of Object.keys(errorTable) as AtsErrorCode[]) {
    const { class: kind, status } = errorTable[code];
    if (kind === 'client') continue;
    const w = await listed('update');
    const t1 = refused(status, code);
    // The widget waits for a rate limit by itself, twice. A session without an end-user is replaced, twice.
    w.faults.works = [t1, t1, t1];
    w.onTokenExpired = (flow) => flow.tokens.set('fresh');
    const before = w.events.length;
    libraryOf(w).type('Song', true);
    await w.until(() => w.state.screen !== 'FORM' || libraryOf(w).answered === 'Song');
    const emitted = w.names().slice(before);
    if (kind === 'refresh')
      assert.deepEqual([w.state.screen, emitted], ['FORM', ['token-expired', 'token-expired', 'token-expired']], code);
    else {
      const asked = code === 'common.forbidden' ? ['token-expired', 'token-expired'] : [];
      assert.deepEqual([w.state.screen, emitted], [kind === 'disabled' ? 'DISABLED' : 'FAILED', [...asked, 'failed']], code);
    }
  }
});
