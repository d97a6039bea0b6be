/** The golden files and the cases of the Go sources: both verifiers give the same result for each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sha256 } from '../src/bytes.js';
import { parseCheckpoints } from '../src/chain.js';
import { Malformed, decode, maxSize, type Evidence, type Log } from '../src/evidence.js';
import { fingerprint, parseKey } from '../src/log.js';
import { networkOf, onTestNetwork } from '../src/network.js';
import { parsePolicy } from '../src/policy.js';
import { kindOf, read, type Refused } from '../src/reading.js';
import { dates, find, levels } from '../src/verdict.js';
import { verify } from '../src/verify.js';

const testdata = (name: string): Uint8Array => new Uint8Array(readFileSync(`../proof/evidence/testdata/${name}`));
const text = (name: string): string => new TextDecoder().decode(testdata(name));
const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);
const recording = (b: Uint8Array) => ({ sha256: sha256(b), size: BigInt(b.length) });

const key = text('v1/key.txt').trim();
const media = recording(testdata('v1/media.bin'));

interface Case {
  readonly name: string;
  readonly of?: string;
  readonly replace?: readonly (readonly [string, string])[];
  readonly key?: string;
  readonly media?: string;
  readonly malformed?: boolean;
  readonly failed?: readonly string[];
  readonly not_checked?: readonly string[];
}

/** The golden file that a case names. */
const goldenFile = (of = 'full.json'): string => (of.includes('/') ? of : `v1/${of}`);

const decoded = (b: Uint8Array): Evidence | undefined => {
  try {
    return decode(b);
  } catch (e) {
    assert.ok(e instanceof Malformed, String(e));
    return undefined;
  }
};

test('every case has the verdict of the Go sources', () => {
  const cases = JSON.parse(text('cases.json')) as Case[];
  assert.ok(cases.length > 300);
  for (const c of cases) {
    const document = (c.replace ?? []).reduce(
      (all, [from, to]) => {
        assert.equal(all.split(from).length, 2, `${c.name}: ${from}`);
        return all.replace(from, () => to);
      },
      text(goldenFile(c.of)),
    );
    const e = decoded(bytes(document));
    assert.equal(e === undefined, c.malformed ?? false, `${c.name}: malformed`);
    if (!e) continue;
    const options = { media: c.media === undefined ? media : recording(bytes(c.media)), keys: [c.key ?? key] };
    const failed = verify(e, options).filter((one) => one.status === 'failed');
    const entry = verify(e, options).find((one) => one.name === 'entry');
    assert.equal(entry?.status === 'not_checked', c.not_checked?.includes('entry') ?? false, c.name);
    assert.deepEqual(
      failed.map((one) => one.name),
      c.failed ?? [],
      c.name,
    );
    // Evidence with a failed check is never called verified. A failed attestation is ignored.
    const proof = failed.filter((one) => one.part === undefined);
    assert.equal(['verified', 'unknown'].includes(find(e, options).verdict), proof.length === 0, c.name);
  }
});

test('a file is evidence by its member, however the name is written', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"\\u0065vidence":3}', 'otherVersion'],
    ['{"\\u0065vidence":1}', 'damaged'],
    ['{"a":[{"evidence":1}],"evidence":1', 'damaged'],
    ['{"evidence":"3"}', 'damaged'],
    ['{"evidence":null}', 'damaged'],
    ['{"a":"evidence"}', 'neither'],
    ['{"a":{"evidence":1}}', 'neither'],
    ['{"a":1}{"evidence":1}', 'neither'],
    ['["evidence"]', 'neither'],
  ];
  for (const [file, trouble] of cases) {
    assert.deepEqual(((await read(new Blob([file]))) as Refused).trouble, trouble, file);
    assert.equal(await kindOf(new Blob([file])), trouble === 'neither' ? 'json' : 'proof', file);
  }
  const escaped = text('v1/full.json').replace('"evidence"', '"\\u0065vidence"');
  assert.ok('evidence' in (await read(new Blob([escaped]))));
});

test('evidence that is not UTF-8, or too large', () => {
  const golden = testdata('v1/full.json');
  const at = text('v1/full.json').indexOf('Porch');
  assert.equal(decoded(golden.map((b, i) => (i === at ? 0xff : b))), undefined);
  const large = new Uint8Array(maxSize + 1).fill(0x20);
  large.set(golden);
  assert.equal(decoded(large), undefined);
  assert.ok(decoded(large.subarray(0, maxSize)));
});

interface Situation {
  readonly name: string;
  readonly of?: string;
  readonly replace?: readonly [string, string];
  readonly media: 'right' | 'other' | 'none';
  readonly key: 'right' | 'other' | 'none';
  readonly page?: 'failed' | 'not_checked';
  readonly verdict: string;
  readonly test: boolean;
}

test('every situation has the verdict of the command', () => {
  const mine = 'timbre.example/log/testnet+2833910c+AcWsj5sMk6fVekC4EEfDTx9NLNUzhBOkdroztBgHdU0c';
  const e = decode(testdata('v1/full.json'));
  for (const s of JSON.parse(text('verdicts.json')) as Situation[]) {
    const [from, to] = s.replace ?? ['', ''];
    const evidence = decode(bytes(text(goldenFile(s.of)).replace(from, () => to)));
    const given = { right: media, other: recording(bytes('another')), none: undefined }[s.media];
    const keys = { right: [key], other: [mine], none: [] }[s.key];
    assert.equal(find(evidence, { media: given, keys, changed: s.page && s.page === 'failed' }).verdict, s.verdict, s.name);
    assert.equal(onTestNetwork(evidence), s.test, s.name);
  }
  // The page can trust several logs; one of them signed.
  assert.equal(find(e, { media, keys: [mine, key] }).verdict, 'verified');
});

test('every origin has the network that the command names', () => {
  const e = decode(testdata('v1/full.json'));
  for (const c of JSON.parse(text('networks.json')) as { origin: string; network: string; test: boolean }[]) {
    assert.equal(networkOf(c.origin) ?? '', c.network, c.origin);
    // The member that anyone can change does not decide the network.
    for (const network of ['testnet', 'mainnet'])
      assert.equal(onTestNetwork({ ...e, network, at: { ...(e.at as Log), origin: c.origin } }), c.test, c.origin);
  }
});

test('this page does not check a time-stamp token', () => {
  const found = find(decode(testdata('v1/stamped.json')), { media, keys: [key] });
  assert.equal(found.verdict, 'verified');
  assert.deepEqual(
    found.checks.filter((c) => c.status !== 'ok'),
    [
      { name: 'token', status: 'not_checked', part: undefined },
      { name: 'token_authority', status: 'not_checked', part: undefined },
    ],
  );
});

test('a quorum of trusted witnesses', () => {
  const policy = parsePolicy(text('v2/policy.txt'));
  assert.ok(policy);
  const found = find(decode(testdata('v2/attested.json')), { media, keys: [], policy });
  assert.equal(found.verdict, 'verified');
  const witnesses = found.checks.find((c) => c.name === 'witnesses');
  assert.deepEqual(witnesses, { name: 'witnesses', status: 'ok', time: witnesses?.time, by: ['w0', 'w2'] });
  assert.equal(found.checks.find((c) => c.name === 'later')?.status, 'ok');
  assert.equal(find(decode(testdata('v2/full.json')), { media, keys: [], policy }).verdict, 'unwitnessed');
  for (const bad of [
    '',
    'quorum none\nquorum none',
    'quorum a',
    'witness a b\nquorum a',
    `log ${policy.logs[0]}\nlog ${policy.logs[0]}\nquorum none`,
  ])
    assert.equal(parsePolicy(bad), undefined, bad);
});

interface ChainCase {
  readonly name: string;
  readonly checkpoint?: string;
  readonly block: object;
  readonly substrate: object;
  readonly without?: readonly string[];
  readonly failed?: readonly string[];
  readonly not_checked?: readonly string[];
  readonly verdict: string;
}

test('every forged chain has the result of the Go sources', () => {
  const all = JSON.parse(text('chains.json')) as ChainCase[];
  assert.ok(all.length > 60);
  const base = JSON.parse(text('v2/chain.json')) as { substrate: object };
  for (const c of all) {
    const members = Object.entries({ ...base.substrate, ...all[0]!.substrate, ...c.substrate });
    const substrate = Object.fromEntries(members.filter(([name]) => !c.without?.includes(name)));
    const e = decode(bytes(JSON.stringify({ ...base, block: c.block, substrate })));
    const { checks, verdict } = find(e, { keys: [], chains: parseCheckpoints(c.checkpoint ?? '') });
    const names = (status: string) => checks.filter((one) => one.status === status && one.name !== 'media').map((one) => one.name);
    assert.deepEqual(names('failed'), c.failed ?? [], c.name);
    assert.deepEqual(names('not_checked'), c.not_checked ?? [], c.name);
    assert.equal(verdict, c.verdict, c.name);
    // On a chain by authorities that are trusted, by those that only the document names, or nowhere: never both.
    const level = ({ registered: ['chained'], untrusted: ['named'], unknown: ['registered'] } as Record<string, string[]>)[verdict];
    assert.deepEqual(levels(checks), c.failed?.length ? [] : level, c.name);
  }
});

test('an anchor of a log lifts the proof to the chain, for those who pin it', () => {
  const e = decode(testdata('v2/anchored.json'));
  const pinned = parseCheckpoints(text('v2/checkpoint.txt'))!;
  const found = (chains: typeof pinned) => find(e, { media, keys: [key], chains });
  const anchor = (chains: typeof pinned) => found(chains).checks.find((c) => c.name === 'anchor');
  assert.equal(found(pinned).verdict, 'verified');
  assert.equal(anchor(pinned)?.status, 'ok');
  assert.deepEqual(levels(found(pinned).checks), ['logged', 'chained']);
  assert.deepEqual(
    dates(e, found(pinned).checks).map((d) => d.key),
    ['since_anchor', 'since_log'],
  );
  assert.deepEqual([anchor([])?.status, anchor([])?.set], ['not_checked', 6n]);
  assert.deepEqual(levels(found([]).checks), ['logged']);
  const other = pinned.map((c) => ({ ...c, network: 'mainnet' }));
  assert.equal(anchor(other)?.status, 'failed');
  assert.equal(found(other).verdict, 'verified'); // it stands beside the proof
  assert.equal(dates(e, found(other).checks).length, 1);
});

test('a checkpoint of a chain has one form', () => {
  const good = text('v2/checkpoint.txt');
  const key = 'a'.repeat(64);
  const chain = `network a\ngenesis ${key}\n`;
  assert.equal(parseCheckpoints(good)?.length, 1);
  for (const c of JSON.parse(text('checkpoints.json')) as { text: string; sets: number }[])
    assert.equal(parseCheckpoints(c.text)?.length ?? 0, c.sets, c.text);
  assert.equal(parseCheckpoints(`${chain}set 1\nauthority ${key} 1\n${'#'.repeat(1 << 18)}`), undefined);
});

test('trusted keys: fingerprint, validity and choice', () => {
  assert.equal(parseKey(key)?.name, 'timbre.example/log/testnet');
  for (const bad of [
    '',
    'x',
    key + 'A',
    key.slice(0, -1),
    key.replace('log', 'l g'),
    key.replace('6666f8af', '6666f8a'),
    key.replace('+', '++'),
  ])
    assert.equal(parseKey(bad), undefined, bad);
  assert.match(fingerprint(key), /^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
});

test('all input ends in evidence or in a refusal', () => {
  const golden = testdata('v1/full.json');
  let seed = 1;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  const signs = bytes('{}[]",:\\0123456789.eE-+ntfu \n\xff');
  let read = 0;
  for (let i = 0; i < 4000; i++) {
    const b = golden.slice(0, random(4) ? golden.length : random(golden.length));
    for (let n = 1 + random(3); n > 0; n--) b[random(b.length || 1)] = random(2) ? random(256) : signs[random(signs.length)]!;
    const e = decoded(b);
    if (!e) continue;
    read++;
    verify(e, { media, keys: [key] });
  }
  assert.ok(read > 100, `${read} were read`);
});
