/** Reads the tables, the objects and the streams of a file. */
import type { Bytes } from '../bytes.js';
import { Budget, maxFile, maxFilters, maxHead, maxReading, maxSections, maxTail } from './budget.js';
import { Cipher, type Method } from './crypt.js';
import { unpack } from './filter.js';
import { refuse } from './refusal.js';
import { Scanner, isDigit, isWhite } from './scanner.js';
import { Ref, dict, equal, isDict, isString, latin1, list, number, undeciphered, whole, type Dict, type Value } from './value.js';

export interface Obj {
  readonly value: Value;
  /** In a stream: its bytes as they are in the file. */
  readonly data: Bytes | undefined;
  readonly of: Ref;
}
/** Deleted (0), at an offset with a generation (1), or in an object stream at an index (2). */
export type Place = readonly [kind: number, at: number, generation: number];
interface Section {
  readonly places: Map<number, Place>;
  trailer: Dict;
}
interface Packed {
  readonly numbers: number[];
  readonly offsets: number[];
  readonly data: Bytes;
}
const nowhere: Place = [0, 0, 0];

/** The file as of one revision: sections, the latest first. */
export class View {
  readonly objects = new Map<number, Obj>();
  readonly packed = new Map<number, Packed>();
  constructor(readonly sections: readonly Section[]) {}
  /** The position that a table gives to an object, if any does. */
  entry = (n: number): Place | undefined => this.sections.find((s) => s.places.has(n))?.places.get(n);
  place = (n: number): Place => this.entry(n) ?? nowhere;
}

export class Pdf extends Budget {
  newest!: View;
  issued!: View;
  added: readonly Section[] = [];
  root!: Ref;
  /** Undefined for a file that is not encrypted. */
  cipher: Cipher | undefined;
  /** The objects that are being read, each for the one before. */
  readonly reading: number[] = [];
  /** The part of the file that is being read. */
  where = '';
  constructor(public file: Bytes) {
    super(2 * file.length + (8 << 20));
  }

  /** Reads the tables. */
  open(): void {
    if (this.file.length > maxFile) refuse('size');
    // Offsets are counted from the header, whatever stands before it.
    const header = latin1(this.file.subarray(0, maxHead)).indexOf('%PDF-');
    if (header < 0) refuse('header');
    this.file = this.file.subarray(header);
    const all: Section[] = [];
    const offsets = [this.start()];
    for (;;) {
      const at = offsets.at(-1)!;
      this.where = `xref ${at}`;
      if (at >= this.file.length || all.length === maxSections) refuse('table');
      const one = this.section(at);
      all.push(one);
      const prev = one.trailer.get('Prev');
      if (prev === undefined) break;
      const next = number(prev);
      if (next < 0) refuse('table');
      if (offsets.includes(next)) refuse('loop');
      offsets.push(next);
    }
    this.where = `xref ${offsets[0]}`;
    const root = all[0]!.trailer.get('Root');
    if (!(root instanceof Ref)) return refuse('table');
    // An update cannot make the file smaller: some viewers forget the objects from its Size on.
    for (const one of all) this.bounded(one, all[0]!.trailer);
    this.root = root;
    this.newest = new View(all);
    // A section before the table that it continues was not appended: a linearized file is one revision of two tables.
    let first = all.length - 1;
    while (first > 0 && offsets[first - 1]! < offsets[first]!) first--;
    this.issued = new View(all.slice(first));
    this.added = all.slice(0, first);
    this.decipher(all);
  }

  /** Reads how an encrypted file is encrypted: the last table says so, and no other table says otherwise. */
  decipher(all: readonly Section[]): void {
    const trailer = all[0]!.trailer;
    const encrypt = trailer.get('Encrypt');
    if (all.some((s) => s.trailer.has('Encrypt') && !equal(s.trailer.get('Encrypt'), encrypt))) refuse('encryption');
    if (encrypt === undefined) return;
    if (encrypt instanceof Ref && this.newest.place(encrypt.number)[0] === 2) refuse('encryption');
    const d = this.get(this.newest, encrypt);
    if (!isDict(d)) return refuse('encryption');
    const id = list(this.get(this.newest, trailer.get('ID')))[0];
    this.cipher = new Cipher(this, d, isString(id) ? id.slice(1) : '');
  }

  /** The offset after the last startxref. */
  start(): number {
    this.where = 'startxref';
    const s = latin1(this.file.subarray(Math.max(0, this.file.length - maxTail)));
    let at = s.length;
    const spaces = () => {
      while (at > 0 && isWhite(s.charCodeAt(at - 1))) at--;
    };
    const before = (word: string) => {
      if (s.slice(Math.max(0, at - word.length), at) !== word) refuse('end');
      at -= word.length;
    };
    this.step(s.length);
    spaces();
    before('%%EOF');
    spaces();
    const to = at;
    while (at > 0 && isDigit(s.charCodeAt(at - 1))) at--;
    const offset = whole(s.slice(at, to));
    if (offset < 0) refuse('end');
    spaces();
    before('startxref');
    return offset;
  }

  /** Reads the table or the cross-reference stream at an offset. The table of a hybrid file is read together with the stream that it names. */
  section(offset: number): Section {
    const s = new Scanner(this, this.file, offset, this.file.length);
    const out: Section = { places: new Map(), trailer: new Map() };
    s.space();
    if (s.peek() === 0x78) {
      this.table(s, out);
      const hidden = out.trailer.get('XRefStm');
      if (hidden !== undefined) this.hybrid(hidden, out.places);
    } else this.packedTable(s, out);
    this.bounded(out, out.trailer);
    return out;
  }

  /** Refuses entries at or above the Size of a trailer. */
  bounded(s: Section, trailer: Dict): void {
    const size = number(trailer.get('Size'));
    if (size < 0) refuse('table');
    for (const n of s.places.keys()) if (n >= size) refuse('table');
  }

  /** Adds the entries of the stream that a table names. PDF viewers differ on an object that both have. */
  hybrid(at: Value, places: Map<number, Place>): void {
    const offset = number(at);
    if (offset < 0 || offset >= this.file.length) refuse('table');
    const more: Section = { places: new Map(), trailer: new Map() };
    this.packedTable(new Scanner(this, this.file, offset, this.file.length), more);
    for (const [n, p] of more.places) {
      if (places.has(n) && !equal(places.get(n), p)) refuse('hybrid');
      places.set(n, p);
    }
  }

  table(s: Scanner, out: Section): void {
    if (s.word() !== 'xref') refuse('table');
    for (;;) {
      const word = s.word();
      if (word === 'trailer') break;
      const [first, count] = [whole(word), whole(s.word())];
      if (first < 0 || count < 0) refuse('table');
      s.space();
      for (let n = first; n < first + count; n++) {
        const row = s.take(20);
        if (!/^.{10} .{5} [nf](?: \n| \r|\r\n)$/s.test(row)) refuse('table');
        this.add(out, n, [row[17] === 'n' ? 1 : 0, whole(row.slice(0, 10)), whole(row.slice(11, 16))]);
      }
    }
    const d = s.one();
    if (!isDict(d)) return refuse('table');
    out.trailer = d;
  }

  packedTable(s: Scanner, out: Section): void {
    s.space();
    const from = s.at;
    const itself = whole(s.word());
    if (itself < 0) refuse('table');
    s.at = from;
    const o = this.indirect(undefined, s, undefined);
    const d = dict(o.value);
    const w = list(d.get('W')).map(number);
    if (!o.data || d.get('Type') !== '/XRef' || w.length !== 3) refuse('table');
    let row = 0;
    for (const n of w) {
      if (n < 0 || n > 6) refuse('table');
      row += n;
    }
    const index = d.has('Index') ? d.get('Index') : ['#0', d.get('Size') ?? null];
    if (!Array.isArray(index) || index.length % 2 || row === 0) return refuse('table');
    const data = this.decode(undefined, o, this.most);
    let at = 0;
    for (let i = 0; i < index.length; i += 2) {
      const [first, count] = [number(index[i]), number(index[i + 1])];
      if (first < 0 || count < 0 || count * row > data.length - at) refuse('table');
      for (let n = first; n < first + count; n++) {
        const values = w.map((width) => {
          let value = 0;
          for (let k = 0; k < width; k++) value = value * 256 + data[at++]!;
          return value;
        });
        const kind = w[0] === 0 ? 1 : values[0]!;
        if (kind > 2) refuse('table');
        this.add(out, n, [kind, values[1]!, values[2]!]);
      }
    }
    const own = out.places.get(itself);
    if (at !== data.length || (own && (own[0] !== 1 || own[1] !== from))) refuse('table');
    out.trailer = d;
  }

  add(s: Section, n: number, p: Place): void {
    this.entry();
    if (s.places.has(n) || p[1] < 0 || p[2] < 0) refuse('table');
    s.places.set(n, p);
  }

  /** Follows a reference, once: an object that is only a reference is refused. */
  get(v: View, value: Value | undefined): Value | undefined {
    return value instanceof Ref ? this.object(v, value).value : value;
  }

  /** The catalog of a revision. */
  catalog(v: View): Dict {
    const d = this.object(v, this.root).value;
    return isDict(d) ? d : refuse('object');
  }

  /**
   * Reads an object, once in each revision. A deleted or missing object is null by the standard; some readers look for another object with
   * its number.
   */
  object(v: View, n: Ref): Obj {
    this.step(1);
    const where = this.where;
    this.where = `object ${n.number}`;
    const [kind, at, generation] = v.place(n.number);
    if ((kind === 1 && generation !== n.generation) || (kind === 2 && n.generation !== 0)) refuse('object');
    let o = v.objects.get(n.number);
    if (!o) {
      // The length of a stream can be a reference, and so on.
      if (this.reading.includes(n.number)) refuse('loop');
      if (this.reading.length === maxReading) refuse('depth');
      this.reading.push(n.number);
      if (kind === 1 && at < this.file.length) {
        const { value, data } = this.indirect(v, new Scanner(this, this.file, at, this.file.length), n);
        o = { value: this.cipher ? this.deciphered(this.cipher, value, n) : value, data, of: n };
      } else o = kind === 2 ? { value: this.within(v, at, generation, n.number), data: undefined, of: n } : refuse('object');
      this.reading.pop();
      v.objects.set(n.number, o);
    }
    this.where = where;
    return o;
  }

  /** A value with its strings decrypted. */
  deciphered(cipher: Cipher, value: Value, of: Ref): Value {
    if (isString(value)) {
      this.step(4 * (value.length - 1));
      const text = cipher.decrypt(
        cipher.strings,
        of,
        Uint8Array.from(value.slice(1), (c) => c.charCodeAt(0)),
      );
      return text ? '(' + latin1(text) : undeciphered;
    }
    if (Array.isArray(value)) return value.map((one) => this.deciphered(cipher, one, of));
    return isDict(value) ? new Map([...value].map(([key, one]) => [key, this.deciphered(cipher, one, of)])) : value;
  }

  /**
   * Reads "N G obj", a value, and the stream after it. Without a view no reference is followed; without a number any number is accepted.
   */
  indirect(v: View | undefined, s: Scanner, n: Ref | undefined): Pick<Obj, 'value' | 'data'> {
    const [is, generation] = [whole(s.word()), whole(s.word())];
    if (is < 0 || generation < 0 || (n && (is !== n.number || generation !== n.generation)) || s.word() !== 'obj') refuse('object');
    const [items, end] = s.items(0);
    const value = items[0]!;
    if (items.length !== 1 || value instanceof Ref) refuse('object');
    if (end === 'endobj') return { value, data: undefined };
    if (end !== 'stream' || !isDict(value)) return refuse('object');
    if (s.peek() === 13) s.at++;
    if (s.peek() !== 10) refuse('stream');
    s.at++;
    const declared = value.get('Length');
    const length = number(v ? this.get(v, declared) : declared);
    if (length < 0 || length > this.file.length - s.at || value.has('F')) refuse('stream');
    const data = this.file.subarray(s.at, s.at + length);
    s.at += length;
    if (s.peek() === 13) s.at++;
    if (s.peek() === 10) s.at++;
    if (s.bare() !== 'endstream' || s.word() !== 'endobj') refuse('stream');
    return { value, data };
  }

  /** Reads an object out of an object stream. */
  within(v: View, at: number, index: number, n: number): Value {
    let stream = v.packed.get(at);
    if (!stream) {
      const [kind, , generation] = v.place(at);
      if (kind !== 1) refuse('object');
      stream = this.objectStream(v, this.object(v, new Ref(at, generation)));
      v.packed.set(at, stream);
    }
    if (stream.numbers[index] !== n) refuse('object');
    const s = new Scanner(this, stream.data, stream.offsets[index]!, stream.offsets[index + 1]!);
    const [items, end] = s.items(0);
    if (items.length !== 1 || end !== '' || items[0] instanceof Ref) refuse('object');
    return items[0]!;
  }

  /** Reads the header of an object stream. */
  objectStream(v: View, o: Obj): Packed {
    const d = dict(o.value);
    const [count, first] = [number(this.get(v, d.get('N'))), number(this.get(v, d.get('First')))];
    if (!o.data || d.get('Type') !== '/ObjStm' || count < 0 || first < 0) refuse('object');
    const data = this.decode(v, o, this.most);
    if (first > data.length) refuse('object');
    const s = new Scanner(this, data, 0, first);
    const [numbers, offsets]: [number[], number[]] = [[], []];
    const seen = new Set<number>();
    let last = 0;
    for (let i = 0; i < count; i++) {
      const [n, at] = [whole(s.word()), whole(s.word())];
      if (n < 0 || at < last || seen.has(n) || at > data.length - first) refuse('object');
      seen.add(n);
      last = at;
      numbers.push(n);
      offsets.push(first + at);
    }
    offsets.push(data.length);
    return { numbers, offsets, data };
  }

  /**
   * Decrypts and unpacks a stream, to at most a number of bytes. Without a view no reference is followed and nothing is decrypted:
   * cross-reference streams are so.
   */
  decode(v: View | undefined, o: Pick<Obj, 'value' | 'data'> & { of?: Ref }, most: number): Bytes {
    const d = dict(o.value);
    const get = (value: Value | undefined) => (v ? this.get(v, value) : value);
    const all = (key: string): [Value[], boolean] => {
      const value = get(d.get(key));
      if (!Array.isArray(value)) return value == null ? [[], false] : [[value], true];
      if (value.length > maxFilters) refuse('filter');
      return [value.map((one) => get(one) ?? null), false];
    };
    const [filters, oneFilter] = all('Filter');
    const [parameters, oneParameter] = all('DecodeParms');
    // A viewer may ignore parameters in another form than that of the filters, and an entry DP is an old name of theirs.
    if (parameters.length > filters.length || (parameters.length && oneFilter !== oneParameter) || d.has('DP')) refuse('filter');
    const of = (i: number): Dict => {
      const p = parameters[i] ?? (new Map() as Dict);
      if (!isDict(p)) return refuse('filter');
      return new Map([...p].map(([key, value]) => [key, get(value) ?? null]));
    };
    let [data, first] = [o.data!, 0];
    let m: Method = this.cipher?.streams ?? 'identity';
    if (filters[0] === '/Crypt') {
      first = 1;
      const name = of(0).get('Name');
      if (name == null || name === '/Identity') m = 'identity';
      else if (!this.cipher?.filters) refuse('filter');
      else m = this.cipher.method(name);
    }
    if (m !== 'identity' && v) {
      this.step(4 * data.length);
      data = this.cipher!.decrypt(m, o.of!, data) ?? refuse('stream');
    }
    for (let i = first; i < filters.length; i++) data = unpack(this, filters[i]!, of(i), data, i === filters.length - 1 ? most : this.most);
    if (first === filters.length) {
      this.step(data.length);
      if (data.length > most) refuse('size');
    }
    return data;
  }
}
