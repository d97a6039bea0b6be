/** Large files in parts: the state machine under random orders of events, and the upload in a world with faults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Env, PutAnswer } from '../src/env.js';
import { print } from '../src/large/large.js';
import { after, loaded, parallel, planOf, todo, type Happening, type Plan } from '../src/large/plan.js';
import { World } from './world.js';

/** A small generator of random numbers: a failed run is repeated by its seed. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

function holds(p: Plan, seed: number): void {
  const busy = p.parts.filter((part) => part.status === 'sending').length;
  const sum = p.parts.reduce((n, part) => n + part.size, 0);
  assert.equal(sum, p.size, `seed ${seed}: the parts are the file`);
  assert.ok(
    p.parts.every((part) => part.size > 0 && part.loaded >= 0 && part.loaded <= part.size),
    `seed ${seed}: no part is empty or more than whole`,
  );
  assert.ok(loaded(p) <= p.size, `seed ${seed}: no more than the file is sent`);
  const next = todo(p, 1000);
  assert.ok(busy + next.send.length <= Math.max(parallel, busy), `seed ${seed}: ${busy} and ${next.send.length} at a time`);
  assert.equal(next.complete, !p.cancelled && p.parts.every((part) => part.status === 'stored'), `seed ${seed}: complete`);
  if (p.cancelled) assert.deepEqual([busy, next.send.length, next.sign.length, next.complete], [0, 0, 0, false], `seed ${seed}: cancelled`);
  if (!p.online) assert.equal(next.send.length + next.sign.length, 0, `seed ${seed}: nothing begins offline`);
  for (const part of next.send) assert.ok(part.status === 'missing' && part.url, `seed ${seed}: part ${part.number}`);
}

test('in any order of events nothing is sent twice at a time, too much, or after a cancel', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = random(seed);
    const pick = (n: number) => Math.floor(next() * n);
    let p = planOf(1 + pick(500), 1 + pick(60));
    const stored = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const number = 1 + pick(p.parts.length + 1);
      const events: Happening[] = [
        { type: 'stored', numbers: [number] },
        { type: 'lost', numbers: [number] },
        { type: 'signed', urls: [{ number, url: `u${i}` }], expiresAt: pick(2000) },
        { type: 'progress', number, loaded: pick(1000) },
        { type: 'sent', number },
        { type: 'failed', number, stale: pick(2) > 0, counts: pick(2) > 0 },
        { type: 'failed', counts: true },
        { type: pick(2) ? 'online' : 'offline' },
        { type: 'answered' },
      ];
      if (pick(100) === 0) events.push({ type: 'cancel' });
      const ready = todo(p, 1000).send[0];
      const h = ready && pick(2) ? ({ type: 'sending', number: ready.number } as const) : events[pick(events.length)]!;
      const before = p;
      p = after(p, h);
      holds(p, seed);
      for (const n of stored)
        if (h.type !== 'lost' || !h.numbers.includes(n))
          assert.equal(p.parts[n - 1]!.status, 'stored', `seed ${seed}: part ${n} was stored, then ${h.type}`);
      if (before.cancelled) assert.equal(p, before, `seed ${seed}: nothing follows a cancel`);
      stored.clear();
      for (const part of p.parts) if (part.status === 'stored') stored.add(part.number);
    }
  }
});

test('whatever fails, every plan ends when things begin to succeed', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const next = random(seed);
    let p = planOf(1 + Math.floor(next() * 900), 1 + Math.floor(next() * 90));
    let steps = 0;
    for (let now = 0; !todo(p, now).complete; now++) {
      assert.ok(steps++ < 20_000, `seed ${seed} does not end`);
      const fails = now < 300 && next() < 0.5;
      if (now < 300 && next() < 0.1) p = after(p, { type: p.online ? 'offline' : 'online' });
      if (now >= 300) p = after(p, { type: 'online' });
      const { sign, send } = todo(p, now);
      if (sign.length && !fails) p = after(p, { type: 'signed', urls: sign.map((n) => ({ number: n, url: 'u' })), expiresAt: now + 5 });
      for (const part of send) p = after(p, { type: 'sending', number: part.number });
      const flying = p.parts.filter((part) => part.status === 'sending');
      const one = flying[Math.floor(next() * flying.length)];
      if (one)
        p = after(
          p,
          fails ? { type: 'failed', number: one.number, stale: next() < 0.3, counts: true } : { type: 'sent', number: one.number },
        );
    }
  }
});

type Call = 'drop' | { status: number; code: string } | undefined;

/** A server with parts of 100 bytes, for a file of 1,000. */
class Parts extends World {
  readonly stored = new Set<number>();
  /** The numbers of the parts that were sent, in order. */
  readonly took: number[] = [];
  complete = false;
  /** Answers in place of the store's, by the number of the PUT, counted from 1. */
  answers: Record<number, PutAnswer | (() => PutAnswer)> = {};
  /** Answers in place of the server's, in order. */
  calls: { parts: Call[]; complete: Call[] } = { parts: [], complete: [] };
  /** How long a URL is valid, in ms. */
  expires = 600_000;
  /** How much later the server's deadline of a URL is than the store's, in ms. */
  ahead = 0;
  /** The page cannot read a refusal of the store. */
  hides = false;
  /** Whether each next prepare finds another file than its hash says. */
  keeps: boolean[] = [];
  aborts = 0;
  onParts = () => {};
  onComplete = () => {};
  #puts = 0;

  constructor() {
    super();
    this.flow.partsFrom = 500;
    const env = this.env as { put: Env['put']; fetch: Env['fetch'] };
    const usual = env.fetch;
    env.fetch = (url, init) => {
      if (/parts/.test(url)) return this.#parts(url, init);
      const body = JSON.parse(String(init.body ?? '{}')) as { media_sha256?: string };
      if (!url.endsWith('/prepare') || !body.media_sha256 || !this.keeps.shift()) return usual(url, init);
      const error = { code: 'registration.upload_missing', message: 'm', details: { reason: 'other_file' }, request_id: 'req_1' };
      return Promise.resolve(new Response(JSON.stringify({ error }), { status: 409 }));
    };
    env.put = (url, file, onProgress, signal) => this.#put(url, file, onProgress, signal);
  }

  async #put(url: string, file: Blob, onProgress: (n: number) => void, signal: AbortSignal): Promise<PutAnswer> {
    const n = ++this.#puts;
    await this.env.sleep(10, signal);
    onProgress(file.size / 2);
    await this.env.sleep(10, signal);
    const answer = this.answers[n];
    if (answer) return typeof answer === 'function' ? answer() : answer;
    if (!this.connected) return { status: 0, body: '' };
    const { searchParams: of } = new URL(url);
    if (Number(of.get('until')) <= this.time) return { status: this.hides ? 0 : 403, body: '<Error/>' };
    this.took.push(Number(of.get('part')));
    this.stored.add(Number(of.get('part')));
    onProgress(file.size);
    return { status: 200, body: '' };
  }

  #parts(url: string, init: RequestInit): Promise<Response> {
    const complete = url.endsWith('/complete');
    this.asked.push(complete ? 'complete' : 'parts');
    if (!this.connected) return Promise.reject(new TypeError('offline'));
    const fault = this.calls[complete ? 'complete' : 'parts'].shift();
    if (fault === 'drop') return Promise.reject(new TypeError('connection lost'));
    const say = (status: number, body: object) => Promise.resolve(new Response(JSON.stringify(body), { status }));
    const refuse = (status: number, code: string, details?: object) =>
      say(status, { error: { code, message: 'm', details, request_id: 'req_1' } });
    if (fault) return refuse(fault.status, fault.code);
    if (url.endsWith('/abort')) {
      this.aborts++;
      this.stored.clear();
      this.complete = false;
      return say(200, { job_id: 'job' });
    }
    if (complete) {
      this.onComplete();
      if (this.stored.size < 10) return refuse(409, 'registration.upload_missing', { reason: 'parts_missing' });
      this.complete = true;
      return say(200, { job_id: 'job', size_bytes: 1000 });
    }
    this.onParts();
    const { numbers = [] } = JSON.parse(String(init.body)) as { numbers?: number[] };
    return say(200, {
      job_id: 'job',
      complete: this.complete,
      part_size_bytes: 100,
      part_count: 10,
      stored: [...this.stored].map((number) => ({ number, size_bytes: 100 })),
      urls: numbers.map((number) => ({ number, url: `https://store.example/x?part=${number}&until=${this.time + this.expires}` })),
      urls_expire_at: new Date(this.time + this.expires + this.ahead).toISOString(),
    });
  }

  async sends(): Promise<void> {
    this.flow.submit();
    await this.review();
    assert.ok(!this.names().includes('failed'));
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    let over = false;
    void this.env.sleep(ms, new AbortController().signal).then(() => (over = true));
    await this.until(() => over);
  }
}

const numbers = Array.from({ length: 10 }, (_, i) => i + 1);
const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);

test('a large file goes in parts, four at a time, and each once', async () => {
  const w = new Parts();
  await w.sends();
  assert.deepEqual(sorted(w.took), numbers);
  assert.deepEqual(w.names(), ['upload-start', 'upload-complete']);
  assert.equal(w.asked.filter((a) => a === 'parts').length, 3, 'the begin, and URLs in two batches');
  const shown = w.events.filter(([n]) => n === 'allfeat:upload-progress').map(([, d]) => Number(d['loaded']));
  assert.ok(shown.every((n) => n <= 1000) && shown.at(-1) === 1000, shown.join());
});

test('1: an expired URL is replaced, and the file never fails', async () => {
  const w = new Parts();
  w.expires = 15; // every URL expires while its part is on its way
  let n = 0;
  w.onParts = () => {
    if (++n === 4) w.expires = 600_000;
  };
  await w.sends();
  assert.deepEqual(sorted(w.took), numbers);
});

test('1: a store that refuses an expired URL without the headers for other origins gives the page no answer', async () => {
  const w = new Parts();
  w.hides = true;
  w.ahead = 1e9; // the page trusts the deadline of a URL, which is later than the store's
  w.expires = 15;
  let n = 0;
  w.onParts = () => {
    if (++n === 4) w.expires = 600_000;
  };
  await w.sends();
  assert.deepEqual(sorted(w.took), numbers);
});

test('4: a part whose connection broke is sent again, though the store lists it', async () => {
  const w = new Parts();
  const broken = () => {
    w.stored.add(3);
    return { status: 0, body: '' };
  };
  w.answers = { 3: broken };
  await w.sends();
  assert.deepEqual(sorted(w.took), numbers);
});

test('10: a store that kept other bytes than were sent receives the file again, once', async () => {
  const w = new Parts();
  w.keeps = [true];
  await w.sends();
  assert.equal(w.aborts, 1);
  assert.deepEqual(sorted(w.took), sorted([...numbers, ...numbers]));
  assert.deepEqual(w.names(), ['upload-start', 'upload-complete', 'upload-start', 'upload-complete']);

  const never = new Parts();
  never.keeps = [true, true, true, true];
  never.flow.submit();
  await never.until(() => never.flow.state.screen === 'FAILED');
  assert.equal(never.flow.state.problem?.code, 'registration.upload_missing');
  assert.equal(never.aborts, 1);
  never.keeps = [];
  never.flow.retry();
  await never.review();
});

test('without its hash a file is registered as the store has it', async () => {
  const w = new Parts();
  const usual = w.fetchPart;
  w.fetchPart = (part, url) => (part === 'hash' ? Promise.reject(new Error('not there')) : usual(part, url));
  await w.sends();
  assert.equal(w.bodies.at(-1)?.['media_sha256'], undefined);
});

test('2: after a reload the server says what is stored, and an empty file is not one of 100 %', async () => {
  const w = new Parts();
  await w.sends();
  const kept = w.begun!;
  assert.ok(kept.jobId && kept.file && kept.form);
  assert.doesNotMatch(JSON.stringify(kept), /t1|atc_|Ada|Blue/);
  const again = new Parts();
  again.flow.dispatch({ type: 'draft', path: 'file', draft: { file: w.flow.state.file } });
  again.begun = kept;
  for (const n of [1, 2, 3, 4, 5, 6]) again.stored.add(n);
  await again.sends();
  assert.deepEqual(sorted(again.took), [7, 8, 9, 10]);
  assert.ok(!again.asked.some((a) => a.startsWith('init')), 'no second job');
  assert.equal(again.flow.state.jobId, kept.jobId);
});

test('3: a failing call is retried by the same rules as a part', async () => {
  const w = new Parts();
  const busy = { status: 503, code: 'common.service_unavailable' };
  w.calls = { parts: ['drop', busy, undefined, { status: 500, code: 'common.internal' }, 'drop'], complete: [busy, 'drop'] };
  await w.sends();
  assert.deepEqual(sorted(w.took), numbers);
});

test('4: an abort that the user did not ask for is only a failure', async () => {
  const w = new Parts();
  w.answers = { 1: { status: 0, body: '' }, 2: { status: 0, body: '' } };
  await w.sends();
  assert.deepEqual(sorted(w.took), numbers);
});

test('5: offline it waits without an end, and goes on at once', async () => {
  const w = new Parts();
  w.answers = {
    3: () => {
      w.connected = false;
      return { status: 0, body: '' };
    },
  };
  w.flow.submit();
  await w.until(() => w.flow.state.notice === 'offline');
  const since = w.time;
  await w.pass(40_000);
  assert.equal(w.flow.state.screen, 'UPLOAD');
  w.reconnect();
  await w.until(() => w.flow.state.screen === 'CONFIRMING' && w.flow.state.phase === 'review');
  assert.ok(w.time - since < 60_000, `it went on after ${w.time - since} ms`);
  assert.deepEqual(sorted(w.took), numbers);
});

test('7: parts that the store lost are sent again', async () => {
  const w = new Parts();
  let lost = false;
  w.onComplete = () => {
    if (lost) return;
    lost = true;
    w.stored.delete(4);
  };
  await w.sends();
  assert.deepEqual(sorted(w.took), sorted([...numbers, 4]));
});

test('9: a cancelled upload sends nothing more', async () => {
  const w = new Parts();
  w.flow.submit();
  await w.until(() => w.took.length === 2);
  w.flow.edit();
  const sent = w.took.length;
  await w.pass(60_000);
  assert.equal(w.flow.state.screen, 'FORM');
  assert.equal(w.took.length, sent);
});

test('10: another file of the same size and time, or another form, begins another job', async () => {
  const w = new Parts();
  await w.sends();
  const kept = w.begun!;
  for (const change of ['file', 'title'] as const) {
    const other = new Parts();
    const { file } = w.flow.state;
    const bytes = new Uint8Array(1000).fill(7);
    const another = new File([bytes], 'song.wav', { lastModified: file!.lastModified });
    other.flow.dispatch({ type: 'draft', path: '', draft: change === 'file' ? { file: another } : { file, title: 'Another' } });
    other.begun = kept;
    await other.sends();
    assert.ok(
      other.asked.some((a) => a.startsWith('init')),
      change,
    );
    assert.deepEqual(sorted(other.took), numbers, change);
  }
});

test('ten failures in a row end it, and Retry continues with what is stored', async () => {
  const w = new Parts();
  for (let n = 4; n < 40; n++) w.answers[n] = { status: 500, body: '' };
  w.flow.submit();
  await w.until(() => w.flow.state.screen === 'FAILED');
  assert.equal(w.flow.state.problem?.code, 'widget.upload_error');
  const before = [...w.took];
  w.answers = {};
  w.flow.retry();
  await w.review();
  assert.deepEqual(sorted(w.took), numbers, `${before.join()} were stored before`);
});

test('files differ by their size, time, beginning and end', async () => {
  const of = (bytes: number[], time: number) => new File([new Uint8Array(bytes)], 'a', { lastModified: time });
  const prints = await Promise.all(
    [of([1, 2], 1), of([1, 2], 1), of([1, 3], 1), of([2, 2], 1), of([1, 2], 2), of([1, 2, 2], 1)].map(print),
  );
  assert.equal(prints[0], prints[1]);
  assert.equal(new Set(prints).size, 5);
});
