/** keepSession() of the npm package, with a stand-in for the element. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AtsWidget } from '../src/element.js';
import { AtsEvent } from '../src/events.js';
import type { AtsState } from '../src/public.js';
import { keepSession } from '../npm/src/session.js';

class Stand extends EventTarget {
  mode = 'update';
  readonly given: unknown[] = [];
  constructor(readonly state: AtsState) {
    super();
  }
  getState = () => this.state;
  setToken = (token: string) => void this.given.push(token);
  refuseToken = (why: unknown) => void this.given.push(why);
}
const asWidget = (s: Stand) => s as unknown as AtsWidget;
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a widget that asked before keepSession() began is answered, and asked for nothing twice', async () => {
  const late = new Stand({ screen: 'FORM', needsToken: true });
  const asked: string[] = [];
  const stop = keepSession(asWidget(late), (event) => {
    asked.push(`${event.type} ${JSON.stringify(event.detail)}`);
    return { token: `t${asked.length}` };
  });
  await settled();
  assert.deepEqual([asked, late.given], [['allfeat:ready {"mode":"update"}'], ['t1']]);
  late.dispatchEvent(new AtsEvent('allfeat:token-expired', { pendingAction: 'submit' }));
  await settled();
  assert.deepEqual(late.given, ['t1', 't2']);
  stop();
  late.dispatchEvent(new AtsEvent('allfeat:token-expired', { pendingAction: 'submit' }));
  await settled();
  assert.equal(asked.length, 2);
});

test('a widget that has a token, or is not ready, is not asked for', async () => {
  const early = new Stand({ screen: 'FORM' });
  let asked = 0;
  keepSession(asWidget(early), () => ({ token: `t${++asked}` }));
  const undefinedYet = new Stand({ screen: 'FORM', needsToken: true });
  delete (undefinedYet as Partial<Stand>).getState;
  keepSession(asWidget(undefinedYet), () => ({ token: `t${++asked}` }));
  await settled();
  assert.equal(asked, 0);
  early.dispatchEvent(new AtsEvent('allfeat:ready', { mode: 'register' }));
  await settled();
  assert.deepEqual(early.given, ['t1']);
});
