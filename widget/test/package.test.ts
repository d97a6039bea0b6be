import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { AtsWidget } from '../src/element.js';
import * as exported from '../src/define.js';
import { version } from '../src/define.js';

interface Manifest {
  modules: {
    declarations: {
      attributes: { name: string }[];
      events: { name: string }[];
      cssProperties: { name: string }[];
      cssParts: { name: string }[];
    }[];
  }[];
}
const manifest = (JSON.parse(readFileSync('dist/custom-elements.json', 'utf8')) as Manifest).modules[0]!.declarations[0]!;
const names = (list: { name: string }[]) => list.map((x) => x.name).sort();
const source = (file: string) => readFileSync(`src/${file}`, 'utf8');
const drawn = [
  'element.ts',
  'controller.ts',
  ...['screens', 'works'].flatMap((dir) => readdirSync(`src/${dir}`).map((f) => `${dir}/${f}`)),
];
const found = (text: string, re: RegExp) => [...new Set([...text.matchAll(re)].map((m) => m[1]!))].sort();

test('importing without a DOM defines nothing and does not throw', () => {
  assert.equal(globalThis.document, undefined);
  assert.equal(version, 'test');
});

test('the module exports the same names as the types and the classic script', async () => {
  const types = readFileSync('dist/ats-widget.d.ts', 'utf8');
  assert.deepEqual(Object.keys(exported).sort(), found(types, /^export declare (?:const|class) (\w+)/gm));
  assert.deepEqual(Object.values(exported.EVENT_NAMES).sort(), names(manifest.events));
  assert.equal(exported.EVENT_NAMES.UPLOAD_START, 'allfeat:upload-start');
  assert.ok(Object.isFrozen(exported.EVENT_NAMES));
  await import('../src/classic.js');
  const { AtsWidgetComponent: all } = globalThis as unknown as { AtsWidgetComponent: typeof exported };
  assert.deepEqual({ ...all }, { ...exported });
});

test('the manifest lists the members of the element', () => {
  assert.deepEqual(names(manifest.attributes), [...AtsWidget.observedAttributes].sort());
  assert.deepEqual(names(manifest.events), found(source('events.ts'), /'(allfeat:[\w-]+)':/g));
  assert.deepEqual(names(manifest.cssProperties), found(source('styles/first.css'), /var\((--ats-[\w-]+)/g));
  const screens = drawn.map(source).join('');
  assert.deepEqual(names(manifest.cssParts), found(screens, /part="([\w-]+)"/g));
});

test('no inline style, and no markup from strings', () => {
  const all = drawn.map(source).join('');
  assert.doesNotMatch(all, /innerHTML|unsafeHTML|style=|<style|setAttribute\('style/);
});

test('the lock file names no registry', () => {
  assert.doesNotMatch(readFileSync('../package-lock.json', 'utf8'), /"resolved": "https?:/);
});
