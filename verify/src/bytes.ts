/** Converts bytes to text and back, as Go's standard library does. */
import { sha256 as digest } from '@noble/hashes/sha2.js';

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** A text in UTF-8. */
export const utf8 = (s: string): Bytes => encoder.encode(s);

export const hex = (b: Uint8Array): string => Array.from(b, (n) => n.toString(16).padStart(2, '0')).join('');

/** The bytes of an even number of hexadecimal digits. */
export const unhex = (s: string): Bytes => Uint8Array.from(s.match(/../g) ?? [], (two) => parseInt(two, 16));

/** The bytes of padded base64, undefined when the text is not valid. */
export function unbase64(s: string): Bytes | undefined {
  const text = s.replace(/[\r\n]/g, '');
  if (text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** Padded base64. */
export const base64 = (b: Uint8Array): string => btoa(Array.from(b, (n) => String.fromCharCode(n)).join(''));

export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((c, i) => c === b[i]);

/** SHA-256, in hexadecimal: hashes are compared as text. */
export const sha256 = (...parts: Uint8Array[]): string => hex(digest(concat(...parts)));
