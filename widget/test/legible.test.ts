/** The cases of the Go sources (internal/legible): widget, page and server give the same result for each text. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blank, flawOf, legible, named } from '../../web/i18n/legible.js';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly rule: string;
  readonly at?: number;
  readonly shown: string;
  readonly blank?: boolean;
}

test('an invisible character is found, and named where it is shown', () => {
  const cases = JSON.parse(readFileSync('../internal/legible/testdata/cases.json', 'utf8')) as Case[];
  assert.ok(cases.length > 200);
  for (const c of cases) {
    const text = `${c.name}: ${JSON.stringify(c.text)}`;
    assert.equal(flawOf(c.text)?.flaw ?? '', c.rule, text);
    if (c.at) assert.equal(flawOf(c.text)?.char, named([...c.text][c.at - 1]!), text);
    assert.equal(legible(c.text), c.shown, text);
    assert.equal(blank(c.text), c.blank ?? false, text);
  }
});
