/**
 * Unpacks zlib (RFC 1950, RFC 1951), as Go's compress/zlib does. DecompressionStream is not used: browsers differ about bytes after the
 * end, it does not report where the end is, and every step of the reader would have to wait.
 */
import type { Bytes } from '../bytes.js';
import { refuse } from './refusal.js';

/** A canonical code: the number of codes of each length, and the symbols in their order. */
type Code = readonly [counts: number[], symbols: number[]];

function code(lengths: readonly number[]): Code {
  const counts = Array<number>(16).fill(0);
  for (const n of lengths) counts[n]!++;
  const used = lengths.length - counts[0]!;
  counts[0] = 0;
  let left = 1;
  for (let n = 1; n < 16; n++) left = 2 * left - counts[n]!;
  // Only one incomplete code is valid: one bit for one symbol.
  if (used && left !== 0 && !(used === 1 && counts[1] === 1)) refuse('stream');
  const at = [0, 0];
  for (let n = 1; n < 15; n++) at.push(at[n]! + counts[n]!);
  const symbols = Array<number>(used);
  lengths.forEach((n, symbol) => n && (symbols[at[n]!++] = symbol));
  return [counts, symbols];
}

const fixed = [
  code(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  code(Array<number>(32).fill(5)),
] as const;
const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** The first zlib stream of the data, and the position of its end. More than room bytes are refused. */
export function inflate(data: Uint8Array, room: number): { out: Bytes; end: number } {
  let [at, held, bit] = [2, 0, 0];
  let out = new Uint8Array(Math.min(room, 1 << 16));
  let size = 0;
  const byte = (): number => (at < data.length ? data[at++]! : refuse('stream'));
  const bits = (n: number): number => {
    let value = 0;
    for (let i = 0; i < n; i++) {
      if (bit === 0) held = byte();
      value |= ((held >> bit) & 1) << i;
      bit = (bit + 1) & 7;
    }
    return value;
  };
  const symbol = ([counts, symbols]: Code): number => {
    let [value, first, index] = [0, 0, 0];
    for (let n = 1; n < 16; n++) {
      value |= bits(1);
      const count = counts[n]!;
      if (value - count < first) return symbols[index + value - first]!;
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    return refuse('stream');
  };
  /** Makes room for n bytes. */
  const grow = (n: number) => {
    if (size + n > room) refuse('size');
    if (size + n <= out.length) return;
    const more = new Uint8Array(Math.min(room, 2 * size + n));
    more.set(out);
    out = more;
  };
  if (data.length < 2 || (data[0]! & 15) !== 8 || data[0]! > 0x7f || (data[0]! * 256 + data[1]!) % 31 || data[1]! & 0x20) refuse('stream');
  for (let last = 0; !last;) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      bit = 0;
      const n = byte() + byte() * 256;
      if (n + byte() + byte() * 256 !== 0xffff) refuse('stream');
      // A truncated block is refused as truncated, unless it is already too large.
      grow(Math.min(n, data.length - at));
      if (n > data.length - at) refuse('stream');
      out.set(data.subarray(at, at + n), size);
      at += n;
      size += n;
      continue;
    }
    if (kind === 3) refuse('stream');
    const [literals, distances] = kind === 1 ? fixed : dynamic();
    for (;;) {
      let n = symbol(literals);
      if (n < 256) {
        grow(1);
        out[size++] = n;
      } else if (n === 256) break;
      else {
        if ((n -= 257) > 28) refuse('stream');
        const extra = n < 8 || n === 28 ? 0 : (n >> 2) - 1;
        const length = n === 28 ? 258 : n < 8 ? n + 3 : ((4 + (n & 3)) << extra) + bits(extra) + 3;
        const d = symbol(distances);
        if (d > 29) refuse('stream');
        const far = d < 4 ? 0 : (d >> 1) - 1;
        const distance = d < 4 ? d + 1 : ((2 + (d & 1)) << far) + bits(far) + 1;
        if (distance > size) refuse('stream');
        grow(length);
        for (let i = size, end = size + length; i < end; i++) out[i] = out[i - distance]!;
        size += length;
      }
    }
  }
  let [a, b] = [1, 0];
  for (let i = 0; i < size;) {
    for (const end = Math.min(size, i + 3800); i < end; i++) b += a += out[i]!; // no sum exceeds 32 bits
    a %= 65521;
    b %= 65521;
  }
  for (const c of [b >> 8, b & 255, a >> 8, a & 255]) if (byte() !== c) refuse('stream');
  return { out: out.subarray(0, size), end: at };

  /** The codes of a block that contains its own. */
  function dynamic(): [Code, Code] {
    const [literals, distances, n] = [bits(5) + 257, bits(5) + 1, bits(4) + 4];
    if (literals > 286 || distances > 30) refuse('stream');
    const short = Array<number>(19).fill(0);
    for (let i = 0; i < n; i++) short[order[i]!] = bits(3);
    const lengths: number[] = [];
    for (const c = code(short); lengths.length < literals + distances;) {
      const s = symbol(c);
      if (s < 16) lengths.push(s);
      else {
        if (s === 16 && !lengths.length) refuse('stream');
        const again = s === 16 ? lengths.at(-1)! : 0;
        for (let i = s === 16 ? bits(2) + 3 : s === 17 ? bits(3) + 3 : bits(7) + 11; i > 0; i--) lengths.push(again);
      }
    }
    if (lengths.length > literals + distances) refuse('stream');
    return [code(lengths.slice(0, literals)), code(lengths.slice(literals))];
  }
}
