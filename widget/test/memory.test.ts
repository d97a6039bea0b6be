/** What is remembered over a reload of the page, and by which of its widgets it is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimKey, recallTransaction, rememberTransaction } from '../src/memory.js';

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

test('two widgets that are configured alike remember a transaction each', () => {
  const [one, two] = [on(), on()];
  const [first, second] = [claimKey('alike bob', one), claimKey('alike bob', two)];
  rememberTransaction(first, pending('a'));
  rememberTransaction(second, pending('b'));
  assert.equal(kept.size, 2);
  rememberTransaction(first, undefined);
  assert.deepEqual([...kept.values()].map((v) => JSON.parse(v).transactionId), ['b']);
  assert.equal(recallTransaction(first), undefined);
  assert.equal(recallTransaction(second), undefined, 'not on the page that it was begun on');
  assert.notEqual(claimKey('alike bob 2', on()), second, 'another end-user');
  assert.equal(claimKey('alike bob', two), second, 'asked again, each keeps its own');
});

test('the key of a widget that left the page, or became another, is free', () => {
  const one = { isConnected: true };
  assert.equal(claimKey('free', one), 'free');
  one.isConnected = false;
  const two = on();
  assert.equal(claimKey('free', two), 'free');
  claimKey('elsewhere', two);
  assert.equal(claimKey('free', on()), 'free');
});

test('what is kept and cannot be read is nothing', () => {
  kept.set('ats-widget odd', '{"transactionId":1}');
  assert.equal(recallTransaction('odd'), undefined);
  kept.set('ats-widget broken', '{');
  assert.equal(recallTransaction('broken'), undefined);
  kept.set('ats-widget found', JSON.stringify({ ...pending('t'), version: 2 }));
  assert.deepEqual(recallTransaction('found'), { ...pending('t'), version: 2 });
  assert.equal(recallTransaction('found'), undefined, 'once');
});
