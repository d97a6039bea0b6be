import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { downloads } from '../src/page/frame.js';

interface Win {
  origin: string;
  top?: Win;
  parent?: Win;
  frameElement: { getAttribute(name: string): string | null } | null;
}

/** A page in frames, the outermost first: the sandbox of each, null for none, undefined for an unreadable one. */
function page(origin: string, ...frames: (string | null | undefined)[]): void {
  const top: Win = { origin: 'https://a.example', frameElement: null };
  top.top = top.parent = top;
  let w = top;
  for (const sandbox of frames) {
    const frameElement = sandbox === undefined ? null : { getAttribute: () => sandbox };
    w = { origin: 'https://a.example', top, parent: w, frameElement };
  }
  w.origin = origin;
  Object.assign(globalThis, { window: w });
}

afterEach(() => {
  delete (globalThis as { window?: unknown }).window;
});

test('a page outside a frame may download', () => {
  assert.equal(downloads(), 'yes', 'no page at all');
  page('https://a.example');
  assert.equal(downloads(), 'yes');
  page('null');
  assert.equal(downloads(), 'unsure', 'a page in a sandbox of its policy');
});

test('a sandbox without allow-downloads forbids it, at any depth', () => {
  for (const [want, ...frames] of [
    ['yes', null],
    ['yes', null, null],
    ['yes', 'allow-scripts ALLOW-DOWNLOADS'],
    ['no', ''],
    ['no', 'allow-scripts allow-downloads-without-user-activation'],
    ['no', 'allow-scripts', null],
    ['no', null, 'allow-scripts'],
    ['unsure', undefined],
    ['unsure', undefined, 'allow-downloads'],
    ['no', undefined, 'allow-scripts'],
  ] as const) {
    page('https://a.example', ...frames);
    assert.equal(downloads(), want, JSON.stringify(frames));
  }
});
