import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCreators, pathOf } from '../src/form/checks.js';
import { newCreator } from '../src/form/draft.js';
import { ordered, reduce } from '../src/machine.js';
import type { Stage, State } from '../src/state.js';
import { initial } from '../src/state.js';
import { errorTable, type AtsErrorCode } from '../src/gen/errors.js';
import { classOf } from '../src/ats/problem.js';

const filled: State = { ...initial(), title: 'T', file: new File(['x'], 'a.wav'), screen: 'UPLOAD', jobId: 'j' };
const after = (code: AtsErrorCode, stage: Stage, ended = false, s = filled) =>
  reduce(s, { type: 'problem', problem: { code, requestId: 'r' }, stage, ended });

test('every code at every stage ends in a final screen or next to a field, and nothing filled in is lost', () => {
  for (const code of Object.keys(errorTable) as AtsErrorCode[]) {
    for (const stage of ['setup', 'open', 'init', 'upload', 'prepare', 'confirm', 'track'] as const) {
      for (const ended of [false, true]) {
        const s = after(code, stage, ended);
        assert.equal(s.title, 'T');
        assert.equal(s.file, filled.file);
        if (s.screen === 'FORM') assert.ok(Object.keys(s.errors).length && classOf(code) === 'inline');
        else if (classOf(code) === 'disabled') assert.deepEqual([s.screen, s.resume], ['DISABLED', 'none']);
        else assert.equal(s.screen, 'FAILED');
        // Only the page can fix its own problem.
        const stuck = stage === 'setup' || (code === 'widget.configuration_error' && stage !== 'track');
        if (s.screen === 'FAILED') assert.equal(s.resume === 'none', stuck, `${code} at ${stage} has no next step`);
        if (stage === 'track' && !ended && s.screen === 'FAILED') assert.equal(s.resume, 'track', code);
      }
    }
  }
});

test('inline codes go back to the page of their field', () => {
  assert.deepEqual(after('registration.duplicate_title', 'confirm').errors, { title: { key: 'errTitle' } });
  assert.equal(after('registration.invalid_audio_format', 'prepare').step, 'song');
  for (const [problem, key] of [
    ['unsupported', 'errFormat'],
    ['malformed', 'errDamaged'],
    ['no_audio', 'errNoSound'],
    ['codec', 'errCodec'],
    ['video', 'errVideo'],
    ['truncated', 'errCut'],
    ['a newer one', 'errFormat'],
    [undefined, 'errFormat'],
  ] as const) {
    const refused = { code: 'registration.invalid_audio_format', requestId: 'r', details: { problem } } as const;
    const { errors } = reduce(filled, { type: 'problem', stage: 'prepare', ended: false, problem: refused });
    assert.deepEqual(errors, { file: { key } }, problem);
  }
  const s = reduce(filled, {
    type: 'problem',
    stage: 'init',
    ended: false,
    problem: {
      code: 'common.validation_failed',
      requestId: 'r',
      details: { fields: [{ field: 'creators[0].email', rule: 'email', message: 'no' }, { field: 'creators[9].email' }, null] },
    },
  });
  assert.equal(s.screen, 'FORM');
  assert.equal(s.step, 'creators');
  assert.deepEqual(s.errors, { 'creators.0.email': { key: 'badEmail' } });
});

test('a validation problem of a field that the form does not have is a failure', () => {
  assert.equal(after('common.validation_failed', 'init').screen, 'FAILED');
});

test('once it is known, the access code survives everything', () => {
  let s = reduce(filled, { type: 'confirmed', transactionId: 't', accessCode: 'atc_1' });
  s = reduce(s, { type: 'problem', problem: { code: 'widget.network_error', requestId: null }, stage: 'track', ended: false });
  assert.equal(s.accessCode, 'atc_1');
  s = reduce(s, { type: 'confirmed', transactionId: 't' });
  const result = { atsId: 1, txHash: '', blockNumber: 1, blockHash: '', explorerUrl: '' };
  s = reduce(s, { type: 'completed', result });
  assert.equal(s.accessCode, 'atc_1');
});

test('a late message changes no other screen', () => {
  const s = initial();
  assert.equal(reduce(s, { type: 'progress', loaded: 5 }), s);
  assert.equal(reduce(s, { type: 'tracked', step: { step: 'signing', progress: 40 } }), s);
  assert.equal(reduce(s, { type: 'quoteOver' }), s);
});

test('server field names map to the paths of the form', () => {
  for (const [field, path] of [
    ['title', 'title'],
    ['filename', 'file'],
    ['creators[0].email', 'creators.0.email'],
    ['creators.3.full_name', 'creators.3.fullName'],
    ['creators[1].roles.author', 'creators.1.roles'],
    ['creators', undefined],
    ['creators[0].constructor', undefined],
    ['', undefined],
  ] as const)
    assert.equal(pathOf(field), path);
});

test('creators are checked field by field', () => {
  const ok = { ...newCreator(0), fullName: 'A', email: 'a@b', roles: { ...newCreator(0).roles, author: true } };
  for (const [change, bad] of [
    [{}, []],
    [{ fullName: ' ' }, ['fullName']],
    [{ fullName: 'é'.repeat(256) }, ['fullName']],
    [{ email: 'a b@c' }, ['email']],
    [{ email: 'a@' }, ['email']],
    [{ roles: newCreator(0).roles }, ['roles']],
    [{ ipi: '123456789012' }, ['ipi']],
    [{ ipi: '00.123 4' }, []],
    [{ isni: '000000012345678' }, ['isni']],
    [{ isni: '0000-0001-2345-678x' }, []],
  ] as const)
    assert.deepEqual(
      Object.keys(checkCreators([{ ...ok, ...change }])),
      bad.map((b) => `creators.0.${b}`),
      JSON.stringify(change),
    );
});

test('a registration that may have been ordered cannot be left for a second order', () => {
  assert.equal(ordered(after('widget.network_error', 'confirm')), true);
  assert.equal(ordered(reduce(filled, { type: 'confirming' })), true);
  assert.equal(ordered(reduce(filled, { type: 'confirmed', transactionId: 't' })), true);
  assert.equal(ordered(after('transaction.failed', 'track', true)), false);
  assert.equal(ordered(after('widget.network_error', 'prepare')), false);
  assert.equal(ordered(after('registration.insufficient_credits', 'confirm')), false, 'refused before it was ordered');

  // The answer was lost. A refusal that does not mention the order leaves it in doubt; a refusal of the job itself settles it.
  const doubt = after('widget.network_error', 'confirm');
  assert.equal(doubt.doubt, true);
  for (const code of ['access_code.expired', 'common.auth.expired', 'common.rate_limited', 'common.service_unavailable'] as const) {
    const s = after(code, 'confirm', false, { ...doubt, mode: 'update' });
    assert.deepEqual([s.screen, s.resume, ordered(s)], ['FAILED', 'confirm', true], code);
  }
  for (const code of ['transaction.expired', 'transaction.not_found'] as const) {
    const settled = after(code, 'confirm', false, doubt);
    assert.deepEqual([settled.resume, ordered(settled)], ['init', false], code);
  }
  assert.equal(ordered(after('transaction.already_confirmed', 'confirm')), true, 'ordered, but the transaction is unknown');
});
