/** AES (FIPS 197) in CBC mode, and RC4, without a wait: the browser's own AES is asynchronous, and pads. */
import type { Bytes } from '../bytes.js';

const double = (n: number): number => ((n << 1) ^ (n >> 7 ? 0x11b : 0)) & 255;

/** The substitution of a byte, and its inverse. */
const [sub, unsub] = (() => {
  const [there, back] = [new Uint8Array(256), new Uint8Array(256)];
  for (let p = 1, q = 1; ;) {
    p ^= double(p); // times 3
    q ^= q << 1; // divided by 3
    q ^= q << 2;
    q ^= q << 4;
    q &= 255;
    if (q & 128) q ^= 9;
    const s = q ^ ((q << 1) | (q >> 7)) ^ ((q << 2) | (q >> 6)) ^ ((q << 3) | (q >> 5)) ^ ((q << 4) | (q >> 4)) ^ 0x63;
    there[p] = s;
    if (p === 1) break;
  }
  there[0] = 0x63;
  there.forEach((s, i) => (back[s] = i));
  return [there, back];
})();

/** The round keys of a key of 16 or 32 bytes. */
function expand(key: Uint8Array): Uint8Array {
  const n = key.length;
  const out = new Uint8Array(4 * (n + 28));
  out.set(key);
  for (let at = n, constant = 1; at < out.length; at += 4) {
    let word = [...out.subarray(at - 4, at)];
    if (at % n === 0) {
      word = [...word.slice(1), word[0]!].map((c) => sub[c]!);
      word[0]! ^= constant;
      constant = double(constant);
    } else if (n > 16 && at % n === 16) word = word.map((c) => sub[c]!);
    for (let i = 0; i < 4; i++) out[at + i] = out[at + i - n]! ^ word[i]!;
  }
  return out;
}

/** Products in the field of AES. */
const times = Array.from({ length: 15 }, (_, factor) =>
  Uint8Array.from({ length: 256 }, (_, n) => {
    let product = 0;
    for (let f = factor, m = n; f; f >>= 1, m = double(m)) if (f & 1) product ^= m;
    return product;
  }),
);

/** The factors of the columns: to encrypt and to decrypt. */
const there = [2, 3, 1, 1].map((n) => times[n]!) as Factors;
const back = [14, 11, 13, 9].map((n) => times[n]!) as Factors;
type Factors = [Uint8Array, Uint8Array, Uint8Array, Uint8Array];

function columns([a, b, c, d]: Factors, s: Uint8Array): void {
  for (let at = 0; at < 16; at += 4) {
    const w = s[at]!;
    const x = s[at + 1]!;
    const y = s[at + 2]!;
    const z = s[at + 3]!;
    s[at] = a[w]! ^ b[x]! ^ c[y]! ^ d[z]!;
    s[at + 1] = d[w]! ^ a[x]! ^ b[y]! ^ c[z]!;
    s[at + 2] = c[w]! ^ d[x]! ^ a[y]! ^ b[z]!;
    s[at + 3] = b[w]! ^ c[x]! ^ d[y]! ^ a[z]!;
  }
}

/** Adds 16 bytes of another text. */
function add(to: Uint8Array, from: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) to[i]! ^= from[at + i]!;
}

/** Encrypts or decrypts one block in its place, with another block for its bytes. */
function cipher(keys: Uint8Array, block: Uint8Array, old: Uint8Array, encrypts: boolean): void {
  const rounds = keys.length / 16 - 1;
  add(block, keys, encrypts ? 0 : 16 * rounds);
  for (let round = 1; round <= rounds; round++) {
    old.set(block);
    // The rows are rotated, and the bytes are substituted.
    if (encrypts) {
      for (let i = 0; i < 16; i++) block[i] = sub[old[(5 * i) & 15]!]!;
      if (round < rounds) columns(there, block);
      add(block, keys, 16 * round);
    } else {
      for (let i = 0; i < 16; i++) block[i] = unsub[old[(13 * i) & 15]!]!;
      add(block, keys, 16 * (rounds - round));
      if (round < rounds) columns(back, block);
    }
  }
}

/** Whole blocks, chained. */
export function cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array, encrypts: boolean): Bytes {
  const keys = expand(key);
  const out = new Uint8Array(data.length);
  const block = new Uint8Array(16);
  const old = new Uint8Array(16);
  for (let at = 0; at < out.length; at += 16) {
    for (let i = 0; i < 16; i++) block[i] = data[at + i]!;
    if (encrypts) add(block, at ? out : iv, Math.max(0, at - 16));
    cipher(keys, block, old, encrypts);
    if (!encrypts) add(block, at ? data : iv, Math.max(0, at - 16));
    out.set(block, at);
  }
  return out;
}

export function rc4(key: Uint8Array, data: Uint8Array): Bytes {
  const s = Uint8Array.from({ length: 256 }, (_, i) => i);
  let j = 0;
  const swap = (i: number) => ([s[i], s[j]] = [s[j]!, s[i]!]);
  for (let i = 0; i < 256; i++) {
    j = (j + s[i]! + key[i % key.length]!) & 255;
    swap(i);
  }
  j = 0;
  return Uint8Array.from(data, (c, n) => {
    const i = (n + 1) & 255;
    j = (j + s[i]!) & 255;
    swap(i);
    return c ^ s[(s[i]! + s[j]!) & 255]!;
  });
}
