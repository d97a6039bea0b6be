/** Files that are not certificates get a message. A test of verify/build compares the result for each PDF with the command. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, utf8, type Bytes } from '../src/bytes.js';
import { maxSize } from '../src/evidence.js';
import { maxFile } from '../src/pdf/budget.js';
import { kindOf, read } from '../src/reading.js';

const golden = new Uint8Array(readFileSync('../proof/evidence/testdata/v1/full.json'));
const redacted = new Uint8Array(readFileSync('../proof/evidence/testdata/v1/redacted.json'));

/** A file with these attachments, each named evidence.json. */
function pdf(...attached: Uint8Array[]): Bytes {
  const specs = attached.map((_, i) => `<</F(evidence.json)/EF<</F ${i + 2} 0 R>>>>`);
  const objects = [
    utf8(`<</Type/Catalog/Names<</EmbeddedFiles<</Names[${specs.map((s) => `(evidence.json)${s}`).join('')}]>>>>>>`),
    ...attached.map((b) => concat(utf8(`<</Length ${b.length}>>\nstream\n`), b, utf8('\nendstream'))),
  ];
  let file = utf8('%PDF-1.7\n');
  let table = '';
  objects.forEach((o, i) => {
    table += `${String(file.length).padStart(10, '0')} 00000 n \n`;
    file = concat(file, utf8(`${i + 1} 0 obj\n`), o, utf8('\nendobj\n'));
  });
  return concat(
    file,
    utf8(`xref\n1 ${objects.length}\n${table}trailer\n<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${file.length}\n%%EOF\n`),
  );
}

test('a file that is not a certificate gets a message', async () => {
  const trouble = async (b: Bytes) => {
    const r = await read(new Blob([b]));
    return 'trouble' in r ? r.trouble : 'none';
  };
  assert.equal(await trouble(golden), 'none');
  assert.equal(await trouble(utf8('')), 'neither');
  assert.equal(await trouble(utf8('RIFF....WAVEfmt ')), 'neither');
  assert.equal(await trouble(utf8('{"a":1}')), 'neither');
  assert.equal(await trouble(utf8('{"evidence":3}')), 'otherVersion');
  assert.equal(await trouble(utf8('{"evidence":1}')), 'damaged');
  assert.equal(await trouble(utf8('{"evidence":2}')), 'damaged');
  assert.equal(await trouble(utf8('{"evidence":1')), 'damaged');
  assert.equal(await trouble(new Uint8Array(maxSize + 1)), 'neither');
  assert.equal(await trouble(pdf()), 'noAttachment');
  assert.equal(await trouble(pdf(golden)), 'none');
  assert.equal(await trouble(pdf(golden, redacted)), 'manyAttachments');
  assert.equal(await trouble(pdf(golden.slice(0, 3000))), 'damaged');
  assert.equal(await trouble(concat(utf8('junk\n'), pdf(golden))), 'none');
  assert.equal(await trouble(utf8('%PDF-1.7\n')), 'broken');
  assert.equal(await trouble(concat(pdf(), new Uint8Array(maxFile))), 'tooLarge');
  const broken = { size: 5, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) as unknown as Blob };
  assert.deepEqual(await read(broken), { trouble: 'unreadable' });
  assert.equal(await kindOf(broken), 'unreadable');
});

test('the kind of each file is found from its content', async () => {
  const latin1 = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
  for (const [kind, files] of Object.entries({
    proof: [pdf(), golden, utf8(' {"evidence":1'), utf8('{"evidence":3}')],
    recording: [
      latin1('RIFF\x10\0\0\0WAVEfmt '),
      latin1('ID3\x04\0\0'),
      latin1('\xff\xfb\x90\x64'),
      latin1('OggS\0'),
      latin1('fLaC\0\0'),
      latin1('\0\0\0 ftypM4A '),
      new Uint8Array(100),
    ],
    empty: [utf8('')],
    json: [utf8('{"name":"timbre"}'), utf8('\ufeff [1]')],
    text: [utf8('# Timbre\n\nRead me.'), utf8('Παραμύθι'), utf8('é'.repeat(40_000)), utf8('<!doctype html>')],
    image: [
      latin1('\x89PNG\r\n\x1a\n'),
      latin1('\xff\xd8\xff\xe0'),
      latin1('GIF89a'),
      latin1('RIFF\x10\0\0\0WEBPVP8 '),
      latin1('\0\0\0 ftypheic'),
    ],
    archive: [latin1('PK\x03\x04\x14\0'), latin1('\x1f\x8b\x08')],
  }))
    for (const file of files) assert.equal(await kindOf(new Blob([file as Bytes])), kind, new TextDecoder().decode(file.subarray(0, 20)));
});
