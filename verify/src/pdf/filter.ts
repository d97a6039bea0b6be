/** Undoes filters of streams. */
import type { Bytes } from '../bytes.js';
import type { Budget } from './budget.js';
import { inflate } from './inflate.js';
import { refuse } from './refusal.js';
import { digit, isWhite } from './scanner.js';
import { latin1, number, type Dict, type Value } from './value.js';

/** The output of a filter. */
class Output {
  data = new Uint8Array(256);
  size = 0;
  constructor(readonly room: number) {}

  /** Makes place for n bytes more. More than there is room for are refused. */
  grow(n: number): void {
    if (this.size + n > this.room) refuse('size');
    if (this.size + n <= this.data.length) return;
    const more = new Uint8Array(2 * this.size + n);
    more.set(this.data);
    this.data = more;
  }

  add(...bytes: number[]): void {
    this.grow(bytes.length);
    for (const c of bytes) this.data[this.size++] = c;
  }
}

/** Undoes one filter, for at most a number of bytes. */
export function unpack(b: Budget, filter: Value, parameters: Dict, data: Bytes, most: number): Bytes {
  const packed = filter === '/FlateDecode' || filter === '/LZWDecode';
  const plain =
    filter === '/ASCIIHexDecode' ? unhex : filter === '/ASCII85Decode' ? un85 : filter === '/RunLengthDecode' ? unrun : undefined;
  if (!packed && !plain) refuse('filter');
  b.step(packed ? 4 * data.length : data.length); // a byte of compressed data costs more than a byte of text
  const room = b.room(most);
  let out: Bytes;
  let end: number;
  if (filter === '/FlateDecode') ({ out, end } = inflate(data, room));
  else {
    const o = new Output(room);
    if (plain) end = plain(data, o);
    else {
      const early = parameters.has('EarlyChange') ? number(parameters.get('EarlyChange')) : 1;
      if (early !== 0 && early !== 1) refuse('filter');
      end = unLZW(data, early, o);
    }
    out = o.data.subarray(0, o.size);
  }
  // Only the end of a line may follow the data.
  if (!/^\r?\n?$/.test(latin1(data.subarray(end, end + 3)))) refuse('stream');
  b.step(out.length);
  return packed ? unpredict(b, parameters, out) : out;
}

/**
 * Codes of 9 to 12 bits. The first code clears the table, and the last one ends the data. With early, codes become longer one code
 * earlier.
 */
function unLZW(data: Bytes, early: number, out: Output): number {
  // An entry is an earlier part of the output: the text of the code before it, and one byte more.
  const from: number[] = [];
  const size: number[] = [];
  let [at, held, bits, width, next, last, lastFrom] = [0, 0, 0, 9, 258, -1, 0];
  for (let begun = false; ; begun = true) {
    while (bits < width) {
      if (at === data.length) refuse('stream');
      held = ((held << 8) | data[at++]!) & 0xffffff;
      bits += 8;
    }
    bits -= width;
    const code = (held >> bits) & ((1 << width) - 1);
    if (code === 257 && begun) return at;
    if (code === 256) {
      [width, next, last] = [9, 258, -1];
      continue;
    }
    if (!begun || code === 257) refuse('stream');
    if (last >= 0) {
      if (next === 4096) refuse('stream');
      from[next] = lastFrom;
      size[next++] = last > 257 ? size[last]! + 1 : 2;
    }
    lastFrom = out.size;
    if (code < 256) out.add(code);
    else {
      if (code >= next) refuse('stream');
      out.grow(size[code]!);
      for (let i = 0; i < size[code]!; i++) out.data[out.size++] = out.data[from[code]! + i]!; // it may overlap what it writes
    }
    last = code;
    if (next + early >= 1 << width && width < 12) width++;
  }
}

/** Hexadecimal digits up to ">". */
function unhex(data: Bytes, out: Output): number {
  let half = -1;
  for (let at = 0; at < data.length; at++) {
    const c = data[at]!;
    if (isWhite(c)) continue;
    if (c === 0x3e) {
      if (half >= 0) out.add(half * 16);
      return at + 1;
    }
    const n = digit(c);
    if (n < 0) refuse('stream');
    if (half < 0) half = n;
    else {
      out.add(half * 16 + n);
      half = -1;
    }
  }
  return refuse('stream');
}

/** Groups of five digits to the base 85, up to "~>". */
function un85(data: Bytes, out: Output): number {
  let [value, count] = [0, 0];
  for (let at = 0; at < data.length; at++) {
    const c = data[at]!;
    if (isWhite(c)) continue;
    if (c === 0x7e) {
      if (data[at + 1] !== 0x3e || count === 1) refuse('stream');
      if (count) {
        for (let i = count; i < 5; i++) value = value * 85 + 84;
        if (value > 0xffffffff) refuse('stream');
        out.add(...[value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255].slice(0, count - 1));
      }
      return at + 2;
    }
    if (c === 0x7a && !count) out.add(0, 0, 0, 0);
    else if (c < 33 || c > 117) refuse('stream');
    else {
      value = value * 85 + c - 33;
      if (++count === 5) {
        if (value > 0xffffffff) refuse('stream');
        out.add(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
        value = count = 0;
      }
    }
  }
  return refuse('stream');
}

/** Runs up to the byte 128. */
function unrun(data: Bytes, out: Output): number {
  for (let at = 0; at < data.length;) {
    const n = data[at++]!;
    if (n === 128) return at;
    if (n < 128) {
      if (data.length - at < n + 1) refuse('stream');
      out.add(...data.subarray(at, at + n + 1));
      at += n + 1;
    } else {
      if (at === data.length) refuse('stream');
      out.add(...Array<number>(257 - n).fill(data[at++]!));
    }
  }
  return refuse('stream');
}

/** Undoes a predictor: a PNG one, or the TIFF one with components of a byte. */
function unpredict(b: Budget, parameters: Dict, data: Bytes): Bytes {
  const of = (key: string, otherwise: number) => (parameters.has(key) ? number(parameters.get(key)) : otherwise);
  const [predictor, colors, bits, columns] = [of('Predictor', 1), of('Colors', 1), of('BitsPerComponent', 8), of('Columns', 1)];
  if (predictor === 1) return data;
  if (colors < 1 || colors > 32 || columns < 1 || ![1, 2, 4, 8, 16].includes(bits)) refuse('filter');
  const [pixel, row] = [(colors * bits + 7) >> 3, Math.floor((colors * bits * columns + 7) / 8)];
  const tag = predictor === 2 ? 0 : 1;
  if ((predictor === 2 && bits !== 8) || (predictor !== 2 && (predictor < 10 || predictor > 15)) || data.length % (row + tag))
    refuse('filter');
  b.step(data.length);
  const out = new Uint8Array((data.length / (row + tag)) * row);
  let to = 0;
  for (let at = 0; at < data.length; at += row + tag) {
    const kind = tag ? data[at]! : 1;
    if (kind > 4) refuse('filter');
    for (let i = 0; i < row; i++, to++) {
      const left = i >= pixel ? out[to - pixel]! : 0;
      const above = out[to - row] ?? 0;
      const corner = i >= pixel ? (out[to - row - pixel] ?? 0) : 0;
      out[to] = data[at + tag + i]! + [0, left, above, (left + above) >> 1, kind === 4 ? paeth(left, above, corner) : 0][kind]!;
    }
  }
  return out;
}

function paeth(left: number, above: number, corner: number): number {
  const distance = (n: number) => Math.abs(left + above - corner - n);
  if (distance(left) <= distance(above) && distance(left) <= distance(corner)) return left;
  return distance(above) <= distance(corner) ? above : corner;
}
