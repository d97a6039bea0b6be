import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { shown } from '../src/marks.js';
import needs from '../src/needs.json';
import { hereAndUTC, percent, utc } from '../../web/i18n/formats.js';
import { languageFor, languages, textsOf } from '../src/texts.js';

test('the language is the first supported one of the reader', () => {
  assert.equal(languageFor(['pt-BR', 'en']), 'pt');
  assert.equal(languageFor(['xx', 'ar-EG']), 'ar');
  assert.equal(languageFor(['constructor']), 'en');
  assert.equal(languageFor([]), 'en');
});

test('dates are in UTC in every language', () => {
  for (const lang of Object.keys(languages)) assert.match(utc(textsOf(lang), Date.UTC(2026, 2, 1, 23, 30)), /UTC/, lang);
  assert.match(utc(textsOf('en'), Date.UTC(2026, 2, 1, 23, 30)), /March 1, 2026.*11:30/);
  assert.equal(textsOf('ar').dir, 'rtl');
});

test('a time shows its zone, in local time and in UTC', () => {
  const at = Date.UTC(2026, 2, 1, 23, 30);
  const zone = process.env['TZ'];
  try {
    process.env['TZ'] = 'Asia/Tokyo';
    assert.match(hereAndUTC(textsOf('en'), at), /March 2, 2026.*8:30:00.*GMT\+9 \(March 1, 2026.*11:30:00.*UTC\)/);
    process.env['TZ'] = 'UTC';
    assert.doesNotMatch(hereAndUTC(textsOf('en'), at), /\(/);
  } finally {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  }
});

test('sizes are those of the widget: a megabyte has 1024 times 1024 bytes, rounded up', () => {
  const en = textsOf('en');
  assert.deepEqual(
    [1, 1024, 1025, (1 << 20) - 1, 1 << 20, 1_900_000, 500 << 20].map((n) => en.size(n)),
    ['1 kB', '1 kB', '2 kB', '1,024 kB', '1 MB', '1.9 MB', '500 MB'],
  );
});

test('digits are the same in every language', () => {
  for (const lang of Object.keys(languages)) {
    const t = textsOf(lang);
    for (const text of [utc(t, 0), hereAndUTC(t, 0), t.size(12_345_678), percent(t, 0.25)])
      assert.doesNotMatch(text, /[\u0660-\u0669\u06f0-\u06f9]/, lang);
  }
});

test('characters that change the text direction are shown by their number', () => {
  assert.equal(shown('song \u202eevol\u202c'), 'song ⟨U+202E⟩evol⟨U+202C⟩');
  assert.equal(shown('a\u200fb\u061cc\u2066d\u0000e\u2028f\ng'), 'a⟨U+200F⟩b⟨U+061C⟩c⟨U+2066⟩d⟨U+0000⟩e⟨U+2028⟩f⟨U+000A⟩g');
  const joined = '👩\u200d👧 قصة\u200cها';
  assert.equal(shown(joined), joined);
});

test('the versions that an old browser is told of have all needed features', () => {
  const newest = (versions: string[]) => versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!;
  for (const [browser, version] of Object.entries(needs.browsers)) {
    assert.equal(newest(needs.features.map((f) => f.since[browser as 'Chrome'])), version, browser);
    assert.ok(readFileSync('../docs/verify.md', 'utf8').includes(`${browser} ${version}`), `docs/verify.md: ${browser} ${version}`);
  }
  // A misspelt need would be missing in every browser. (Node has no documents.)
  for (const { name } of needs.features.filter((f) => !f.name.startsWith('Element.')))
    assert.ok(
      name.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], globalThis),
      name,
    );
});
