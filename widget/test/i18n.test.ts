import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { catalogues, type Key } from '../src/catalogues.js';
import { errorTable, type BrowserErrorCode } from '../src/gen/errors.js';
import { Texts, languageOf, textOf } from '../src/i18n.js';

const places = (s: string) => [...new Set(s.match(/\{\w+\}/g))].sort();
const all = Object.entries(catalogues);
const en = catalogues['en']!;

test('seven catalogues, each with every key and the same places', () => {
  assert.deepEqual(Object.keys(catalogues).sort(), ['ar', 'de', 'en', 'es', 'fr', 'ja', 'pt']);
  for (const [locale, c] of all) {
    assert.deepEqual(Object.keys(c), Object.keys(en), locale);
    for (const key of Object.keys(en) as Key[]) {
      assert.ok(c[key].trim(), `${locale} ${key}`);
      assert.deepEqual(places(c[key]), places(en[key]), `${locale} ${key}`);
    }
  }
});

test('the packed catalogues are the files', () => {
  for (const file of readdirSync('src/locales'))
    assert.deepEqual(catalogues[file.replace('.json', '')], JSON.parse(readFileSync(`src/locales/${file}`, 'utf8')));
});

test('plural texts have every form that their language uses', () => {
  for (const [locale] of all)
    for (const n of [0, 1, 2, 3, 11, 100, 1000]) assert.match(new Texts(locale).t('credits', { n }), /\D/, locale);
  assert.equal(new Texts('en').t('credits', { n: 1 }), '1 credit');
  assert.equal(new Texts('en').t('credits', { n: 1200 }), '1,200 credits');
  assert.equal(new Texts('ar').t('credits', { n: 2 }), 'رصيدان');
  for (const [locale, c] of all) {
    const forms = c.credits.split('|').map((f) => f.split('=')[0]);
    const used = new Set(Array.from({ length: 200 }, (_, n) => new Intl.PluralRules(locale).select(n)));
    for (const form of used) assert.ok(forms.includes(form), `${locale} lacks ${form}`);
  }
});

test('languages: region dropped, unknown is English, direction', () => {
  for (const [tag, lang] of [['fr-CH', 'fr'], ['PT_br', 'pt'], ['sv', 'en'], ['', 'en'], ['constructor', 'en']] as const)
    assert.equal(languageOf(tag), lang);
  assert.equal(new Texts('ar-EG').dir, 'rtl');
  assert.equal(new Texts('not a tag').t('next'), en.next);
});

test('sizes', () => {
  assert.equal(new Texts('en').size(12_345_678), '12.3 MB');
  assert.equal(new Texts('en').size(999), '1 kB');
  assert.equal(new Texts('fr').size(1_500_000).replace(/\s/g, ' '), '1,5 Mo');
});

test('values are text: places inside them are not filled', () => {
  assert.equal(new Texts('en').t('sent', { loaded: '{total}', total: 'x' }), '{total} of x');
});

test('every code has a text on the screen', () => {
  for (const code of Object.keys(errorTable) as BrowserErrorCode[]) assert.ok(en[textOf(code)], code);
});
