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

const mix = (key: Uint8Array, round: number, block: Uint8Array): void => {
  for (let i = 0; i < 16; i++) block[i]! ^= key[16 * round + i]!;
};

/** Encrypts or decrypts one block in its place. */
function cipher(key: Uint8Array, block: Uint8Array, encrypts: boolean): void {
  const rounds = key.length / 16 - 1;
  const old = new Uint8Array(16);
  const columns = (a: number, b: number, c: number, d: number) => {
    for (let at = 0; at < 16; at += 4) {
      const [w, x, y, z] = block.subarray(at, at + 4) as unknown as [number, number, number, number];
      block[at] = times[a]![w]! ^ times[b]![x]! ^ times[c]![y]! ^ times[d]![z]!;
      block[at + 1] = times[d]![w]! ^ times[a]![x]! ^ times[b]![y]! ^ times[c]![z]!;
      block[at + 2] = times[c]![w]! ^ times[d]![x]! ^ times[a]![y]! ^ times[b]![z]!;
      block[at + 3] = times[b]![w]! ^ times[c]![x]! ^ times[d]![y]! ^ times[a]![z]!;
    }
  };
  mix(key, encrypts ? 0 : rounds, block);
  for (let round = 1; round <= rounds; round++) {
    old.set(block);
    // The rows are rotated, and the bytes are substituted.
    for (let i = 0; i < 16; i++) block[i] = encrypts ? sub[old[(5 * i) & 15]!]! : unsub[old[(13 * i) & 15]!]!;
    if (encrypts) {
      if (round < rounds) columns(2, 3, 1, 1);
      mix(key, round, block);
    } else {
      mix(key, rounds - round, block);
      if (round < rounds) columns(14, 11, 13, 9);
    }
  }
}

/** Products in the field of AES. */
const times = Array.from({ length: 15 }, (_, factor) =>
  Uint8Array.from({ length: 256 }, (_, n) => {
    let product = 0;
    for (let f = factor, m = n; f; f >>= 1, m = double(m)) if (f & 1) product ^= m;
    return product;
  }),
);

/** Whole blocks, chained. */
export function cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array, encrypts: boolean): Bytes {
  const keys = expand(key);
  const out = Uint8Array.from(data);
  for (let at = 0; at < out.length; at += 16) {
    const block = out.subarray(at, at + 16);
    const before = at ? (encrypts ? out : data).subarray(at - 16, at) : iv;
    if (encrypts) mix(before, 0, block);
    cipher(keys, block, encrypts);
    if (!encrypts) mix(before, 0, block);
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
