/** The console messages for the page's developer, and the screen texts for mistakes that only the site can fix. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textsOf } from '../src/i18n/language.js';
import { sentenceOf } from '../src/i18n/sentences.js';
import { lacking, needs, oldest } from '../src/page/needs.js';
import { World, type Fault } from './world.js';

const english = textsOf('en');
const invalid = (reason?: string): Fault => ({ status: 401, code: 'session.invalid_token', ...(reason && { details: { reason } }) });

test('a session for another network, key or work: asked once more, then FAILED with its cause', async () => {
  for (const [reason, text] of [
    ['network', 'This site’s set-up does not match the registry. Please tell its owner.'],
    ['key', 'This site’s set-up does not match the registry. Please tell its owner.'],
    ['work', 'You do not have permission to do this here.'],
  ] as const) {
    const w = new World();
    w.faults.init = Array.from({ length: 9 }, () => invalid(reason));
    w.onTokenExpired = (f) => f.tokens.set('again');
    w.flow.submit();
    await w.screen('FAILED');
    assert.deepEqual([w.asked.length, w.names()], [2, ['token-expired', 'failed']], reason);
    assert.equal(sentenceOf(english, w.state.problem!, w.time), text);
    const how = reason === 'work' ? 'warn' : 'error';
    assert.equal(
      w.logged[0],
      `${how}: ats-widget: session.invalid_token (${reason}), request req_1. See https://ats.example/docs/errors#session.invalid_token`,
    );
  }
});

test('a token of the previous end-user is replaced once', async () => {
  for (const [refusals, screen, asked] of [
    [1, 'CONFIRMING', 2],
    [9, 'FAILED', 2],
  ] as const) {
    const w = new World('register', 'ada');
    const forbidden: Fault = { status: 403, code: 'common.forbidden', details: { reason: 'other_external_user_ref' } };
    w.faults.init = Array.from({ length: refusals }, () => forbidden);
    w.onTokenExpired = (f) => f.tokens.set('again');
    w.flow.submit();
    if (screen === 'FAILED') await w.screen('FAILED');
    else await w.review();
    assert.deepEqual([w.state.screen, w.asked.filter((call) => call.startsWith('init')).length], [screen, asked]);
  }
});

test('every other cause may be gone with the next token', async () => {
  for (const reason of ['spent', 'action', 'revoked', undefined]) {
    const w = new World();
    w.faults.init = [invalid(reason), invalid(reason), invalid(reason)];
    w.onTokenExpired = (f) => f.tokens.set('again');
    w.flow.submit();
    await w.review();
    assert.equal(w.logged.length, reason ? 3 : 0, 'the console shows each once');
  }
});

test('the console has the reason of a refusal, whatever its code', async () => {
  const w = new World();
  w.faults.init = [{ status: 403, code: 'common.forbidden', details: { reason: 'external_user_ref' } }];
  w.flow.submit();
  await w.screen('FAILED');
  assert.deepEqual(w.logged, [
    'warn: ats-widget: common.forbidden (external_user_ref), request req_1. See https://ats.example/docs/errors#common.forbidden',
  ]);
});

test('in a browser that is too old, the screen names the needed versions, from the one list', () => {
  const text = sentenceOf(english, { code: 'widget.configuration_error', requestId: null, details: { reason: 'browser' } }, 0);
  assert.equal(text, 'This browser is too old. Please use Chrome or Edge 100, Firefox 104, Safari 16.4, or a newer one.');
  for (const engine of ['chrome', 'firefox', 'safari'] as const)
    assert.equal(Number(oldest[engine]), Math.max(...needs.map((n) => n[engine])));
  const real = Object.getOwnPropertyDescriptor(Array.prototype, 'findLastIndex')!;
  Object.assign(globalThis, { Document: { prototype: { adoptedStyleSheets: [] } } });
  assert.equal(lacking(), '');
  Reflect.deleteProperty(Array.prototype, 'findLastIndex');
  assert.equal(lacking(), 'Array.prototype.findLastIndex');
  Object.defineProperty(Array.prototype, 'findLastIndex', real);
  Reflect.deleteProperty(globalThis, 'Document');
});

test('the widget does not use newer features than its list where a little code does the same', async () => {
  const { readFileSync, readdirSync } = await import('node:fs');
  const sources = readdirSync('src', { recursive: true })
    .map(String)
    .filter((f) => f.endsWith('.ts'));
  for (const file of sources)
    assert.doesNotMatch(
      readFileSync(`src/${file}`, 'utf8').replace(/\/\*[^]*?\*\//g, ''),
      /AbortSignal\.(any|timeout)|withResolvers|URL\.parse|structuredClone|toSorted|Object\.groupBy/,
      file,
    );
});

test('a title or a name with a hidden character is reported before it is sent, with the character', async () => {
  for (const [text, char] of [
    ['Song\u202e evol', 'U+202E'],
    ['a\u200fb', 'U+200F'],
    ['a\tb', 'U+0009'],
    ['a\u2028b', 'U+2028'],
    ['a\u0085b', 'U+0085'],
    ['a\u061cb', 'U+061C'],
    ['a\u200bb', 'U+200B'],
    ['Love\u3164', 'U+3164'],
    ['a\u{e0041}b', 'U+E0041'],
  ] as const) {
    const w = new World();
    w.flow.dispatch({ type: 'draft', path: '', draft: { title: text, creators: [{ ...w.state.creators[0]!, fullName: text }] } });
    w.flow.submit();
    const near = `\u2068${text.replace(/[\p{Cc}\p{Cf}\u2028\u3164]/u, `⟨${char}⟩`)}\u2069`;
    const wrong = { key: 'badChar', values: { char, near } };
    assert.deepEqual([w.state.errors, w.asked, w.state.step], [{ title: wrong, 'creators.0.fullName': wrong }, [], 'song'], char);
  }
  assert.equal(english.t('badChar', { char: 'U+200B', near: 'Lo⟨U+200B⟩ve' }), 'Please remove the hidden character U+200B: Lo⟨U+200B⟩ve');
  for (const text of ['👩\u200d👩\u200d👧', 'می\u200cخواهم', ' Blue\n', 'שלום Blue']) {
    const w = new World();
    w.flow.dispatch({ type: 'draft', path: 'title', draft: { title: text } });
    w.flow.submit();
    assert.deepEqual(w.state.errors, {}, text);
  }
});

test('a title, a name or an address that looks empty, or has too many marks, is refused', () => {
  for (const [text, key, char, near] of [
    ...['\u3164', '\u2800', '\u034f', '\ufe0f', '\uffa0', '\u115f', '\u17b4', '\u{1d159}', '\u0301', '\u200b', ' \u3164 '].map(
      (text) => [text, 'blank'] as const,
    ),
    ['Z' + '\u0337'.repeat(12) + 'ero', 'oddChar', 'U+0337', 'Z' + '\u0337'.repeat(8) + '⟨U+0337⟩ero'],
    ['\uf8ff', 'oddChar', 'U+F8FF', '⟨U+F8FF⟩'],
    ['a\ud800b', 'oddChar', 'U+D800', 'a⟨U+D800⟩b'],
  ] as const) {
    const w = new World();
    w.flow.dispatch({
      type: 'draft',
      path: '',
      draft: { title: text, creators: [{ ...w.state.creators[0]!, fullName: text, email: text }] },
    });
    w.flow.submit();
    const wrong = char ? { key, values: { char, near: `\u2068${near}\u2069` } } : { key };
    assert.deepEqual(
      [w.state.errors, w.asked],
      [{ title: wrong, 'creators.0.fullName': wrong, 'creators.0.email': wrong }, []],
      JSON.stringify(text),
    );
  }
  for (const email of ['a b@x.example', 'a\u00a0b@x.example', 'a@\u3000x.example', 'a@@x', 'a@', '@x', 'a\u0301@\u0301']) {
    const w = new World();
    w.flow.dispatch({ type: 'draft', path: '', draft: { creators: [{ ...w.state.creators[0]!, email }] } });
    w.flow.submit();
    assert.deepEqual(w.state.errors['creators.0.email']?.key, 'badEmail', email);
  }
});

test('a server that finds a hidden character says which, and where', async () => {
  const w = new World();
  const fields = [
    { field: 'title', rule: 'hidden_character', message: 'Character 7 is U+FE0F, which cannot be seen here. Remove it.' },
    { field: 'creators[0].full_name', rule: 'combining_marks', message: 'Character 10 is U+0301, one mark too many.' },
    { field: 'creators[0].email', rule: 'blank', message: 'Nothing of this can be seen.' },
  ];
  w.faults.init = [{ status: 422, code: 'common.validation_failed', details: { fields } }];
  w.flow.dispatch({ type: 'draft', path: '', draft: { title: ' Love ❤\ufe0f Song of the Winter' } });
  w.flow.submit();
  await w.until(() => Object.keys(w.state.errors).length > 0);
  assert.deepEqual(w.state.errors, {
    title: { key: 'badChar', values: { char: 'U+FE0F', near: '\u2068Love ❤⟨U+FE0F⟩ Song of…\u2069' } },
    'creators.0.fullName': { key: 'oddChar', values: { char: 'U+0301', near: '\u2068⟨U+0301⟩\u2069' } },
    'creators.0.email': { key: 'blank' },
  });
});

test('a wait of more than a minute is reported, with its end and a button, and not waited for', async () => {
  for (const code of ['common.rate_limited', 'session.rate_limited', 'common.quota_exceeded']) {
    const w = new World();
    w.faults.init = [{ status: 429, code, headers: { 'Retry-After': '213045' } }];
    const began = w.time;
    w.flow.submit();
    await w.screen('FAILED');
    assert.deepEqual([w.time - began, w.state.resume], [0, 'init'], code);
  }
});
