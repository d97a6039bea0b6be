/** Decrypts a file with an empty user password. */
import { md5 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { concat, equalBytes, type Bytes } from '../bytes.js';
import { cbc, rc4 } from './aes.js';
import type { Budget } from './budget.js';
import { refuse } from './refusal.js';
import { isDict, number, type Dict, type Ref, type Value } from './value.js';

/** How a crypt filter encrypts. */
export type Method = 'identity' | 'RC4' | 'AES128' | 'AES256';

const bytes = (s: string): Bytes => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** These bytes complete a password to 32. */
const padding = bytes(
  '\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a',
);

export class Cipher {
  readonly filters: Map<string, Method> | undefined;
  readonly streams: Method = 'RC4';
  readonly strings: Method = 'RC4';
  private readonly key: Bytes;

  /** Reads an encryption dictionary, whose values are no references. id is the first part of the file's identifier. */
  constructor(b: Budget, d: Dict, id: string) {
    const [version, revision] = [number(d.get('V')), number(d.get('R'))];
    const legacy = version === 1 || version === 2;
    if (
      d.get('Filter') !== '/Standard' ||
      !(legacy ? revision === 2 || revision === 3 : version === 4 ? revision === 4 : version === 5 && (revision === 5 || revision === 6))
    )
      refuse('encryption');
    let bits = legacy ? 40 : 128;
    if (legacy) {
      if (d.has('Length') && version === 2) bits = number(d.get('Length'));
      if (bits < 40 || bits > 128 || bits % 8 || (revision === 2 && bits !== 40)) refuse('encryption');
    } else {
      if (d.has('Length') && version === 4 && number(d.get('Length')) !== 128) refuse('encryption');
      this.filters = filtersOf(d, version);
      const named = (key: string, otherwise: Method) => (d.has(key) ? this.method(d.get(key)) : otherwise);
      this.streams = named('StmF', 'identity');
      this.strings = named('StrF', 'identity');
      // Some viewers decrypt attachments as other streams.
      if (named('EFF', this.streams) !== this.streams) refuse('encryption');
    }
    this.key = version === 5 ? key256(b, d, revision) : key128(d, bytes(id), revision, bits / 8);
  }

  /** The method of a crypt filter. */
  method(name: Value | undefined): Method {
    return (typeof name === 'string' ? this.filters?.get(name) : undefined) ?? refuse('encryption');
  }

  /** Data of an object; undefined if the data are not encrypted as the method says. */
  decrypt(m: Method, of: Ref, data: Bytes): Bytes | undefined {
    if (m === 'identity') return data;
    let key = this.key;
    if (m !== 'AES256') {
      const [n, g] = [of.number, of.generation];
      const salt = [n, n >> 8, n >> 16, g, g >> 8].map((c) => c & 255);
      key = md5(concat(key, Uint8Array.from(salt), bytes(m === 'AES128' ? 'sAlT' : ''))).subarray(0, Math.min(key.length + 5, 16)) as Bytes;
    }
    if (m === 'RC4') return rc4(key, data);
    if (!data.length) return data; // many programs do not encrypt an empty text
    if (data.length < 32 || data.length % 16) return undefined;
    const out = cbc(key, data.subarray(0, 16), data.subarray(16), false);
    const pad = out.at(-1)!;
    if (pad < 1 || pad > 16 || out.subarray(-pad).some((c) => c !== pad)) return undefined;
    return out.subarray(0, -pad);
  }
}

/** The crypt filters, by their names. */
function filtersOf(d: Dict, version: number): Map<string, Method> {
  const out = new Map<string, Method>();
  const filters = d.get('CF');
  if (filters !== undefined && !isDict(filters)) refuse('encryption');
  for (const [name, filter] of isDict(filters) ? filters : []) {
    if (!isDict(filter)) return refuse('encryption');
    const m = ({ '/V2': 'RC4', '/AESV2': 'AES128', '/AESV3': 'AES256' } as const)[filter.get('CFM') as string];
    const length = number(filter.get('Length')); // programs write it in bytes or bits
    if (!m || (m === 'AES256') !== (version === 5) || (m === 'RC4' && filter.has('Length') && length !== 16 && length !== 128))
      return refuse('encryption');
    out.set('/' + name, m);
  }
  return out.set('/Identity', 'identity');
}

/** The first n bytes of a string of the encryption dictionary. */
function head(d: Dict, key: string, n: number): Bytes {
  const s = d.get(key);
  if (typeof s !== 'string' || s[0] !== '(' || s.length <= n) return refuse('encryption');
  return bytes(s.slice(1, n + 1));
}

/** The key of the revisions 2 to 4. */
function key128(d: Dict, id: Bytes, revision: number, size: number): Bytes {
  const [owner, user] = [head(d, 'O', 32), head(d, 'U', 32)];
  const p = d.get('P');
  const permissions = typeof p === 'string' && /^#-?\d+$/.test(p) ? Number(p.slice(1)) : NaN;
  if (!(permissions >= -(2 ** 31) && permissions < 2 ** 32)) refuse('encryption');
  const mask = revision === 4 && d.get('EncryptMetadata') === '!false' ? '\xff\xff\xff\xff' : '';
  const p4 = Uint8Array.from([0, 8, 16, 24], (n) => ((permissions | 0) >> n) & 255);
  let sum = md5(concat(padding, owner, p4, id, bytes(mask)));
  if (revision > 2) for (let i = 0; i < 50; i++) sum = md5(sum.subarray(0, size));
  const key = Uint8Array.from(sum.subarray(0, size));
  let want: Bytes;
  if (revision === 2) want = rc4(key, padding);
  else {
    want = Uint8Array.from(md5(concat(padding, id)));
    for (let i = 0; i < 20; i++)
      want = rc4(
        key.map((c) => c ^ i),
        want,
      );
  }
  if (!equalBytes(user.subarray(0, want.length), want)) refuse('password');
  return key;
}

/** The key of the revisions 5 and 6. */
function key256(b: Budget, d: Dict, revision: number): Bytes {
  const [user, wrapped] = [head(d, 'U', 48), head(d, 'UE', 32)];
  const sum = (salt: Bytes) => {
    b.step(salt.length);
    const first = sha256(salt);
    return revision === 5 ? first : harden(b, first);
  };
  if (!equalBytes(sum(user.subarray(32, 40)), user.subarray(0, 32))) refuse('password');
  return cbc(sum(user.subarray(40, 48)), new Uint8Array(16), wrapped, false);
}

/** The hash of revision 6 for an empty password. */
function harden(b: Budget, k: Uint8Array): Uint8Array {
  for (let i = 1; ; i++) {
    const repeated = new Uint8Array(64 * k.length);
    for (let at = 0; at < repeated.length; at += k.length) repeated.set(k, at);
    b.step(repeated.length);
    const text = cbc(k.subarray(0, 16), k.subarray(16, 32), repeated, true);
    let rest = 0;
    for (const c of text.subarray(0, 16)) rest += c;
    k = [sha256, sha384, sha512][rest % 3]!(text);
    if (i >= 64 && text.at(-1)! <= i - 32) return k.subarray(0, 32);
  }
}
