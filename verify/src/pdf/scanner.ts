/** Reads values. */
import type { Bytes } from '../bytes.js';
import { maxDepth, type Budget } from './budget.js';
import { refuse } from './refusal.js';
import { Ref, latin1, number, type Dict, type Value } from './value.js';

export const isWhite = (c: number): boolean => c === 0 || c === 9 || c === 10 || c === 12 || c === 13 || c === 32;
export const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isDelimiter = (c: number): boolean => '()<>[]{}/%'.includes(String.fromCharCode(c));
/** Whether a byte ends a bare word. */
const ends = Array.from({ length: 256 }, (_, c) => isWhite(c) || isDelimiter(c));
/** The value of a hexadecimal digit; -1 for anything else. */
export const digit = (c: number | undefined): number =>
  c === undefined ? -1 : '0123456789abcdef'.indexOf(String.fromCharCode(c).toLowerCase());

/** Reads values from at up to end. */
export class Scanner {
  constructor(
    readonly b: Budget,
    readonly text: Bytes,
    public at: number,
    readonly end: number,
  ) {}

  /** The next byte; at the end, a space. */
  peek(): number {
    return this.at < this.end ? this.text[this.at]! : 32;
  }

  /** Takes a byte of a value that must not end here. */
  next(): number {
    if (this.at >= this.end) refuse('value');
    this.b.step(1);
    return this.text[this.at++]!;
  }

  /** Reads a number of bytes of a table. */
  take(n: number): string {
    if (this.end - this.at < n) refuse('table');
    this.b.step(n);
    this.at += n;
    return latin1(this.text.subarray(this.at - n, this.at));
  }

  /** Skips white space and comments. */
  space(): void {
    const from = this.at;
    for (; this.at < this.end; this.at++) {
      if (this.text[this.at] === 0x25)
        while (this.at + 1 < this.end && this.text[this.at + 1] !== 10 && this.text[this.at + 1] !== 13) this.at++;
      else if (!isWhite(this.text[this.at]!)) break;
    }
    this.b.step(this.at - from);
  }

  /** The text up to the next white space or delimiter. Some readers treat other control characters as white space. */
  bare(): string {
    const from = this.at;
    while (this.at < this.end && !ends[this.text[this.at]!]) this.at++;
    this.b.step(this.at - from);
    const word = latin1(this.text.subarray(from, this.at));
    return /[\x00-\x1f\x7f]/.test(word) ? refuse('value') : word;
  }

  /** The next bare word, after white space and comments. */
  word(): string {
    this.space();
    return this.bare();
  }

  /** A value that is neither a number nor a reference. */
  one(): Value {
    this.space();
    if (this.peek() !== 0x3c) refuse('value');
    return this.value(this.next(), 0);
  }

  /**
   * The values up to a word or sign that is not a value. The word or sign is returned too: "endobj", "stream", "]", ">>" or "" at the end.
   */
  items(depth: number): [Value[], string] {
    if (depth > maxDepth) refuse('depth');
    const all: Value[] = [];
    for (;;) {
      this.space();
      if (this.at >= this.end) return [all, ''];
      this.b.value();
      const c = this.text[this.at]!;
      if (isDelimiter(c)) {
        this.next();
        if (c === 0x5d) return [all, ']'];
        if (c === 0x3e) return this.next() === 0x3e ? [all, '>>'] : refuse('value');
        all.push(this.value(c, depth));
        continue;
      }
      const word = this.bare();
      if (word === 'endobj' || word === 'stream') return [all, word];
      if (word === 'true' || word === 'false') all.push('!' + word);
      else if (word === 'null') all.push(null);
      else if (word === 'R') {
        const [generation, n] = [number(all.pop()), number(all.pop())];
        if (n < 0 || generation < 0) refuse('value');
        all.push(new Ref(n, generation));
      } else {
        if (word.length > 32 || !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(word)) refuse('value');
        all.push('#' + word);
      }
    }
  }

  /** Reads the value that a delimiter starts. */
  value(c: number, depth: number): Value {
    if (c === 0x2f) return '/' + this.name();
    if (c === 0x28) return '(' + this.literal();
    if (c === 0x5b) {
      const [all, end] = this.items(depth + 1);
      return end === ']' ? all : refuse('value');
    }
    if (c !== 0x3c) return refuse('value');
    if (this.peek() !== 0x3c) return '(' + this.hex();
    this.next();
    return this.dictionary(depth);
  }

  dictionary(depth: number): Dict {
    const [items, end] = this.items(depth + 1);
    if (end !== '>>' || items.length % 2) refuse('value');
    const d: Dict = new Map();
    const seen = new Set<string>();
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i]!;
      if (typeof key !== 'string' || key[0] !== '/' || seen.has(key)) return refuse('value');
      seen.add(key);
      if (items[i + 1] !== null) d.set(key.slice(1), items[i + 1]!); // null means absent
    }
    return d;
  }

  /** Reads a name, in which #20 is a space. */
  name(): string {
    const word = this.bare();
    if (!word.includes('#')) return word;
    return word.replace(/#(.?)(.?)/gs, (_, a: string, b: string) => {
      const n = digit(a.charCodeAt(0)) * 16 + digit(b.charCodeAt(0));
      return /^[0-9a-f]{2}$/i.test(a + b) && n ? String.fromCharCode(n) : refuse('value');
    });
  }

  /** Reads a string of hexadecimal digits. */
  hex(): string {
    let out = '';
    let half = -1;
    for (let c = this.next(); c !== 0x3e; c = this.next()) {
      if (isWhite(c)) continue;
      const n = digit(c);
      if (n < 0) refuse('value');
      if (half < 0) half = n;
      else {
        out += String.fromCharCode(half * 16 + n);
        half = -1;
      }
    }
    return half < 0 ? out : out + String.fromCharCode(half * 16);
  }

  /** Reads a string up to its closing parenthesis. */
  literal(): string {
    let out = '';
    for (let open = 1; ;) {
      let c = this.next();
      if (c === 0x28) open++;
      else if (c === 0x29) {
        if (--open === 0) return out;
      } else if (c === 13) {
        // The end of a line counts as one character.
        if (this.peek() === 10) this.next();
        c = 10;
      } else if (c === 0x5c) {
        c = this.next();
        if (c === 13 && this.peek() === 10) this.next();
        if (c === 13 || c === 10) continue;
        const sign = 'nrtbf'.indexOf(String.fromCharCode(c));
        if (sign >= 0) c = [10, 13, 9, 8, 12][sign]!;
        else if (c >= 48 && c <= 55) {
          c -= 48;
          for (let i = 0; i < 2 && this.peek() >= 48 && this.peek() <= 55; i++) c = c * 8 + this.next() - 48;
          c &= 255;
        }
      }
      out += String.fromCharCode(c);
    }
  }
}
