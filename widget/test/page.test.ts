/** The page of the public documentation: it changes the mode, fetches a token, and sets it; its handler knows two actions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Purpose } from '../src/state.js';
import { World, code } from './world.js';

const actions = { register: 'register', update: 'update_version', download: 'access' } as const;

/** A page as documented, with a server whose mint takes this many milliseconds. */
class DocumentedPage {
  readonly w: World;
  mode: Purpose = 'register';
  readonly asked: unknown[] = [];
  #minted = 0;

  constructor(
    user: string,
    readonly mintTakes: number,
  ) {
    this.w = new World('register', user);
    this.w.library = [{ id: 'w1', ats_id: 42, title: 'Blue Morning', versions: 2 }];
    this.w.refusal = (token, method, path) => {
      const action = token.split(' ')[0];
      const reads = method === 'GET';
      if (reads && user) return undefined;
      const wanted =
        path.includes('/versions/') || path.includes('/access/') ? ['update_version', ...(reads ? ['access'] : [])] : ['register'];
      return wanted.includes(action!) ? undefined : { status: 401, code: 'session.invalid_token', details: { reason: 'action' } };
    };
    this.w.flow.tokens.set('register 0');
    this.w.onTokenExpired = () => {
      const { pendingAction } = this.w.events.at(-1)![1];
      this.asked.push(pendingAction);
      this.mint(
        pendingAction === 'download' ? 'access' : pendingAction === 'submit' && this.mode === 'update' ? 'update_version' : 'register',
      );
    };
  }

  mint(action: string): void {
    const token = `${action} ${++this.#minted}`;
    void this.w.env.sleep(this.mintTakes, new AbortController().signal).then(() => this.w.flow.tokens.set(token));
  }

  /** First the element reacts to the change of its attribute, then the page does. */
  switchMode(mode: Purpose): void {
    this.mode = mode;
    this.w.flow.switch(mode);
    this.w.flow.browse();
    this.mint(actions[mode]);
  }
}

for (const user of ['ada', ''])
  for (const mintTakes of [0, 300, 1900])
    test(`${user || 'no end-user'}, mints of ${mintTakes} ms: register, update, download and back, three times`, async () => {
      const p = new DocumentedPage(user, mintTakes);
      const { w } = p;
      for (let round = 0; round < 3; round++)
        for (const mode of ['register', 'update', ...(user ? (['download'] as const) : [])] as Purpose[]) {
          p.switchMode(mode);
          await w.until(() => w.flow.tokens.value !== '' && !w.state.opening);
          assert.deepEqual([w.state.screen, w.state.mode], ['FORM', mode]);
          assert.deepEqual(p.asked, [], `${mode}: the page is not asked for the token that it will give`);
        }
      p.switchMode('update');
      if (user)
        await w.until(() => w.state.step === 'works' && !w.state.opening && (w.flow.library as unknown as { total?: number }).total === 1);
      else {
        w.flow.dispatch({ type: 'draft', path: 'access_code', draft: { code } });
        w.flow.open();
        await w.until(() => w.state.step === 'song');
      }
      assert.deepEqual([p.asked, w.names()], [[], []], w.asked.join());
    });

test('fast changes of mode, with late tokens out of order: no request for a token, no failure', async () => {
  const p = new DocumentedPage('ada', 1500);
  const { w } = p;
  for (const mode of ['update', 'download', 'register', 'update', 'register', 'download', 'update'] as const) p.switchMode(mode);
  await w.until(() => !w.state.opening && w.flow.tokens.value !== '');
  assert.deepEqual([w.state.screen, w.state.step, p.asked, w.names()], ['FORM', 'works', [], []]);
});

test('reset() in an update needs a token for another action: the next write asks with the action that the page knows', async () => {
  const p = new DocumentedPage('', 10);
  const { w } = p;
  p.switchMode('update');
  await w.until(() => w.flow.tokens.value !== '');
  w.flow.reset('update');
  await w.until(() => w.flow.tokens.value.startsWith('register'));
  assert.deepEqual(p.asked, ['reset']);
  w.flow.dispatch({ type: 'draft', path: 'access_code', draft: { code } });
  w.flow.open();
  await w.until(() => w.state.step === 'song');
  assert.deepEqual(p.asked, ['reset', 'submit']);
});

test('a page that gives no token after a change of mode is asked once, after 2 s, with the action of the mode', async () => {
  for (const mode of ['update', 'download'] as const) {
    const w = new World('register', 'ada');
    w.library = [{ id: 'w1', ats_id: 42, title: 'Blue Morning', versions: 2 }];
    const began = w.time;
    let at = 0;
    w.onTokenExpired = (f) => {
      at = w.time;
      f.tokens.set('t2');
    };
    w.flow.switch(mode);
    w.flow.browse();
    await w.until(() => !w.state.opening && w.asked.length > 0);
    assert.equal(at - began, 2000);
    assert.deepEqual(w.events, [['allfeat:token-expired', { pendingAction: mode === 'download' ? 'download' : 'submit' }]]);
  }
  // Nothing needs the token yet. The widget asks all the same, so that the form need not wait for it later.
  const w = new World('update');
  w.flow.switch('register');
  await w.until(() => w.events.length > 0);
  assert.deepEqual(w.events, [['allfeat:token-expired', { pendingAction: 'submit' }]]);
  w.flow.tokens.set('t2');
  assert.equal(w.state.screen, 'FORM');
});
