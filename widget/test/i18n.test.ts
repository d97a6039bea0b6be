import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import languages from 'locales:languages';
import { date, percent, time } from '../../web/i18n/formats.js';
import english from '../../web/i18n/locales/en.json';
import { catalogueFrom, en } from '../src/i18n/catalogues.js';
import { languageOf, textsOf } from '../src/i18n/language.js';
import type { Catalogue, Key } from '../src/i18n/texts.js';
import { englishMessage } from '../src/ats/problem.js';

// As when the other files are loaded.
const others = [english.rest, english.restVerify, english.works, english.hash];
const more = others.flatMap((section) => Object.keys(section));
Object.assign(en, ...others);

/** The texts as the server sends them. */
const read = (lang: string) => (lang === 'en' ? en : (JSON.parse(readFileSync(`dist/locale/${lang}.json`, 'utf8')) as Catalogue));
const all = Object.keys(languages).map((lang) => [lang, read(lang)] as const);
const texts = (tag: string) => textsOf(tag, read(languageOf(tag)));

test('the served catalogues contain what the element reads', () => {
  for (const [lang, c] of all) {
    assert.deepEqual(Object.keys(c).sort(), Object.keys(en).sort(), `${lang}: run go run ./widget/build`);
    assert.deepEqual(catalogueFrom(c), c, lang);
  }
});

test('a catalogue is accepted as a whole or not at all, for the texts of the first file, and must contain only texts', () => {
  const fr = read('fr');
  const { next, ...rest } = fr;
  for (const body of [null, [], 'x', {}, rest, { ...fr, next: 1 }, { ...fr, next: '' }, { ...rest, __proto__: { next } }])
    assert.equal(catalogueFrom(body), undefined, JSON.stringify(body)?.slice(0, 40));
  assert.deepEqual(catalogueFrom({ ...fr, newer: 1, toString: null }), fr);
  // A server older than the other files: their texts are in English.
  const old = Object.fromEntries(Object.entries(fr).filter(([key]) => !more.includes(key)));
  assert.deepEqual(catalogueFrom(old), old);
  const texts = textsOf('fr', old as Catalogue);
  assert.deepEqual([texts.t('next'), texts.t('search')], [fr.next, en.search]);
});

test('plural texts have every form that their language uses', () => {
  for (const [locale] of all)
    for (const n of [0, 1, 2, 3, 11, 100, 1000]) assert.match(texts(locale).t('credits', { n }), /^[^=|{]+$/, locale);
  assert.equal(textsOf('en').t('credits', { n: 1 }), '1 credit');
  assert.equal(textsOf('en').t('credits', { n: 1200 }), '1,200 credits');
  assert.equal(texts('ar').t('credits', { n: 2 }), 'رصيدان');
  const plural = (Object.keys(en) as Key[]).filter((key) => /\|other=/.test(en[key]));
  assert.deepEqual(plural, ['pace', 'credits', 'waitLimited', 'songCount']);
  for (const [locale, c] of all)
    for (const key of plural) {
      const forms = c[key].split('|').map((f) => f.split('=')[0]);
      const used = new Set(Array.from({ length: 200 }, (_, n) => new Intl.PluralRules(locale).select(n)));
      for (const form of used) assert.ok(forms.includes(form), `${locale} ${key} lacks ${form}`);
    }
});

test('languages: region dropped, unknown is English, direction', () => {
  for (const [tag, lang] of [
    ['fr-CH', 'fr'],
    ['PT_br', 'pt'],
    ['sv', 'en'],
    ['', 'en'],
    ['constructor', 'en'],
  ] as const)
    assert.equal(languageOf(tag), lang);
  assert.equal(texts('ar-EG').dir, 'rtl');
  assert.equal(texts('ar').facing('ltr').dir, 'ltr');
  assert.equal(texts('sv-SE').t('credits', { n: 1200 }), '1,200 credits');
  assert.match(texts('fr-CH').number(1200), /^1\D200$/);
  assert.equal(textsOf('fr').t('credits', { n: 1200 }), '1,200 credits', 'English texts, English numbers');
  assert.equal(textsOf('not a tag').t('next'), en.next);
});

test('a size is rounded up, and a limit down', () => {
  const t = textsOf('en');
  for (const [bytes, limit, want] of [
    [12_345_678, false, '11.8 MB'],
    [524_288_000, false, '500 MB'],
    [524_288_001, false, '500.1 MB'],
    [104_850_000, true, '99.9 MB'],
    [999, false, '1 kB'],
    [2047, true, '1 kB'],
    [0, false, '0 kB'],
  ] as const)
    assert.equal(t.size(bytes, limit), want);
  assert.equal(texts('fr').size(1_572_864).replace(/\s/g, ' '), '1,5 Mo');
});

// The cases are those of the server's own test of its messages.
test('a size in a message equals the size that the server writes', () => {
  for (const [size, max, want] of [
    [537_200_000, 524_288_000, '512.4 500'],
    [600 * 1_048_576, 500 * 1_048_576, '600 500'],
    [524_288_001, 524_288_000, '500.1 500'],
    [104_900_000, 104_850_000, '100.1 99.9'],
    [1_049_000, 1_048_999, '1.1 1'],
    [20_000, 10_000, '0.02 0.009'],
    [1, 0, '0.1 0'],
  ] as const) {
    const [s, m] = want.split(' ');
    const code = 'registration.audio_too_large';
    const message = englishMessage({ code, requestId: null, details: { size_bytes: size, max_bytes: max } });
    assert.equal(message, `The asset file is too large (${s} MB). Max: ${m} MB.`);
  }
  for (const details of [undefined, { size_bytes: -1 }, { size_bytes: '1' }])
    assert.equal(
      englishMessage({ code: 'registration.audio_too_large', requestId: null, ...(details && { details }) }),
      'The asset file is too large (? MB). Max: ? MB.',
    );
});

test('a value is isolated where its direction may differ from that of the sentence', () => {
  assert.equal(textsOf('en').t('max', { max: '10 MB' }), 'Up to 10 MB');
  assert.equal(textsOf('en').t('max', { max: 'شهادة' }), 'Up to \u2068شهادة\u2069');
  assert.match(texts('ar').t('max', { max: '10 MB' }), /\u206810 MB\u2069/);
});

test('values are text: places inside a value are not filled', () => {
  assert.equal(textsOf('en').t('sent', { loaded: '{total}', total: 'x' }), '{total} of x');
});

test('numbers have the same digits as registration numbers, in every region', () => {
  for (const tag of ['ar', 'ar-EG', 'ar-u-nu-arab', 'en-u-nu-arab']) {
    const t = texts(tag);
    const seen = [t.number(1234), percent(t, 0.5), t.size(5e8), date(t, 0), time(t, 0), t.t('credits', { n: 12 })].join(' ');
    assert.match(seen, /[0-9]/, tag);
    assert.doesNotMatch(seen, /[\u0660-\u0669\u06f0-\u06f9]/, tag);
  }
});

test('a time has its zone, and the same digits as the numbers next to it', () => {
  const at = Date.UTC(2026, 10, 28, 12, 59);
  for (const [lang] of all)
    for (const said of [
      date(texts(lang), at),
      time(texts(lang), at),
      texts(lang).number(1234),
      texts(lang).size(5_000_000),
      date(texts(`${lang}-u-nu-arab`), at),
    ]) {
      assert.doesNotMatch(said, /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f]/, `${lang}: ${said}`);
    }
  const zone = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(at).find((p) => p.type === 'timeZoneName')!.value;
  assert.ok(date(texts('en'), at).endsWith(zone) && time(texts('en'), at).endsWith(zone), date(texts('en'), at));
});

test('one word for one thing: a hash and a commitment are never called a fingerprint', () => {
  for (const [lang, c] of all)
    for (const [key, text] of Object.entries(c))
      assert.doesNotMatch(text, /finger.?print|empreinte|huella|fingerabdruck|impressão digital|指紋|بصمة/i, `${lang} ${key}`);
});
