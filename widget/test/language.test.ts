import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Language } from '../src/i18n/language.js';

const file = (lang: string) => readFileSync(`dist/locale/${lang}.json`, 'utf8');
const turn = () => new Promise((r) => setImmediate(r));

/** An ATS and a clock that the test controls, and an element that counts its drawings. */
class Page {
  readonly asked: string[] = [];
  readonly slept: number[] = [];
  drawn = 0;
  late: () => void = () => {};
  /** By URL: the immediate answer. Without one the call stays open. */
  answers: Record<string, () => Response> = {};
  readonly open: Record<string, (r: Response) => void> = {};
  readonly language: Language;
  // Each test has its own server: all elements of a page share the fetched catalogues.
  constructor(readonly ats = `https://ats${Page.#n++}.example`) {
    this.language = this.another();
  }
  static #n = 0;
  another(): Language {
    return new Language(
      {
        fetch: (url) => {
          const path = url.replace(/^https:\/\/[^/]+\/widget\//, '');
          this.asked.push(path);
          const now = this.answers[path];
          return now ? Promise.resolve().then(now) : new Promise((resolve) => (this.open[path] = resolve));
        },
        sleep: (ms) => (this.slept.push(ms), new Promise((resolve) => (this.late = resolve))),
      },
      () => this.drawn++,
    );
  }
  get shown(): string {
    const { texts } = this.language;
    return `${texts.lang} ${texts.dir} ${texts.t('next')}`;
  }
}

test('English and unknown languages need no request and are shown at once', () => {
  for (const tag of ['en', 'en-GB', 'sv', '']) {
    const p = new Page();
    p.language.set(tag, p.ats);
    assert.equal(p.language.waiting, false);
    assert.equal(p.shown, 'en ltr Continue');
    assert.deepEqual(p.asked, []);
  }
});

test('the first drawing waits for the texts, but only until the timeout', async () => {
  const p = new Page();
  p.language.set('fr-CH', p.ats + '/');
  assert.equal(p.language.waiting, true);
  assert.deepEqual([p.asked, p.slept], [['test/locale/fr.json'], [1500]]);
  p.open['test/locale/fr.json']!(new Response(file('fr')));
  await turn();
  assert.equal(p.language.waiting, false);
  assert.equal(p.shown, 'fr ltr Continuer');
});

test('late texts: English first, then a switch; the direction is right at once', async () => {
  const p = new Page();
  p.language.set('ar', p.ats);
  p.late();
  await turn();
  assert.equal(p.language.waiting, false);
  assert.equal(p.shown, 'en rtl Continue');
  const before = p.drawn;
  p.open['test/locale/ar.json']!(new Response(file('ar')));
  await turn();
  assert.match(p.shown, /^ar rtl /);
  assert.equal(p.drawn, before + 1);
});

test('unavailable texts: English, silently, and another attempt at the next request', async () => {
  const bad: Record<string, () => Response> = {
    'no JSON': () => new Response('<html>'),
    'texts missing': () => new Response('{"next":"Suivant"}'),
    unreachable: () => {
      throw new TypeError('refused');
    },
  };
  for (const [name, answer] of Object.entries(bad)) {
    const p = new Page();
    p.answers['test/locale/ar.json'] = answer;
    p.language.set('ar', p.ats);
    await turn();
    assert.equal(p.shown, 'en ltr Continue', name);
    assert.equal(p.language.waiting, false);
    p.answers['test/locale/ar.json'] = () => new Response(file('ar'));
    p.language.set('ar', p.ats);
    await turn();
    assert.match(p.shown, /^ar rtl /);
  }
});

test('a server of another version gives its newest texts', async () => {
  const p = new Page();
  p.answers = { 'test/locale/de.json': () => new Response('{}', { status: 404 }), 'v1/locale/de.json': () => new Response(file('de')) };
  p.language.set('de', p.ats);
  await turn();
  assert.equal(p.shown, 'de ltr Weiter');

  const none = new Page();
  none.answers = Object.fromEntries(['test', 'v1'].map((v) => [`${v}/locale/de.json`, () => new Response('', { status: 404 })]));
  none.language.set('de', none.ats);
  await turn();
  assert.equal(none.shown, 'en ltr Continue');
  assert.equal(none.asked.length, 2);
});

test('two elements fetch once, and a third has the texts at once', async () => {
  const p = new Page();
  const other = p.another();
  p.language.set('ja', p.ats);
  other.set('ja', p.ats);
  p.open['test/locale/ja.json']!(new Response(file('ja')));
  await turn();
  const third = p.another();
  third.set('ja-JP', p.ats);
  assert.deepEqual(
    [p.language, other, third].map((s) => s.texts.lang),
    ['ja', 'ja', 'ja'],
  );
  assert.equal(p.asked.length, 1);
});

test('a language changed twice: the last change counts, whichever texts arrive first; the old texts stay until then', async () => {
  const p = new Page();
  p.answers['test/locale/fr.json'] = () => new Response(file('fr'));
  p.language.set('fr', p.ats);
  await turn();
  p.language.set('de', p.ats);
  p.language.set('ar', p.ats);
  assert.equal(p.shown, 'fr rtl Continuer');
  p.open['test/locale/ar.json']!(new Response(file('ar')));
  await turn();
  p.open['test/locale/de.json']!(new Response(file('de')));
  await turn();
  assert.match(p.shown, /^ar rtl /);
  assert.deepEqual(p.slept, [1500], 'the element waits only once');
  p.language.set('de', p.ats);
  assert.match(p.shown, /^de ltr /);
});

test('without the URL of a server nothing is fetched', () => {
  for (const ats of ['', 'ats.example', '/x', 'javascript:x']) {
    const p = new Page(ats);
    p.language.set('fr', ats);
    assert.equal(p.shown, 'en ltr Continue');
    assert.deepEqual(p.asked, []);
  }
});
