import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hash } from '../src/hash/hash.js';
import { ProblemError } from '../src/ats/problem.js';
import { World } from './world.js';

const hexOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const fileOf = (bytes: Uint8Array<ArrayBuffer>, name = 'song.wav') => new File([bytes], name);
const never = new AbortController().signal;

test('a file of any size is read once, in order, and its progress is reported', async () => {
  for (const size of [1, 3, 55, 64, 256 << 10, (256 << 10) + 1, 1_000_003]) {
    const bytes = new Uint8Array(randomBytes(size));
    bytes[0] = 0; // unlike the first byte of a refused kind
    const reported: number[] = [];
    assert.equal(await hash(fileOf(bytes), (n) => reported.push(n), never), hexOf(bytes), `${size} bytes`);
    assert.equal(reported.at(-1), size);
    assert.deepEqual(
      reported,
      [...reported].sort((a, b) => a - b),
    );
  }
});

test('a file that is certainly not audio is reported, and not read further', async () => {
  const wrong: [string, number[]][] = [
    ['application/pdf', [0x25, 0x50, 0x44, 0x46, 0x2d]],
    ['application/zip', [0x50, 0x4b, 3, 4]],
    ['image/jpeg', [0xff, 0xd8, 0xff, 0xe0]],
  ];
  for (const [detected, head] of wrong)
    await assert.rejects(
      hash(fileOf(new Uint8Array(head)), () => assert.fail('read'), never),
      (e: unknown) => {
        assert.ok(e instanceof ProblemError);
        assert.deepEqual([e.problem.code, e.problem.details], ['registration.invalid_audio_format', { detected }]);
        return true;
      },
    );
  // MP3 frames, and padding before them, count as audio.
  for (const head of [
    [0xff, 0xfb, 0x90, 0],
    [0, 0, 0, 0],
    [0x49, 0x44, 0x33, 4],
  ])
    await hash(fileOf(new Uint8Array(head)), () => {}, never);
});

/** A file that is readable up to a position. */
class Broken extends File {
  override slice(from = 0, to = this.size): Blob {
    if (to <= 4) return super.slice(from, to);
    return Object.assign(super.slice(from, to), { arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) });
  }
}

test('a file that was changed or deleted since it was chosen is reported as unreadable', async () => {
  const unreadable = (e: unknown) =>
    e instanceof ProblemError && e.problem.code === 'widget.upload_error' && e.problem.details?.['reason'] === 'unreadable';
  await assert.rejects(
    hash(new Broken([new Uint8Array(9)], 'a.wav'), () => {}, never),
    unreadable,
  );
  class Shorter extends File {
    override get size() {
      return super.size + 1;
    }
  }
  await assert.rejects(
    hash(new Shorter([new Uint8Array(9)], 'a.wav'), () => {}, never),
    unreadable,
  );
});

test('an aborted reading ends with the reason, at the next piece', async () => {
  const stop = new AbortController();
  const reported: number[] = [];
  const reading = hash(
    fileOf(new Uint8Array(2_000_000)),
    (n) => {
      reported.push(n);
      stop.abort(new Error('enough'));
    },
    stop.signal,
  );
  await assert.rejects(reading, /enough/);
  assert.equal(reported.length, 1);
});

/** Holds the reading until it is released. */
function held(w: World): () => void {
  const there = w.fetchPart;
  let go = () => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  w.fetchPart = (async () => ({
    hash: async (...a: Parameters<typeof hash>) => (await gate, (await there('hash', '')).hash(...a)),
  })) as typeof there;
  return () => go();
}

test('without uploads, the hash is sent with prepare, and no byte of the file with anything', async () => {
  const w = new World();
  w.hashOnly = true;
  const go = held(w);
  w.flow.submit();
  await w.until(() => w.state.stays);
  assert.equal(w.state.screen, 'UPLOAD');
  go();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'prepare:t1']);
  assert.deepEqual(w.bodies[1], { job_id: 'job', media_sha256: '0x' + hexOf(new Uint8Array(1000)), size_bytes: 1000 });
  w.flow.requote();
  await w.until(() => w.asked.length === 3);
  assert.deepEqual(w.bodies[2], w.bodies[1], 'a new price is for the same recording');
  await w.review();
  w.flow.confirm();
  await w.screen('COMPLETE');
  assert.deepEqual(w.names(), ['confirmed', 'complete'], 'no event of an upload');
  assert.deepEqual(w.puts, []);
});

test('an unreadable file leads back to the form, which says so', async () => {
  const w = new World();
  w.hashOnly = true;
  w.flow.dispatch({ type: 'draft', path: 'file', draft: { file: new Broken([new Uint8Array(9)], 'song.wav') } });
  w.flow.submit();
  await w.until(() => !!w.state.errors['file']);
  assert.deepEqual([w.state.screen, w.state.step, w.state.errors], ['FORM', 'song', { file: { key: 'errUnreadable' } }]);
  assert.equal(w.state.title, ' Blue Morning ', 'everything else is kept');
  assert.deepEqual(w.names(), ['error']);
});

test('cancelling stops the reading; the next attempt starts again', async () => {
  const w = new World();
  w.hashOnly = true;
  w.onTokenExpired = (f) => f.tokens.set('t2');
  const go = held(w);
  w.flow.submit();
  await w.until(() => w.state.stays);
  w.flow.edit();
  go();
  assert.equal(w.state.screen, 'FORM');
  w.flow.submit();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'init:t2', 'prepare:t2']);
});

test('the part that reads is unavailable: Retry continues from there', async () => {
  const w = new World();
  w.hashOnly = true;
  w.onTokenExpired = (f) => f.tokens.set('t2');
  const there = w.fetchPart;
  w.fetchPart = () => Promise.reject(new ProblemError('widget.network_error'));
  w.flow.submit();
  await w.screen('FAILED');
  w.fetchPart = there;
  w.flow.retry();
  await w.review();
  assert.deepEqual(w.asked, ['init:t1', 'init:t2', 'prepare:t2']);
});

test('an upload after a hash-only job does not mention that hash', async () => {
  const w = new World();
  w.hashOnly = true;
  w.onTokenExpired = (f) => f.tokens.set('t2');
  w.flow.submit();
  await w.review();
  w.hashOnly = false;
  w.flow.edit();
  w.flow.submit();
  await w.until(() => w.state.phase === 'review' && w.asked.at(-1) === 'prepare:t2');
  assert.deepEqual(w.bodies.at(-1), { job_id: 'job' });
  assert.equal(w.state.stays, false);
});
