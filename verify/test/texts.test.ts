import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Texts, languageFor, languages, type Key } from '../src/texts.js';

const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

test('every language says everything, with the same places', () => {
  const en = languages['en']!.texts;
  for (const [lang, { texts }] of Object.entries(languages)) {
    assert.deepEqual(Object.keys(texts), Object.keys(en), lang);
    for (const key of Object.keys(en) as Key[]) {
      assert.ok(texts[key].trim(), `${lang}: ${key}`);
      assert.deepEqual(places(texts[key]), places(en[key]), `${lang}: ${key}`);
    }
  }
});

test('the language is one that the reader wants', () => {
  assert.equal(languageFor(['pt-BR', 'en']), 'pt');
  assert.equal(languageFor(['xx', 'ar-EG']), 'ar');
  assert.equal(languageFor(['constructor']), 'en');
  assert.equal(languageFor([]), 'en');
});

test('dates are in UTC, whatever the language', () => {
  for (const lang of Object.keys(languages)) assert.match(new Texts(lang).date(Date.UTC(2026, 2, 1, 23, 30)), /UTC/, lang);
  assert.match(new Texts('en').date(Date.UTC(2026, 2, 1, 23, 30)), /March 1, 2026.*11:30/);
  assert.equal(new Texts('ar').dir, 'rtl');
});
