/** The title inside a recording: ID3v2, Vorbis comments, MP4 and RIFF. An unreadable tag gives no title. */

/** The most that is read of a file for its title: in bytes at one place, and in places. */
const longest = 256 << 10;
const hops = 64;

const latin = (b: Uint8Array) => new TextDecoder('latin1').decode(b);
const utf8 = (b: Uint8Array) => new TextDecoder().decode(b);
const u32 = (b: Uint8Array, at: number) => new DataView(b.buffer, b.byteOffset, b.length).getUint32(at);
const u32le = (b: Uint8Array, at: number) => new DataView(b.buffer, b.byteOffset, b.length).getUint32(at, true);
const syncsafe = (b: Uint8Array, at: number) => (b[at]! << 21) | (b[at + 1]! << 14) | (b[at + 2]! << 7) | b[at + 3]!;

const bytesOf = async (file: Blob, from: number, to: number) =>
  new Uint8Array(await file.slice(from, Math.min(to, from + longest)).arrayBuffer());

export async function titleIn(file: Blob, head: Uint8Array): Promise<string> {
  const sign = latin(head.subarray(0, 4));
  if (sign.startsWith('ID3')) return id3(await bytesOf(file, 0, 10 + syncsafe(head, 6)));
  if (/^(RIFF|RF64|BW64)/.test(sign)) return chunks(file, 12, u32le, { LIST: info, 'id3 ': id3, 'ID3 ': id3 });
  if (sign === 'FORM') return chunks(file, 12, u32, { NAME: utf8, 'ID3 ': id3 });
  if (sign === 'fLaC') return flac(file);
  if (sign === 'OggS') return ogg(await bytesOf(file, 0, longest));
  if (latin(head.subarray(4, 8)) === 'ftyp') return mp4(file, 0, file.size, ['moov', 'udta', 'meta', 'ilst', '\xa9nam', 'data']);
  return '';
}

/** Chunks with a name and a size, padded to an even size. */
async function chunks(file: Blob, at: number, size: typeof u32, readers: Record<string, (b: Uint8Array) => string>): Promise<string> {
  for (let n = 0; n < hops && at + 8 <= file.size; n++) {
    const h = await bytesOf(file, at, at + 8);
    const length = size(h, 4);
    const found = readers[latin(h.subarray(0, 4))]?.(await bytesOf(file, at + 8, at + 8 + length));
    if (found) return found;
    at += 8 + length + (length & 1);
  }
  return '';
}

function info(list: Uint8Array): string {
  if (latin(list.subarray(0, 4)) !== 'INFO') return '';
  for (let at = 4; at + 8 <= list.length;) {
    const length = u32le(list, at + 4);
    const text = list.subarray(at + 8, at + 8 + length);
    if (latin(list.subarray(at, at + 4)) === 'INAM') return either(text);
    at += 8 + length + (length & 1);
  }
  return '';
}

/** RIFF names no encoding: UTF-8 if the bytes are valid UTF-8, else Latin-1. */
function either(b: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(b);
  } catch {
    return latin(b);
  }
}

function id3(tag: Uint8Array): string {
  const major = tag[3];
  if (latin(tag.subarray(0, 3)) !== 'ID3' || !major || major < 2 || major > 4) return '';
  const flags = tag[5]!;
  let frames = tag.subarray(10, 10 + syncsafe(tag, 6));
  if (flags & 0x80 && major < 4) frames = synchronised(frames);
  let at = flags & 0x40 && major > 2 ? (major === 4 ? syncsafe(frames, 0) : 4 + u32(frames, 0)) : 0;
  const [name, head] = major === 2 ? ['TT2', 6] : ['TIT2', 10];
  while (at + head <= frames.length && frames[at]) {
    const length =
      major === 2
        ? (frames[at + 3]! << 16) | (frames[at + 4]! << 8) | frames[at + 5]!
        : major === 4
          ? syncsafe(frames, at + 4)
          : u32(frames, at + 4);
    if (latin(frames.subarray(at, at + name.length)) === name) {
      let text = frames.subarray(at + head, at + head + length);
      // The length of the data is in the bytes before it.
      if (major === 4 && frames[at + 9]! & 1) text = text.subarray(4);
      if (major === 4 && frames[at + 9]! & 2) text = synchronised(text);
      return textFrame(text);
    }
    at += head + length;
  }
  return '';
}

const synchronised = (b: Uint8Array) => b.filter((x, i) => x || b[i - 1] !== 0xff);

function textFrame(b: Uint8Array): string {
  const text = b.subarray(1);
  switch (b[0]) {
    case 0:
      return latin(text);
    case 1:
      return new TextDecoder(text[0] === 0xfe ? 'utf-16be' : 'utf-16le').decode(text);
    case 2:
      return new TextDecoder('utf-16be').decode(text);
    case 3:
      return utf8(text);
  }
  return '';
}

/** The vendor, then name=value entries, each with its length. */
function comments(b: Uint8Array): string {
  let at = 4 + u32le(b, 0);
  const count = u32le(b, at);
  at += 4;
  for (let i = 0; i < count && at + 4 <= b.length; i++) {
    const length = u32le(b, at);
    if (/^title=/i.test(latin(b.subarray(at + 4, at + 10)))) return utf8(b.subarray(at + 10, at + 4 + length));
    at += 4 + length;
  }
  return '';
}

async function flac(file: Blob): Promise<string> {
  for (let at = 4, n = 0; n < hops && at + 4 <= file.size; n++) {
    const h = await bytesOf(file, at, at + 4);
    const length = u32(h, 0) & 0xffffff;
    if ((h[0]! & 127) === 4) return comments(await bytesOf(file, at + 4, at + 4 + length));
    if (h[0]! & 128) break;
    at += 4 + length;
  }
  return '';
}

function ogg(b: Uint8Array): string {
  // The packets, without the page headers between their parts.
  const body: number[] = [];
  for (let at = 0; at + 27 <= b.length && latin(b.subarray(at, at + 4)) === 'OggS';) {
    const table = b.subarray(at + 27, at + 27 + b[at + 26]!);
    const from = at + 27 + table.length;
    at = from + table.reduce((sum, n) => sum + n, 0);
    for (const x of b.subarray(from, at)) body.push(x);
  }
  const packets = new Uint8Array(body);
  const text = latin(packets.subarray(0, 4096));
  for (const sign of ['\x03vorbis', 'OpusTags']) {
    const at = text.indexOf(sign);
    if (at >= 0) return comments(packets.subarray(at + sign.length));
  }
  return '';
}

/** Nested boxes, along a path. */
async function mp4(file: Blob, at: number, end: number, path: readonly string[]): Promise<string> {
  for (let n = 0; n < hops && at + 8 <= end; n++) {
    const h = await bytesOf(file, at, at + 16);
    let length = u32(h, 0);
    let head = 8;
    if (length === 1 && h.length === 16) {
      head = 16;
      length = u32(h, 8) * 2 ** 32 + u32(h, 12);
    }
    if (length === 0) length = end - at;
    if (length < head) break;
    if (latin(h.subarray(4, 8)) === path[0]) {
      if (path[0] === 'data') return utf8(await bytesOf(file, at + head + 8, at + length));
      // QuickTime’s own meta box has no version before its boxes.
      const plain = path[0] !== 'meta' || latin(h.subarray(12, 16)) === 'hdlr';
      return mp4(file, at + head + (plain ? 0 : 4), at + length, path.slice(1));
    }
    at += length;
  }
  return '';
}
