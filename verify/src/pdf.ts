/**
 * Takes the evidence out of a certificate. It follows the reader of internal/certificate (attachment.go, revision.go and reader.go)
 * function by function: both give the same result for every file (docs/verify.md, "How a PDF is read").
 */
import type { Bytes } from './bytes.js';
import { maxSize } from './evidence.js';
import { inflate } from './inflate.js';
import { refuse } from './unread.js';

/** The largest PDF that is read, in bytes. Certificates are far smaller. */
export const maxPdf = 8 << 20;

/** Whether the bytes start as a PDF does. A header with bytes before it is refused later, with a reason. */
export const isPdf = (head: Uint8Array): boolean => latin1(head.subarray(0, 1024)).includes('%PDF-');

const latin1 = (b: Uint8Array): string => {
  let s = '';
  for (let at = 0; at < b.length; at += 8192) s += String.fromCharCode(...b.subarray(at, at + 8192));
  return s;
};

/** Whether the bytes may be evidence, and not some other JSON. */
export const looksLikeEvidence = (b: Uint8Array): boolean =>
  /^[ \t\r\n]*\{/.test(latin1(b.subarray(0, 64))) && latin1(b.subarray(0, 1 << 16)).includes('"evidence"');

export interface Attached {
  readonly evidence: Bytes;
  /** After the certificate was issued, something other than a signature was added to the file. */
  readonly changed: boolean;
}

/** Throws Unread if two readers could see two different files. The number of steps is for tests. */
export function readPdf(file: Bytes, count?: (steps: number) => void): Attached {
  const f = new Pdf(file);
  try {
    f.open();
    return { evidence: f.attachment(), changed: f.changed() };
  } finally {
    count?.(f.steps);
  }
}

// ---- attachment.go

const evidenceName = 'evidence.json';
const maxSpecifications = 64;

/** A PDF string as text. Without a byte order mark it is read as ASCII, which is enough for the names that are compared. */
function text(s: string): string {
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

// ---- reader.go

class Ref {
  constructor(
    readonly number: number,
    readonly generation: number,
  ) {}
}
type Dict = Map<string, Value>;
/** The first sign of a text is its type: a name (/), a string ((), a number (#), or a word (!): true, false. */
type Value = null | string | Ref | Value[] | Dict;

const isDict = (v: Value | undefined): v is Dict => v instanceof Map;
const list = (v: Value | undefined): Value[] => (Array.isArray(v) ? v : []);
const dict = (v: Value | undefined): Dict => (isDict(v) ? v : (new Map() as Dict));
const isString = (v: Value | undefined): v is string => typeof v === 'string' && v[0] === '(';
const whole = (s: string): number => (/^\d{1,10}$/.test(s) ? Number(s) : -1);
/** A whole number that is not negative; -1 for anything else. */
const number = (v: Value | undefined): number => (typeof v === 'string' && v[0] === '#' ? whole(v.slice(1)) : -1);
const equal = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);
const canonical = (v: unknown): string | undefined => JSON.stringify(v, (_, x: unknown) => (x instanceof Map ? { d: [...x] } : x));

interface Obj {
  readonly value: Value;
  /** In a stream: its bytes as they are in the file. */
  readonly data?: Bytes;
}
/** Deleted (0), at an offset with a generation (1), or in an object stream at an index (2). */
type Place = readonly [kind: number, at: number, generation: number];
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
class View {
  readonly objects = new Map<number, Obj>();
  readonly packed = new Map<number, Packed>();
  constructor(readonly sections: readonly Section[]) {}
  place = (n: number): Place => this.sections.find((s) => s.places.has(n))?.places.get(n) ?? nowhere;
}

const maxDepth = 64;
const maxSections = 64;
const maxReading = 16;
/** The largest distance of startxref from the end of the file. */
const maxTail = 1024;

class Pdf {
  newest!: View;
  issued!: View;
  added: readonly Section[] = [];
  root!: Ref;
  steps = 0;
  readonly most: number;
  reading = 0;
  constructor(readonly file: Bytes) {
    this.most = 2 * file.length + (8 << 20);
  }

  step(n: number): void {
    if ((this.steps += n) > this.most) refuse('work');
  }

  /** Reads the tables. */
  open(): void {
    if (this.file.length > maxPdf) refuse('size');
    if (latin1(this.file.subarray(0, 5)) !== '%PDF-') refuse('header');
    const all: Section[] = [];
    const offsets = [this.start()];
    for (;;) {
      const at = offsets.at(-1)!;
      if (at >= this.file.length || all.length === maxSections) refuse('table');
      const one = this.section(at);
      all.push(one);
      const prev = one.trailer.get('Prev');
      if (prev === undefined) break;
      const next = number(prev);
      if (next < 0 || offsets.includes(next)) refuse('table');
      offsets.push(next);
    }
    const root = all[0]!.trailer.get('Root');
    if (!(root instanceof Ref)) return refuse('table');
    this.root = root;
    this.newest = new View(all);
    // A section before the table that it continues was not appended: a linearized file is one revision of two tables.
    let first = all.length - 1;
    while (first > 0 && offsets[first - 1]! < offsets[first]!) first--;
    this.issued = new View(all.slice(first));
    this.added = all.slice(0, first);
  }

  /** The offset after the last startxref. */
  start(): number {
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

  /** Reads the table or the cross-reference stream at an offset. */
  section(offset: number): Section {
    const s = new Scanner(this, this.file, offset, this.file.length);
    const out: Section = { places: new Map(), trailer: new Map() };
    s.space();
    if (s.peek() === 0x78) this.table(s, out);
    else this.packedTable(s, out);
    if (out.trailer.has('Encrypt')) refuse('encrypted');
    if (out.trailer.has('XRefStm')) refuse('hybrid');
    const size = number(out.trailer.get('Size'));
    if (size < 0) refuse('table');
    for (const n of out.places.keys()) if (n >= size) refuse('table');
    return out;
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
        add(out, n, [row[17] === 'n' ? 1 : 0, whole(row.slice(0, 10)), whole(row.slice(11, 16))]);
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
    s.at = from;
    const o = this.indirect(undefined, s, undefined);
    const d = dict(o.value);
    const w = list(d.get('W')).map(number);
    if (!o.data || d.get('Type') !== '/XRef' || w.length !== 3) refuse('table');
    let row = 0;
    for (const n of w) {
      if (n < 0 || n > 4) refuse('table');
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
        add(out, n, [kind, values[1]!, values[2]!]);
      }
    }
    const own = out.places.get(itself);
    if (at !== data.length || (own && (own[0] !== 1 || own[1] !== from))) refuse('table');
    out.trailer = d;
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
    const [kind, at, generation] = v.place(n.number);
    if ((kind === 1 && generation !== n.generation) || (kind === 2 && n.generation !== 0)) refuse('object');
    let o = v.objects.get(n.number);
    if (o) return o;
    // The length of a stream can be a reference, whose object has a length too: the references can form a circle.
    if (++this.reading > maxReading) refuse('depth');
    if (kind === 1 && at >= this.file.length) refuse('object');
    if (kind === 1) o = this.indirect(v, new Scanner(this, this.file, at, this.file.length), n);
    else o = kind === 2 ? { value: this.within(v, at, generation, n.number) } : refuse('object');
    this.reading--;
    v.objects.set(n.number, o);
    return o;
  }

  /**
   * Reads "N G obj", a value, and the stream after it. Without a view no reference is followed; without a number any number is accepted.
   */
  indirect(v: View | undefined, s: Scanner, n: Ref | undefined): Obj {
    const [is, generation] = [whole(s.word()), whole(s.word())];
    if (is < 0 || generation < 0 || (n && (is !== n.number || generation !== n.generation)) || s.word() !== 'obj') refuse('object');
    const [items, end] = s.items(0);
    const value = items[0]!;
    if (items.length !== 1 || value instanceof Ref) refuse('object');
    if (end === 'endobj') return { value };
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
      stream = this.unpack(v, this.object(v, new Ref(at, generation)));
      v.packed.set(at, stream);
    }
    if (stream.numbers[index] !== n) refuse('object');
    const s = new Scanner(this, stream.data, stream.offsets[index]!, stream.offsets[index + 1]!);
    const [items, end] = s.items(0);
    if (items.length !== 1 || end !== '' || items[0] instanceof Ref) refuse('object');
    return items[0]!;
  }

  /** Reads the header of an object stream. */
  unpack(v: View, o: Obj): Packed {
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

  /** Unpacks a stream, to at most a number of bytes. Without a view no reference is followed. */
  decode(v: View | undefined, o: Obj, most: number): Bytes {
    const d = dict(o.value);
    const get = (value: Value | undefined) => (v ? this.get(v, value) : value);
    const only = (value: Value | undefined) => {
      value = get(value);
      if (!Array.isArray(value)) return value;
      if (value.length > 1) refuse('filter');
      return get(value[0]);
    };
    const [filter, parameters] = [only(d.get('Filter')), only(d.get('DecodeParms'))];
    if (filter == null && parameters == null) {
      this.step(o.data!.length);
      if (o.data!.length > most) refuse('size');
      return o.data!;
    }
    if (filter !== '/FlateDecode') refuse('filter');
    const data = this.inflate(o.data!, most);
    if (parameters == null) return data;
    if (!isDict(parameters)) return refuse('filter');
    const or = (key: string, otherwise: number) => (parameters.has(key) ? number(get(parameters.get(key))) : otherwise);
    const [predictor, columns] = [or('Predictor', 1), or('Columns', 1)];
    if (or('Colors', 1) !== 1 || or('BitsPerComponent', 8) !== 8 || columns < 1 || (predictor !== 1 && (predictor < 10 || predictor > 15)))
      refuse('filter');
    return predictor === 1 ? data : this.unpredict(data, columns);
  }

  /** Unpacks one zlib stream. Only the end of a line may follow it. */
  inflate(data: Bytes, most: number): Bytes {
    this.step(4 * data.length); // a byte of compressed data costs more than a byte of text
    const z = inflate(data, Math.min(most, this.most - this.steps));
    if (!/^\r?\n?$/.test(latin1(data.subarray(z.end, z.end + 3)))) refuse('stream');
    this.step(z.out.length);
    return z.out;
  }

  /** Reverses the PNG filters, with one byte for each column. */
  unpredict(data: Bytes, columns: number): Bytes {
    this.step(data.length);
    if (data.length % (columns + 1)) refuse('filter');
    const out = new Uint8Array((data.length / (columns + 1)) * columns);
    let to = 0;
    for (let at = 0; at < data.length; at += columns + 1) {
      const kind = data[at]!;
      if (kind > 4) refuse('filter');
      for (let i = 0; i < columns; i++, to++) {
        const left = i ? out[to - 1]! : 0;
        const above = out[to - columns] ?? 0;
        const corner = i ? (out[to - columns - 1] ?? 0) : 0;
        out[to] = data[at + 1 + i]! + [0, left, above, (left + above) >> 1, kind === 4 ? paeth(left, above, corner) : 0][kind]!;
      }
    }
    return out;
  }

  // ---- attachment.go

  /**
   * The evidence. All reachable file specifications that are named evidence.json must have the same content, and the catalog must list one
   * of them.
   */
  attachment(): Bytes {
    let found: Bytes | undefined;
    for (const spec of this.specifications()) {
      if (!this.isEvidence(spec)) continue;
      const data = this.embedded(spec);
      if (found && !sameBytes(found, data)) refuse('many');
      found = data;
    }
    if (!found || !this.listed()) return refuse('none');
    return found;
  }

  /** The reachable dictionaries with embedded files. */
  specifications(): Dict[] {
    const specs: Dict[] = [];
    const seen = new Map([[this.root.number, this.root.generation]]);
    const queue = [this.root];
    const visit = (v: Value) => {
      this.step(1);
      if (v instanceof Ref) {
        if (!seen.has(v.number)) {
          seen.set(v.number, v.generation);
          queue.push(v);
        } else if (seen.get(v.number) !== v.generation) refuse('object');
      } else if (Array.isArray(v)) v.forEach(visit);
      else if (isDict(v)) {
        if (v.has('EF') && specs.push(v) > maxSpecifications) refuse('work');
        v.forEach(visit);
      }
    };
    for (const next of queue) visit(this.object(this.newest, next).value);
    return specs;
  }

  /** Whether a file specification has the evidence's name. A PDF viewer shows either of its two names, so both must match. */
  isEvidence(spec: Dict): boolean {
    const names = ['UF', 'F'].map((key) => this.get(this.newest, spec.get(key))).filter(isString);
    const ours = names.filter((s) => text(s.slice(1)) === evidenceName).length;
    if (ours > 0 && ours < names.length) refuse('name');
    return ours > 0;
  }

  /** The one content of a file specification. PDF viewers differ in which of its entries they show. */
  embedded(spec: Dict): Bytes {
    const files = dict(this.get(this.newest, spec.get('EF')));
    const found = files.get('F');
    if (!found) refuse('object');
    if (!(found instanceof Ref) || [...files.values()].some((one) => !equal(one, found))) return refuse('many');
    const o = this.object(this.newest, found);
    if (!o.data) refuse('object');
    return this.decode(this.newest, o, maxSize);
  }

  /**
   * Whether the catalog's tree of embedded files lists the evidence, as PDF viewers do. If the tree gives this name to another file, the
   * reader is unsure.
   */
  listed(): boolean {
    const get = (v: Value | undefined) => this.get(this.newest, v);
    const seen = new Set<number>();
    let listed = false;
    const visit = (v: Value | undefined, depth: number) => {
      if (v instanceof Ref) {
        if (seen.has(v.number) || depth > maxDepth) refuse('value');
        seen.add(v.number);
      }
      this.step(1);
      const node = get(v);
      if (!isDict(node)) return v == null ? undefined : refuse('value');
      for (const kid of list(get(node.get('Kids')))) visit(kid, depth + 1);
      const pairs = list(get(node.get('Names')));
      if (pairs.length % 2) refuse('value');
      for (let i = 0; i < pairs.length; i += 2) {
        const [key, spec] = [get(pairs[i]), get(pairs[i + 1])];
        if (!isString(key) || !isDict(spec)) return refuse('value');
        if (spec.has('EF') && this.isEvidence(spec)) listed = true;
        else if (text(key.slice(1)) === evidenceName) refuse('name');
      }
    };
    visit(dict(get(this.catalog(this.newest).get('Names'))).get('EmbeddedFiles'), 0);
    return listed;
  }

  // ---- revision.go

  /** Whether something other than an invisible signature was added to the first revision. */
  changed(): boolean {
    if (!this.added.length) return false;
    if ([...this.added, this.issued.sections[0]!].some((s) => !equal(s.trailer.get('Root'), this.root))) return true;
    const old = (v: Value | undefined) => this.get(this.issued, v);
    const now = (v: Value | undefined) => this.get(this.newest, v);
    const [was, is] = [this.catalog(this.issued), this.catalog(this.newest)];
    if (!same(was, is, ['DSS', 'Extensions', 'AcroForm'])) return true;
    const kids = list(old(dict(old(was.get('Pages'))).get('Kids')));
    if (kids.length !== 1) return true;
    const [page, pageNow] = [dict(old(kids[0])), dict(now(kids[0]))];
    const [form, formNow] = [dict(old(was.get('AcroForm'))), dict(now(is.get('AcroForm')))];
    const info = (v: View) => dict(this.get(v, v.sections[0]!.trailer.get('Info')));
    if (
      !same(info(this.issued), info(this.newest), ['ModDate', 'Producer']) ||
      !same(page, pageNow, ['Annots']) ||
      !same(form, formNow, ['Fields', 'SigFlags'])
    )
      return true;
    const fields = this.appended(form.get('Fields'), formNow.get('Fields'));
    const annotations = this.appended(page.get('Annots'), pageNow.get('Annots'));
    if (
      !fields ||
      !annotations ||
      !fields.every((field) => this.invisible(field)) ||
      annotations.some((one) => !fields.some((field) => equal(one, field)))
    )
      return true;
    // Every other object is unchanged.
    const may = [
      this.root,
      kids[0],
      this.issued.sections[0]!.trailer.get('Info'),
      was.get('AcroForm'),
      form.get('Fields'),
      page.get('Annots'),
    ];
    for (const s of this.added)
      for (const n of [...s.places.keys()].sort((a, b) => a - b)) {
        const [before, after] = [this.issued.place(n), this.newest.place(n)];
        if (before[0] === 0 || may.some((v) => v instanceof Ref && v.number === n)) continue;
        if (after[0] === 0 || !this.same(this.object(this.issued, named(n, before)), this.object(this.newest, named(n, after))))
          return true;
      }
    return false;
  }

  same(a: Obj, b: Obj): boolean {
    this.step(a.data?.length ?? 0);
    return equal(a.value, b.value) && (a.data && b.data ? sameBytes(a.data, b.data) : a.data === b.data);
  }

  /** The references that were added to a list, if no old one was removed. */
  appended(was: Value | undefined, is: Value | undefined): Value[] | undefined {
    const [before, now] = [list(this.get(this.issued, was)), list(this.get(this.newest, is))];
    if (!equal(before, now.slice(0, before.length))) return undefined;
    const more = now.slice(before.length);
    return more.every((one) => one instanceof Ref && this.issued.place(one.number)[0] === 0) ? more : undefined;
  }

  /** Whether a field is a signature without an appearance. */
  invisible(field: Value): boolean {
    const d = dict(this.get(this.newest, field));
    const allowed = ['Type', 'Subtype', 'FT', 'T', 'TU', 'V', 'Rect', 'F', 'P', 'Ff', 'Lock', 'SV', 'StructParent'];
    if ([...d.keys()].some((key) => !allowed.includes(key)) || d.get('FT') !== '/Sig') return false;
    if (!d.has('Rect')) return true;
    const rect = list(this.get(this.newest, d.get('Rect')));
    return rect.length === 4 && rect.every((v) => number(v) === 0);
  }
}

/** The reference to the object at a position. */
const named = (n: number, [kind, , generation]: Place): Ref => new Ref(n, kind === 2 ? 0 : generation);

/** Whether two dictionaries are equal in all but some entries. */
function same(a: Dict, b: Dict, but: readonly string[]): boolean {
  const rest = (d: Dict) => [...d].filter(([key]) => !but.includes(key)).sort(([x], [y]) => (x < y ? -1 : 1));
  return equal(rest(a), rest(b));
}

const sameBytes = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((c, i) => c === b[i]);

function add(s: Section, n: number, p: Place): void {
  if (s.places.has(n) || p[1] < 0 || p[2] < 0) refuse('table');
  s.places.set(n, p);
}

function paeth(left: number, above: number, corner: number): number {
  const distance = (n: number) => Math.abs(left + above - corner - n);
  if (distance(left) <= distance(above) && distance(left) <= distance(corner)) return left;
  return distance(above) <= distance(corner) ? above : corner;
}

const isWhite = (c: number): boolean => c === 0 || c === 9 || c === 10 || c === 12 || c === 13 || c === 32;
const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isDelimiter = (c: number): boolean => '()<>[]{}/%'.includes(String.fromCharCode(c));
/** Whether a byte ends a bare word. */
const ends = Array.from({ length: 256 }, (_, c) => isWhite(c) || isDelimiter(c));
/** The value of a hexadecimal digit; -1 for anything else. */
const digit = (c: number | undefined): number => (c === undefined ? -1 : '0123456789abcdef'.indexOf(String.fromCharCode(c).toLowerCase()));

/** Reads values from at up to end. */
class Scanner {
  constructor(
    readonly f: Pdf,
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
    this.f.step(1);
    return this.text[this.at++]!;
  }

  /** Reads a number of bytes of a table. */
  take(n: number): string {
    if (this.end - this.at < n) refuse('table');
    this.f.step(n);
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
    this.f.step(this.at - from);
  }

  /** The text up to the next white space or delimiter. Some readers treat other control characters as white space. */
  bare(): string {
    const from = this.at;
    while (this.at < this.end && !ends[this.text[this.at]!]) this.at++;
    this.f.step(this.at - from);
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
    return this.bare().replace(/#(.?)(.?)/gs, (_, a: string, b: string) => {
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
