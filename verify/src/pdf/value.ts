/** The values of PDF. */
import { refuse } from './refusal.js';

export class Ref {
  constructor(
    readonly number: number,
    readonly generation: number,
  ) {}
}
export type Dict = Map<string, Value>;
/** The first sign of a text is its type: a name (/), a string ((), a number (#), or a word (!): true, false. */
export type Value = null | string | Ref | Value[] | Dict;

/** A string of an encrypted file that is not encrypted as the file says. */
export const undeciphered = '!undeciphered';

export const latin1 = (b: Uint8Array): string => {
  let s = '';
  for (let at = 0; at < b.length; at += 8192) s += String.fromCharCode.apply(null, b.subarray(at, at + 8192) as unknown as number[]); // faster than ...
  return s;
};

export const isDict = (v: Value | undefined): v is Dict => v instanceof Map;
export const list = (v: Value | undefined): Value[] => (Array.isArray(v) ? v : []);
export const dict = (v: Value | undefined): Dict => (isDict(v) ? v : (new Map() as Dict));
export const isString = (v: Value | undefined): v is string => typeof v === 'string' && v[0] === '(';
/** The number of at most ten digits; -1 for any other text. */
export const whole = (s: string): number => (/^\d{1,10}$/.test(s) ? Number(s) : -1);
/** A whole number that is not negative; -1 for anything else. */
export const number = (v: Value | undefined): number => (typeof v === 'string' && v[0] === '#' ? whole(v.slice(1)) : -1);
export const equal = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);
const canonical = (v: unknown): string | undefined => JSON.stringify(v, (_, x: unknown) => (x instanceof Map ? { d: [...x] } : x));

/** A text string: UTF-16 or UTF-8 with a byte order mark, or PDFDocEncoding, of which only ASCII is compared. */
export function text(s: string): string {
  if (s.startsWith('\xef\xbb\xbf')) return s.slice(3);
  const little = s.startsWith('\xff\xfe');
  if (!little && !s.startsWith('\xfe\xff')) return s;
  if (s.length % 2) refuse('value');
  let out = '';
  for (let i = 2; i < s.length; i += 2) {
    const [a, b] = [s.charCodeAt(i), s.charCodeAt(i + 1)];
    out += String.fromCharCode(little ? b * 256 + a : a * 256 + b);
  }
  return out;
}
