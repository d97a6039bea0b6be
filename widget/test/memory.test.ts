/** The data stored across a reload of the page, and the widget that finds it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { draftOf, reduce } from '../src/machine.js';
import type { State } from '../src/state.js';
import { initial } from '../src/state.js';
import { recallDraft, recallTransaction, rememberDraft, rememberTransaction } from '../src/page/memory.js';
import { claimKey } from '../src/page/place.js';
import { World, code } from './world.js';

const kept = new Map<string, string>();
Object.assign(globalThis, {
  sessionStorage: {
    getItem: (k: string) => kept.get(k) ?? null,
    setItem: (k: string, v: string) => kept.set(k, v),
    removeItem: (k: string) => kept.delete(k),
  },
});
const pending = (id: string) => ({ transactionId: id, wsUrl: 'w', statusUrl: 's', title: id });
const on = () => ({ isConnected: true });

test('two widgets with the same configuration store a transaction each', () => {
  const [one, two] = [on(), on()];
  const [first, second] = [claimKey('alike bob', one), claimKey('alike bob', two)];
  rememberTransaction(first, pending('a'));
  rememberTransaction(second, pending('b'));
  assert.equal(kept.size, 2);
  rememberTransaction(first, undefined);
  assert.deepEqual(
    [...kept.values()].map((v) => JSON.parse(v).transactionId),
    ['b'],
  );
  assert.equal(recallTransaction(first, 'register'), undefined);
  assert.equal(recallTransaction(second, 'register')?.transactionId, 'b', 'after each reload');
  assert.notEqual(claimKey('alike bob 2', on()), second, 'another end-user');
  assert.equal(claimKey('alike bob', two), second, 'at the next claim, each keeps its own key');
});

test('the key of a widget that left the page, or was configured otherwise, is free', () => {
  const one = { isConnected: true };
  assert.equal(claimKey('free', one), 'free');
  one.isConnected = false;
  const two = on();
  assert.equal(claimKey('free', two), 'free');
  claimKey('elsewhere', two);
  assert.equal(claimKey('free', on()), 'free');
});

test('unreadable stored data counts as nothing', () => {
  kept.set('ats-widget odd', '{"transactionId":1}');
  assert.equal(recallTransaction('odd', 'register'), undefined);
  kept.set('ats-widget broken', '{');
  assert.equal(recallTransaction('broken', 'register'), undefined);
  kept.set('ats-widget found', JSON.stringify({ ...pending('t'), version: 2 }));
  assert.deepEqual(recallTransaction('found', 'register'), { ...pending('t'), version: 2 });
});

test('a widget that left the page gives its key to the one in its place, unless it is ordering', () => {
  let gave = 0;
  const one = { isConnected: true, ordering: true, giveWay: () => gave++ };
  claimKey('place', one);
  one.isConnected = false;
  assert.equal(claimKey('place', on()), '2 place', 'it is unknown whether its order was accepted');
  one.ordering = false;
  assert.deepEqual([claimKey('place', on()), gave], ['place', 1]);
});

const filled = (s: State): State =>
  reduce(s, {
    type: 'draft',
    path: '',
    draft: {
      file: new File(['x'], 'take ‮1.wav'),
      title: ' Blue  Morning',
      code,
      creators: [
        {
          id: 7,
          fullName: 'Ada',
          email: 'ada@example.org',
          roles: { author: true, composer: false, arranger: false, adapter: false },
          ipi: '12',
          isni: '',
        },
      ],
    },
  });

test('a draft returns without its file, and the file is requested by its name; the access code is never stored', () => {
  const s = filled(initial());
  assert.ok(rememberDraft('d', 'register', draftOf(s)));
  assert.doesNotMatch([...kept.values()].join(), /atc_/);
  assert.equal(recallDraft('d', 'update'), undefined);
  const back = reduce(initial(), { type: 'restored', saved: recallDraft('d', 'register')! });
  assert.deepEqual(
    [back.title, back.file, back.lost, back.creators.map(({ id: _, ...c }) => c)],
    [s.title, null, 'take ‮1.wav', s.creators.map(({ id: _, ...c }) => c)],
  );
  assert.deepEqual(draftOf(back), { ...draftOf(s)!, creators: back.creators }, 'a second reload loses nothing more');
  assert.equal(reduce(back, { type: 'draft', path: 'file', draft: { file: new File(['x'], 'b.wav') } }).lost, '');
  rememberDraft('d', 'register', draftOf(initial()));
  assert.equal(recallDraft('d', 'register'), undefined, 'an empty form is not stored');
});

test('an invalid draft is ignored, and an oversized one is cut to what a form can hold', () => {
  for (const text of ['{', '[]', '{"creators":[]}', '{"creators":{}}', '7', 'null']) {
    kept.set('ats-widget draft register odd', text);
    assert.equal(recallDraft('odd', 'register'), undefined, text);
  }
  kept.set(
    'ats-widget draft register odd',
    JSON.stringify({ title: 5, creators: Array(99).fill({ roles: { author: 'yes' }, fullName: 'x'.repeat(9999) }) }),
  );
  const d = recallDraft('odd', 'register')!;
  assert.deepEqual([d.title, d.creators.length, d.creators[31]?.fullName.length, d.creators[0]?.roles.author], ['', 32, 1000, false]);
});

test('if the browser stores nothing, nothing breaks', () => {
  const all = globalThis.sessionStorage;
  for (const broken of [undefined, { getItem: () => assert.fail(), setItem: () => assert.fail(), removeItem: () => assert.fail() }]) {
    Object.assign(globalThis, { sessionStorage: broken });
    assert.equal(rememberDraft('n', 'register', draftOf(filled(initial()))), false);
    assert.deepEqual(
      [recallDraft('n', 'register'), recallTransaction('n', 'register'), rememberTransaction('n', pending('x'))],
      [undefined, undefined, false],
    );
  }
  Object.assign(globalThis, { sessionStorage: all });
});

test('in an update the creators return with the work that they were typed for, after its code was entered again', async () => {
  const w = new World('update');
  const looked = async (v: World) => {
    v.flow.dispatch({ type: 'draft', path: 'access_code', draft: { code } });
    v.flow.open();
    await v.until(() => v.state.step === 'song');
  };
  await looked(w);
  assert.equal(draftOf(w.state), undefined, 'the data of the work itself is not stored');
  const [ada, ben] = w.state.creators;
  w.flow.dispatch({
    type: 'draft',
    path: '',
    draft: { creators: [{ ...ada!, fullName: 'Ada M.' }, ben!], file: new File(['x'], 'b.wav') },
  });
  rememberDraft('u', 'update', draftOf(w.state));
  const v = new World('update');
  v.flow.restore(recallDraft('u', 'update')!);
  assert.deepEqual(draftOf(v.state), recallDraft('u', 'update'), 'it is stored until then');
  await looked(v);
  assert.deepEqual([v.state.creators.map((c) => c.fullName), v.state.lost], [['Ada M.', 'Ben'], 'b.wav']);
  // Another work: fields typed for the first work do not apply.
  const x = new World('update');
  x.work = { ...x.work, ats_id: 43 };
  x.flow.restore(recallDraft('u', 'update')!);
  await looked(x);
  assert.deepEqual([x.state.creators.map((c) => c.fullName), x.state.lost, draftOf(x.state)], [['Ada', 'Ben'], '', undefined]);
});

/** Reloads the page. returns: the server still returns the code. */
async function again(w: World, returns: boolean): Promise<World> {
  const v = new World();
  if (!returns) v.accessCode = undefined;
  v.flow.dispatch({ type: 'reset', mode: 'register', own: false });
  v.flow.recall(w.remembered!);
  v.remembered = w.remembered;
  await v.until(() => v.state.screen !== 'TRACKING');
  return v;
}

test('an access code that is not saved is shown again after a reload, while the server returns it, and the page receives no event twice', async () => {
  const w = new World();
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.ok(!JSON.stringify(w.remembered).includes(w.accessCode!));
  const v = await again(w, true);
  assert.deepEqual(
    [v.state.screen, v.state.accessCode, v.state.result?.atsId, v.state.title, v.events],
    ['COMPLETE', w.accessCode, 42, 'Blue Morning', []],
  );
  assert.ok(v.remembered, 'it can be resumed once more');
  v.flow.codeKept();
  assert.equal(v.remembered, undefined);
  // The server no longer returns the code: an empty form, and nothing stored.
  const late = await again(w, false);
  assert.deepEqual([late.state.screen, late.remembered, late.events], ['FORM', undefined, []]);
  // Another registration is started.
  v.remembered = w.remembered;
  v.flow.reset('register');
  assert.equal(v.remembered, undefined);
});

test('a code that was copied early, next to a problem, is not shown again', async () => {
  const w = new World();
  w.onSocket = (s) => s.drop();
  w.reached = 3;
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('FAILED');
  assert.equal(w.state.accessCode, w.accessCode);
  w.flow.codeKept();
  assert.ok(w.remembered, 'it is still running');
  w.reached = 6;
  w.flow.retry();
  await w.screen('COMPLETE');
  assert.equal(w.remembered, undefined);
});

test('a title proposed before the reload is replaced by that of another file', async () => {
  const w = new World();
  w.flow.dispatch({ type: 'reset', mode: 'register', own: false });
  w.flow.dispatch({ type: 'proposed', title: 'one' });
  const v = new World();
  v.flow.dispatch({ type: 'reset', mode: 'register', own: false });
  rememberDraft('p', 'register', draftOf(w.state));
  v.flow.restore(recallDraft('p', 'register')!);
  v.flow.choose(new File(['RIFF'], 'two.wav'));
  await v.until(() => v.state.title === 'two');
});

test('a registration without an access code is not stored after its end', async () => {
  const w = new World('register', 'ada');
  w.accessCode = undefined;
  w.flow.submit();
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.equal(w.remembered, undefined);
});

test('a final screen returns to its place: the page, or the route of the page, that showed it, in its mode', () => {
  const at = (pathname: string) => Object.assign(globalThis, { location: { pathname } });
  at('/register');
  rememberTransaction('here', { ...pending('t'), done: true });
  at('/another/route');
  assert.ok(recallTransaction('here', 'register'));
  assert.equal(recallTransaction('here', 'update'), undefined);
  // After a reload the page knows only the stored data.
  kept.set('ats-widget new', kept.get('ats-widget here')!);
  assert.equal(recallTransaction('new', 'register'), undefined);
  at('/register');
  assert.deepEqual(recallTransaction('new', 'register'), { ...pending('t'), done: true });
  // A running transaction is followed on any route.
  rememberTransaction('on', pending('t'));
  at('/another/route');
  assert.ok(recallTransaction('on', 'update'));
  Reflect.deleteProperty(globalThis, 'location');
});
