/** The browser's implementation of the environment, as far as Node supports it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserEnv } from '../src/page/browser.js';

test('a wait longer than a timer supports does not end at once', async () => {
  const stop = new AbortController();
  let over = false;
  const wait = browserEnv.sleep(2 ** 31, stop.signal).then(() => (over = true));
  await browserEnv.sleep(5, new AbortController().signal);
  assert.equal(over, false);
  stop.abort(new Error('enough'));
  await assert.rejects(wait, /enough/);
});
