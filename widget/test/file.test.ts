/** The inspection of a chosen file: it detects files that are not recordings, and proposes a title. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look, tidy, titleOf } from '../src/file/file.js';
import { World } from './world.js';

const latin = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
const utf16 = (s: string) => [0xff, 0xfe, ...[...new Uint16Array([...s].map((c) => c.charCodeAt(0)))].flatMap((n) => [n & 255, n >> 8])];
const be = (n: number) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];
const le = (n: number) => be(n).reverse();
const safe = (n: number) => [(n >> 21) & 127, (n >> 14) & 127, (n >> 7) & 127, n & 127];
type Part = string | readonly number[] | Uint8Array;
const bytes = (...parts: readonly Part[]) => Uint8Array.from(parts.flatMap((p) => [...(typeof p === 'string' ? latin(p) : p)]));
const text = (s: string) => [...new TextEncoder().encode(s)];
const file = (b: Uint8Array, name = 'take 1.wav') => new File([b as BlobPart], name);
const chunk = (name: string, body: Uint8Array, size = le) => bytes(name, size(body.length), body, body.length & 1 ? [0] : []);
const riff = (...chunks: Uint8Array[]) => bytes('RIFF', le(999), 'WAVE', ...chunks);
const id3 = (major: number, ...frames: Uint8Array[]) => {
  const body = bytes(...frames);
  return bytes('ID3', [major, 0, 0], safe(body.length), body, [0xff, 0xfb, 0x90, 0]);
};
const frame = (name: string, body: Uint8Array, size = be) => bytes(name, size(body.length), [0, 0], body);
const box = (name: string, ...inside: Uint8Array[]) => {
  const body = bytes(...inside);
  return bytes(be(body.length + 8), name, body);
};
const comments = (...list: string[]) => bytes(le(3), 'me!', le(list.length), ...list.flatMap((c) => [le(text(c).length), text(c)]));
const ogg = (...packets: Uint8Array[]) =>
  bytes(
    ...packets.flatMap((p) => [
      'OggS',
      Array(22).fill(0) as number[],
      [Math.ceil((p.length + 1) / 255)],
      Array.from({ length: Math.ceil((p.length + 1) / 255) }, (_, i) => Math.min(255, p.length - 255 * i)),
      p,
    ]),
  );

test('a title is taken from the tags of every format that has tags', async () => {
  const long = bytes(Array<number>(70_001).fill(1));
  const name = (t: string) => box('\xa9nam', box('data', bytes(be(1), be(0), text(t))));
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['MP3, Latin-1, after a picture', id3(3, frame('APIC', long), frame('TIT2', bytes([0], 'Caf\xe9\0more'))), 'Café'],
    ['MP3, UTF-16', id3(3, frame('TIT2', bytes([1], utf16('Цвет')))), 'Цвет'],
    ['MP3, 2.4, UTF-8', id3(4, frame('TPE1', bytes([3], 'x'), safe), frame('TIT2', bytes([3], text('夜の歌')), safe)), '夜の歌'],
    ['MP3, 2.2', id3(2, bytes('TT2', [0, 0, 5], [0], 'Blue')), 'Blue'],
    [
      'WAV, INFO',
      riff(
        chunk('fmt ', bytes([1, 2, 3])),
        chunk('data', long),
        chunk('LIST', bytes('INFO', chunk('IART', latin('Ada')), chunk('INAM', latin('Blue Morning\0')))),
      ),
      'Blue Morning',
    ],
    ['WAV, ID3', riff(chunk('data', long), chunk('id3 ', id3(3, frame('TIT2', bytes([0], 'Red'))))), 'Red'],
    ['AIFF', bytes('FORM', be(9), 'AIFF', chunk('SSND', long, be), chunk('NAME', latin('Green'), be)), 'Green'],
    [
      'FLAC',
      bytes(
        'fLaC',
        [0],
        [0, 0, 34],
        Array<number>(34).fill(0),
        [0x84],
        be(comments('ARTIST=x', 'Title=Größe').length).slice(1),
        comments('ARTIST=x', 'Title=Größe'),
      ),
      'Größe',
    ],
    [
      'Ogg Vorbis',
      ogg(bytes([1], 'vorbis', Array<number>(23).fill(0)), bytes([3], 'vorbis', comments('TITLE=' + 'é'.repeat(190)))),
      'é'.repeat(190),
    ],
    ['Opus', ogg(bytes('OpusHead', Array<number>(11).fill(0)), bytes('OpusTags', comments('title=Grey'))), 'Grey'],
    [
      'M4A, the index last',
      bytes(
        box('ftyp', latin('M4A ')),
        box('mdat', long),
        box('moov', box('mvhd'), box('udta', box('meta', bytes(be(0)), box('hdlr'), box('ilst', box('\xa9ART'), name('Ünder'))))),
      ),
      'Ünder',
    ],
    [
      'QuickTime, meta without a version',
      bytes(box('ftyp', latin('qt  ')), box('moov', box('udta', box('meta', box('hdlr', latin('........')), box('ilst', name('Plain')))))),
      'Plain',
    ],
  ];
  for (const [what, b, title] of cases) assert.deepEqual(await look(file(b)), { title }, what);
});

test('tags with wrong sizes, an early end or circular references give no title, and take no time', async () => {
  const broken = [
    bytes('ID3', [3, 0, 0], safe(1 << 27), 'TIT2', be(-1), [0, 0, 0]),
    riff(chunk('LIST', bytes('INFO', 'INAM', le(-1)))),
    bytes('RIFF', le(0), 'WAVE', ...Array<Uint8Array>(500).fill(bytes('junk', le(0)))),
    bytes('fLaC', [4], [255, 255, 255], le(-1)),
    bytes(box('ftyp'), be(4), 'moov'),
    bytes(box('ftyp'), be(1), 'moov'),
    ogg(bytes([3], 'vorbis', le(-1))),
    bytes('OggS'),
    bytes('ID3'),
  ];
  for (const b of broken) assert.deepEqual(await look(file(b, 'Name.mp3')), { title: 'Name' });
  // All input gives a result.
  let seed = 1;
  for (let n = 0; n < 300; n++) {
    const noise = Uint8Array.from({ length: 200 }, () => (seed = (seed * 48271) % 2147483647) & 255);
    for (const sign of ['ID3\x03\0\0', 'RIFF', 'fLaC', 'OggS', '\0\0\0\x08ftyp', 'FORM'])
      assert.ok('title' in (await look(file(bytes(sign, noise)))));
  }
});

test('the text of a tag is cleaned: no control character, no direction mark, and no more than a title may have', () => {
  assert.equal(tidy(' Blue\u202e\tMor\x07ning\n\u200f '), 'Blue Mor ning');
  assert.equal(tidy('a\ud800b'), 'ab');
  assert.equal([...tidy('😀'.repeat(300))].length, 200);
  assert.equal(tidy('👩‍👩‍👧'), '👩‍👩‍👧', 'joiners stay');
});

test('without a tag, the file name proposes a title', () => {
  for (const [name, title] of [
    ['blue_morning.wav', 'blue morning'],
    ['03 - Blue Morning.mp3', 'Blue Morning'],
    ['7. Red.flac', 'Red'],
    ['99 Balloons.ogg', '99 Balloons'],
    ['1999.wav', '1999'],
    ['evil\u202evaw.mp3', 'evil vaw'],
    ['.wav', ''],
    ['Mr. Blue', 'Mr. Blue'],
    ['v1.2 final.wav', 'v1.2 final'],
  ] as const)
    assert.equal(titleOf(name), title, name);
});

test('a file that is certainly not a recording is reported by its kind; the server checks all others', async () => {
  for (const [begins, detected] of [
    ['%PDF-1.7', 'application/pdf'],
    ['PK\x03\x04', 'application/zip'],
    ['MThd\0\0\0\x06', 'audio/midi'],
    ['\x89PNG\r\n', 'image/png'],
    ['Dear label, this is a letter.', 'text/plain'],
    ['<!doctype html><html lang=en>', 'text/plain'],
    [String.fromCharCode(...text('Größe und Grüße aus der Ferne')), 'text/plain'],
  ] as const)
    assert.deepEqual(await look(file(latin(begins), 'song.mp3')), { detected }, begins);
  for (const begins of ['RIFF', 'ID3', '\xff\xfb\x90\x64', '\0\0\0\0', '\x1aE\xdf\xa3', 'OggS', 'FORMAIFFCOMMxxxx\x01'])
    assert.ok('title' in (await look(file(latin(begins), 'song.mp3'))), begins);
  const gone = Object.assign(file(latin('RIFF')), { slice: () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadableError')) }) });
  assert.deepEqual(await look(gone as unknown as File), { detected: '' });
});

const chosen = async (w: World, f: File, done: () => boolean) => {
  w.flow.choose(f);
  await w.until(done);
};

test('a chosen file is inspected: refused next to its field, before anything is sent', async () => {
  for (const [f, key, code, details] of [
    [file(latin('%PDF-1.7 and so on')), 'errFormat', 'registration.invalid_audio_format', { detected: 'application/pdf' }],
    [
      Object.assign(file(latin('RIFF')), { slice: () => ({ arrayBuffer: () => Promise.reject(new Error()) }) }) as unknown as File,
      'errUnreadable',
      'widget.upload_error',
      { reason: 'unreadable' },
    ],
    [file(new Uint8Array()), 'errEmpty', 'registration.audio_empty', undefined],
  ] as const) {
    const w = new World();
    await chosen(w, f, () => !!w.state.errors['file']);
    assert.equal(w.state.errors['file']?.key, key);
    const [name, detail] = w.events[0]!;
    assert.deepEqual([name, detail['code'], detail['stage'], detail['details'], w.asked], ['allfeat:error', code, 'file', details, []]);
    w.flow.submit();
    assert.equal(w.state.screen, 'FORM', 'continuing does not send it');
  }
});

test('a problem found after the person continued to the creators leads back to the file', async () => {
  const w = new World();
  w.flow.choose(file(latin('%PDF-1.7 and so on')));
  w.flow.next();
  assert.equal(w.state.step, 'creators');
  await w.until(() => !!w.state.errors['file']);
  assert.equal(w.state.step, 'song');
});

test('a folder or several files: nothing is taken, and the chosen file stays', () => {
  const w = new World();
  const before = w.state.file;
  for (const [reason, key] of [
    ['folder', 'errFolder'],
    ['several', 'errSeveral'],
  ] as const) {
    w.flow.refuseDrop(reason);
    assert.deepEqual([w.state.errors['file']?.key, w.state.file], [key, before]);
    assert.deepEqual(w.events.at(-1)?.[1]['details'], { reason });
  }
});

test('a title is proposed where none was typed, and another file proposes another title', async () => {
  const w = new World();
  const title = (t: string) => w.flow.dispatch({ type: 'draft', path: 'title', draft: { title: t } });
  title('');
  await chosen(w, file(latin('RIFF'), 'one.wav'), () => w.state.title !== '');
  assert.equal(w.state.title, 'one');
  await chosen(w, file(latin('RIFF'), 'two.wav'), () => w.state.title !== 'one');
  assert.equal(w.state.title, 'two');
  title('Mine');
  await chosen(w, file(latin('RIFF'), 'three.wav'), () => false).catch(() => {});
  assert.equal(w.state.title, 'Mine');
});

test('without the part that inspects files, the server checks the file', async () => {
  const w = new World();
  w.fetchPart = () => Promise.reject(new Error('not there'));
  w.flow.choose(file(latin('%PDF-1.7')));
  await new Promise(setImmediate);
  assert.deepEqual([w.state.errors, w.state.file?.name], [{}, 'take 1.wav']);
});
