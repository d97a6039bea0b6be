/** Attachments are found in whatever way a PDF holds them, and nothing that is no PDF breaks anything. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { concat, utf8, type Bytes } from '../src/bytes.js';
import { maxSize } from '../src/evidence.js';
import { attachedEvidence, isPdf, maxPdf } from '../src/pdf.js';
import { kindOf, read } from '../src/reading.js';

const golden = new Uint8Array(readFileSync('../evidence/testdata/v1/full.json'));
const redacted = new Uint8Array(readFileSync('../evidence/testdata/v1/redacted.json'));

const stream = (number: number, dictionary: string, data: Uint8Array): Bytes => concat(utf8(`${number} 0 obj\n<<${dictionary}>>\nstream\n`), data, utf8('\nendstream\nendobj\n'));
const pdf = (...objects: Uint8Array[]): Bytes => concat(utf8('%PDF-1.7\n%\n1 0 obj\n<</Type/Catalog>>\nendobj\n'), ...objects, utf8('trailer\n<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n'));
const packed = (b: Uint8Array): Uint8Array => new Uint8Array(deflateSync(b));
const flate = (b: Uint8Array, more = '') => stream(2, `/Type/EmbeddedFile/Filter/FlateDecode/Length ${packed(b).length}${more}`, packed(b));

test('one attachment is found', async () => {
  const page = stream(3, `/Length ${packed(utf8('BT {} ET')).length}/Filter/FlateDecode`, packed(utf8('BT {} ET')));
  for (const [how, file] of Object.entries({
    'as it is': pdf(stream(2, `/Type/EmbeddedFile/Length ${golden.length}`, golden)),
    packed: pdf(page, flate(golden)),
    'in a list of filters': pdf(stream(2, `/Filter [ /FlateDecode ]/Length ${packed(golden).length}`, packed(golden))),
    'with a length elsewhere': pdf(stream(2, '/Length 9 0 R', golden), utf8(`9 0 obj\n${golden.length}\nendobj\n`)),
    'with a wrong length': pdf(stream(2, '/Length 7', golden)),
    'with a length beyond the file': pdf(stream(2, '/Length 9999999999', golden)),
    'without a length': pdf(stream(2, '', golden)),
    'with other line ends': pdf(utf8('2 0 obj\r\n<< /Length 0 >>\r\nstream\r\n'), golden, utf8('\r\nendstream\r\nendobj\r\n')),
    'in a file that is cut off': pdf(flate(golden)).slice(0, -60),
    'behind something else': concat(utf8('junk\n'), pdf(flate(golden))),
    'twice the same': pdf(stream(2, '', golden), stream(4, '', golden)),
    'in a later revision': concat(pdf(stream(2, '', redacted)), pdf(stream(2, '', golden))),
    'beside a stream that cannot be read': pdf(stream(5, '/Filter/FlateDecode', utf8('no')), stream(6, '/Filter/LZWDecode', utf8('no')), flate(golden)),
    'beside other data': pdf(stream(5, '', utf8('{"invoice":1}')), flate(golden)),
  })) {
    assert.ok(isPdf(file), how);
    const found = await attachedEvidence(file);
    assert.equal(found.length, 1, how);
    assert.deepEqual(found[0], golden, how);
    assert.ok('title' in (await read(new Blob([file]))), how);
    assert.equal(await kindOf(new Blob([file])), 'proof', how);
  }
});

test('what is no certificate is told kindly', async () => {
  const trouble = async (b: Bytes) => {
    const r = await read(new Blob([b]));
    return 'trouble' in r ? r.trouble : 'none';
  };
  assert.equal(await trouble(golden), 'none');
  assert.equal(await trouble(utf8('')), 'neither');
  assert.equal(await trouble(utf8('RIFF....WAVEfmt ')), 'neither');
  assert.equal(await trouble(utf8('{"a":1}')), 'neither');
  assert.equal(await trouble(utf8('{"evidence":2}')), 'otherVersion');
  assert.equal(await trouble(utf8('{"evidence":1}')), 'damaged');
  assert.equal(await trouble(utf8('{"evidence":1')), 'damaged');
  assert.equal(await trouble(new Uint8Array(maxSize + 1)), 'neither');
  assert.equal(await trouble(pdf()), 'noAttachment');
  assert.equal(await trouble(concat(pdf(stream(2, '', golden)), pdf(utf8('2 0 obj\nnull\nendobj\n')))), 'noAttachment');
  assert.equal(await trouble(pdf(stream(2, '', golden), stream(4, '', redacted))), 'manyAttachments');
  assert.equal(await trouble(pdf(flate(golden.slice(0, 3000)))), 'damaged');
  assert.equal(await trouble(concat(pdf(), new Uint8Array(maxPdf))), 'tooLarge');
  const broken = { size: 5, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) as unknown as Blob };
  assert.deepEqual(await read(broken), { trouble: 'unreadable' });
  assert.equal(await kindOf(broken), 'unreadable');
});

test('each file is known by what is in it', async () => {
  const latin1 = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
  for (const [kind, files] of Object.entries({
    proof: [pdf(), golden, utf8(' {"evidence":1'), utf8('{"evidence":2}')],
    recording: [latin1('RIFF\x10\0\0\0WAVEfmt '), latin1('ID3\x04\0\0'), latin1('\xff\xfb\x90\x64'), latin1('OggS\0'), latin1('fLaC\0\0'), latin1('\0\0\0 ftypM4A '), new Uint8Array(100)],
    empty: [utf8('')],
    json: [utf8('{"name":"timbre"}'), utf8('\ufeff [1]')],
    text: [utf8('# Timbre\n\nRead me.'), utf8('Παραμύθι'), utf8('é'.repeat(40_000)), utf8('<!doctype html>')],
    image: [latin1('\x89PNG\r\n\x1a\n'), latin1('\xff\xd8\xff\xe0'), latin1('GIF89a'), latin1('RIFF\x10\0\0\0WEBPVP8 '), latin1('\0\0\0 ftypheic')],
    archive: [latin1('PK\x03\x04\x14\0'), latin1('\x1f\x8b\x08')],
  }))
    for (const file of files) assert.equal(await kindOf(new Blob([file as Bytes])), kind, new TextDecoder().decode(file.subarray(0, 20)));
});

test('a small file that unpacks without end', async () => {
  const bomb = packed(concat(utf8('{"evidence":1,"title":"'), new Uint8Array(16 << 20).fill(0x41)));
  const [found] = await attachedEvidence(pdf(stream(2, `/Filter/FlateDecode/Length ${bomb.length}`, bomb)));
  assert.equal(found?.length, maxSize + 1);
});

test('a small file with very many attachments', async () => {
  const many = Array.from({ length: 200 }, (_, i) => stream(2 + i, '', utf8(`{"evidence":${i}}`)));
  assert.equal((await attachedEvidence(pdf(...many))).length, 2);
});

test('whatever it is given, it ends', async () => {
  const whole = pdf(flate(golden), stream(3, '/Length 5 0 R', redacted));
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  const words = ['obj', 'stream\n', 'endstream', '<<', '>>', '/Length 1 ', '/Filter', '/FlateDecode', '9 0 obj\n', '%PDF-', '\n', '\xff'].map(utf8);
  for (let i = 0; i < 1500; i++) {
    const b = whole.slice(0, random(3) ? whole.length : random(whole.length));
    for (let n = random(6); n > 0; n--) b.set(words[random(words.length)]!.subarray(0, Math.max(0, b.length - 12)), random(Math.max(1, b.length - 12)));
    await read(new Blob([b]));
  }
});
