/**
 * The format of evidence, versions 1 and 2. Package evidence of the Go sources has the same format and its reasons. Each document has one
 * spelling, apart from white space and escapes: the members are in a fixed order, and present unless optional. Both implementations accept
 * and refuse the same documents.
 */
import { indexOf, maxCreators, proofLength, roles, valid, type Creator as Person, type Proof, type Role } from './commitment.js';
import { base64, hex, unbase64, unhex, utf8, type Bytes } from './bytes.js';
import { Num, Text, parse, type Json } from './json.js';
import { maxInt64, signatureOf, splitNote } from './log.js';
import { isNetworkName } from './network.js';
import { moment } from './time.js';

/** The newest version. */
export const format = 2;
export const maxSize = 1 << 20;
const maxProof = 64;
const maxCosignatures = 64;
const maxAttestations = 32;

export interface Creator extends Person {
  readonly proof: Proof;
}

export interface Log {
  readonly origin: string;
  readonly key: string;
  readonly leaf: string;
  readonly index: bigint;
  readonly proof: readonly string[];
  readonly checkpoint: string;
  /** Signature lines of witnesses, without the newline. */
  readonly cosignatures: readonly string[];
}

/** A statement of somebody else, or a later one of the log. It stands beside the proof: if it does not hold, it is ignored. */
export type Attestation =
  | { readonly kind: 'rfc3161' | 'opentimestamps'; readonly of: string; readonly content: Bytes }
  | {
      readonly kind: 'checkpoint';
      readonly checkpoint: string;
      readonly consistency: readonly string[];
      readonly cosignatures: readonly string[];
    }
  | ({ readonly kind: 'anchor'; readonly of: string; readonly atsId: bigint; readonly version: bigint } & Proved)
  | { readonly kind: 'other'; readonly name: string };

/** The proof that a chain's state has something, and that its authorities made it final. */
interface Proved {
  readonly genesis: string;
  readonly header: Bytes;
  /** The nodes of a trie; empty without a proof. */
  readonly stateProof: readonly Bytes[];
  readonly finality: Finality | undefined;
}

/** A transaction on a chain, and the header of its block. */
export interface Substrate extends Proved {
  readonly index: bigint;
  readonly extrinsic: Bytes;
  readonly extrinsicProof: readonly Bytes[];
}

/** The proof that the authorities of a chain made a block final: see the Go sources. */
export interface Finality {
  readonly setId: bigint;
  readonly authorities: Bytes;
  readonly handOffs: readonly { readonly header: Bytes; readonly justification: Bytes }[];
  readonly headers: readonly Bytes[];
  readonly justification: Bytes;
}

/** Hashes are in hexadecimal, times in nanoseconds since 1970. */
export interface Evidence {
  readonly title: string;
  readonly creators: readonly Creator[];
  readonly media: { readonly sha256: string; readonly size: bigint; readonly format: string; readonly filename: string };
  readonly merkleRoot: string;
  readonly commitment: string;
  readonly protocol: number;
  readonly network: string;
  readonly atsId: bigint;
  readonly version: bigint;
  readonly txHash: string;
  readonly block: { readonly number: bigint; readonly hash: string; readonly time: bigint };
  /** The place of the registration: in a log or on a chain. */
  readonly at: Log | Substrate;
  readonly format: number;
  /** Whether a document of format 1 has a time-stamp token; this page does not read it. */
  readonly token: boolean;
  readonly attestations: readonly Attestation[];
}

/** The reason why a document is not evidence: too large, another version, not JSON, or an invalid member. */
export class Malformed extends Error {
  constructor(
    readonly why: 'size' | 'version' | 'json' | 'member',
    readonly where = '',
  ) {
    super(where ? `${why}: ${where}` : why);
  }
}

/** Reads the members of one object in the given order. A name with a question mark is optional. */
class Reader {
  readonly #members: Map<string, Json>;

  constructor(
    readonly path: string,
    value: Json | undefined,
    form: string,
  ) {
    if (!(value instanceof Map)) throw new Malformed('member', path);
    this.#members = value;
    const wanted = form
      .split(' ')
      .filter((name) => !name.endsWith('?') || value.has(name.slice(0, -1)))
      .map((name) => name.replace('?', ''));
    const names = [...value.keys()];
    const wrong = names.findIndex((name, i) => name !== wanted[i]);
    if (wrong >= 0 || names.length !== wanted.length) this.refuse(names[wrong] ?? wanted[names.length]!);
  }

  refuse = (name: string): never => {
    throw new Malformed('member', this.path ? `${this.path}.${name}` : name);
  };

  has = (name: string): boolean => this.#members.has(name);

  get = (name: string): Json | undefined => this.#members.get(name);

  object = (name: string, form: string): Reader => new Reader(this.path ? `${this.path}.${name}` : name, this.get(name), form);

  text(name: string): string {
    const v = this.get(name);
    return v instanceof Text ? v.value : this.refuse(name);
  }

  /** A text that is present and not empty, or undefined. */
  optional(name: string): string | undefined {
    return this.has(name) ? this.text(name) || this.refuse(name) : undefined;
  }

  hash(name: string): string {
    const v = this.text(name);
    return /^[0-9a-f]{64}$/.test(v) ? v : this.refuse(name);
  }

  bytes = (name: string): Bytes => this.bytesOf(name, this.get(name));

  bytesOf(name: string, v: Json | undefined): Bytes {
    return v instanceof Text && /^(?:[0-9a-f]{2})*$/.test(v.value) ? unhex(v.value) : this.refuse(name);
  }

  /** A list that is absent when it is empty. */
  some(name: string, most: number): Json[] {
    if (!this.has(name)) return [];
    const all = this.list(name);
    return all.length && all.length <= most ? all : this.refuse(name);
  }

  /** The nodes of a trie, in the order of their bytes, each once. */
  nodes(name: string, most: number): Bytes[] {
    const nodes = this.some(name, most).map((one) => this.bytesOf(name, one));
    const order = nodes.map(hex);
    return order.some((one, i) => i > 0 && order[i - 1]! >= one) ? this.refuse(name) : nodes;
  }

  integer(name: string, least: bigint): bigint {
    const v = this.get(name);
    if (!(v instanceof Num) || !/^[0-9]+$/.test(v.digits)) return this.refuse(name);
    const n = BigInt(v.digits);
    return n >= least && n <= maxInt64 ? n : this.refuse(name);
  }

  list(name: string): Json[] {
    const v = this.get(name);
    return Array.isArray(v) ? v : this.refuse(name);
  }
}

function proofOf(r: Reader): Proof {
  const steps = r.list('proof');
  if (steps.length !== proofLength) r.refuse('proof');
  return steps.map((one, level) => {
    const step = new Reader(`${r.path}.proof[${level}]`, one, 'sibling is_left');
    const isLeft = step.get('is_left');
    return { sibling: step.hash('sibling'), isLeft: typeof isLeft === 'boolean' ? isLeft : step.refuse('is_left') };
  });
}

function creatorOf(value: Json, path: string, version: number): Creator {
  const r = new Reader(path, value, 'full_name email roles ipi? isni? proof');
  const [ipi, isni] = [r.optional('ipi'), r.optional('isni')];
  const c = {
    fullName: r.text('full_name'),
    email: r.text('email'),
    roles: r.list('roles').map((one): Role => roles.find((name) => one instanceof Text && name === one.value) ?? r.refuse('roles')),
    ...(ipi !== undefined && { ipi }),
    ...(isni !== undefined && { isni }),
    proof: proofOf(r),
  };
  if (!valid(c)) throw new Malformed('member', path);
  const order = c.roles.map((role) => roles.indexOf(role));
  if (version > 1 && order.some((at, i) => i > 0 && order[i - 1]! >= at)) r.refuse('roles');
  return c;
}

function cosignaturesOf(r: Reader): string[] {
  if (!r.has('cosignatures')) return [];
  const lines = r.list('cosignatures').map((one) => (one instanceof Text && signatureOf(one.value) ? one.value : r.refuse('cosignatures')));
  const bytes = lines.map((one) => hex(utf8(one)));
  if (lines.length === 0 || lines.length > maxCosignatures || bytes.some((one, i) => i > 0 && bytes[i - 1]! >= one))
    r.refuse('cosignatures');
  return lines;
}

function hashesOf(r: Reader, name: string): string[] {
  const hashes = r.list(name).map((one) => {
    const b = one instanceof Text ? unbase64(one.value) : undefined;
    return b?.length === 32 && base64(b) === (one as Text).value ? hex(b) : r.refuse(name);
  });
  return hashes.length > maxProof ? r.refuse(name) : hashes;
}

/** A checkpoint with one signature, that of its origin. */
function ownCheckpoint(r: Reader): string {
  const checkpoint = r.text('checkpoint');
  const note = splitNote(checkpoint);
  return note?.lines.length === 1 && signatureOf(note.lines[0]!)!.name === note.text.split('\n')[0] ? checkpoint : r.refuse('checkpoint');
}

/** The members of an object, if the first one is a kind that is text. */
function kindOf(value: Json, path: string): string {
  const first = value instanceof Map ? [...value.entries()][0] : undefined;
  if (first?.[0] !== 'kind' || !(first[1] instanceof Text)) throw new Malformed('member', path);
  return first[1].value;
}

const depthOf = (value: Json): number =>
  value instanceof Map || Array.isArray(value) ? 1 + Math.max(0, ...[...value.values()].map(depthOf)) : 0;

const maxDepth = 8;

/** The attestation that another one is about. */
export const subjectOf = (of: string, all: readonly Attestation[]): Attestation | undefined =>
  all[Number(/^attestation (0|[1-9][0-9]*)$/.exec(of)?.[1])];

function attestationOf(value: Json, path: string, chain: boolean, before: readonly Attestation[]): Attestation {
  const kind = kindOf(value, path);
  if (!/^[a-z][a-z0-9_]{0,31}$/.test(kind)) throw new Malformed('member', path);
  switch (kind) {
    case 'rfc3161':
    case 'opentimestamps': {
      const content = kind === 'rfc3161' ? 'token' : 'proof';
      const r = new Reader(path, value, `kind of ${content}`);
      const of = r.text('of');
      if (of !== 'commitment' && of !== 'block' && ['other', 'anchor', undefined].includes(subjectOf(of, before)?.kind)) r.refuse('of');
      const bytes = unbase64(r.text(content));
      return { kind, of, content: bytes?.length && base64(bytes) === r.text(content) ? bytes : r.refuse(content) };
    }
    case 'checkpoint': {
      const r = new Reader(path, value, 'kind checkpoint consistency cosignatures?');
      if (chain) r.refuse('kind');
      return { kind, checkpoint: ownCheckpoint(r), consistency: hashesOf(r, 'consistency'), cosignatures: cosignaturesOf(r) };
    }
    case 'anchor': {
      const r = new Reader(path, value, 'kind of ats_id version genesis header state_proof finality');
      const of = r.text('of');
      if (chain || before.filter((a) => a.kind === kind).length > 1 || (of !== 'block' && subjectOf(of, before)?.kind !== 'checkpoint'))
        r.refuse('of');
      return { kind, of, atsId: r.integer('ats_id', 0n), version: r.integer('version', 1n), ...provedOf(r) };
    }
  }
  const names = [...(value as Map<string, Json>).keys()].map((name) => name.toLowerCase());
  if (depthOf(value) > maxDepth || names.indexOf('kind', 1) > 0) throw new Malformed('member', path);
  return { kind: 'other', name: kind };
}

function logOf(r: Reader, version: number): Log {
  return {
    origin: r.text('origin'),
    key: /\p{White_Space}/u.test(r.text('key')) ? r.refuse('key') : r.text('key'),
    leaf: r.text('leaf'),
    index: r.integer('index', 0n),
    // Format 1 may have null for the empty proof of a log with one entry.
    proof: version === 1 && r.get('proof') === null ? [] : hashesOf(r, 'proof'),
    checkpoint: version === 1 ? r.text('checkpoint') : ownCheckpoint(r),
    cosignatures: cosignaturesOf(r),
  };
}

const provedOf = (r: Reader): Proved => ({
  genesis: r.hash('genesis'),
  header: r.bytes('header'),
  stateProof: r.nodes('state_proof', 256),
  finality: r.has('finality') ? finalityOf(r) : undefined,
});

function finalityOf(of: Reader): Finality {
  const r = of.object('finality', 'set_id authorities hand_offs? headers? justification');
  const setId = r.integer('set_id', 0n);
  return {
    setId: setId > maxInt64 - 64n ? r.refuse('set_id') : setId,
    authorities: r.bytes('authorities'),
    handOffs: r.some('hand_offs', 64).map((one, i) => {
      const h = new Reader(`${r.path}.hand_offs[${i}]`, one, 'header justification');
      return { header: h.bytes('header'), justification: h.bytes('justification') };
    }),
    headers: r.some('headers', 512).map((one) => r.bytesOf('headers', one)),
    justification: r.bytes('justification'),
  };
}

function attestationsOf(r: Reader, chain: boolean): Attestation[] {
  const all: Attestation[] = [];
  if (!r.has('attestations')) return all;
  const values = r.list('attestations');
  if (values.length === 0 || values.length > maxAttestations) r.refuse('attestations');
  for (const [i, one] of values.entries()) all.push(attestationOf(one, `attestations[${i}]`, chain, all));
  return all;
}

/** A time as Go writes it: in UTC, to the microsecond, without trailing zeros. */
const canonicalTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,5}[1-9])?Z$/;

/** Whether a value has a number that no version has. */
const minusZero = (v: Json): boolean =>
  v instanceof Num ? v.digits === '-0' : v instanceof Map || Array.isArray(v) ? [...v.values()].some(minusZero) : false;

/** Reads one document and nothing after it. Throws only Malformed. */
export function decode(bytes: Uint8Array): Evidence {
  if (bytes.length > maxSize) throw new Malformed('size');
  let document: Json;
  try {
    document = parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Malformed('json');
  }
  if (!(document instanceof Map)) throw new Malformed('json');
  const claimed = document.get('evidence');
  if (claimed !== undefined && !(claimed instanceof Num)) throw new Malformed('member', 'evidence');
  const version = claimed && /^[12]$/.test(claimed.digits) ? Number(claimed.digits) : undefined;
  if (version === undefined) throw new Malformed('version');

  for (const [name, value] of document) if (name !== 'attestations' && minusZero(value)) throw new Malformed('member', name);

  const r = new Reader(
    '',
    document,
    'evidence title creators media merkle_root commitment protocol_version network ats_id version tx_hash block log? substrate? ' +
      (version === 1 ? 'rfc3161?' : 'attestations?'),
  );
  const media = r.object('media', 'sha256 size_bytes format filename? duration?');
  if (media.has('duration')) {
    const duration = media.get('duration');
    const seconds = duration instanceof Num ? Number(duration.digits) : NaN;
    if (!(seconds > 0 && seconds < Infinity)) media.refuse('duration');
    if (version > 1 && String(seconds) !== (duration as Num).digits) media.refuse('duration');
  }
  const network = r.object('network', 'name kind');
  const kind = network.text('kind');
  if (kind !== 'log' && kind !== 'substrate') network.refuse('kind');
  for (const one of ['log', 'substrate']) if (r.has(one) !== (one === kind)) r.refuse(one);
  const block = r.object('block', 'number hash time');
  const time = block.text('time');
  const protocol = r.integer('protocol_version', 0n);
  if (protocol > 255n) r.refuse('protocol_version');
  const creators = r.list('creators').map((one, i) => creatorOf(one, `creators[${i}]`, version));
  if (creators.length < 1 || creators.length > maxCreators) r.refuse('creators');
  creators.reduce((last, c) => (indexOf(c.proof) > last ? indexOf(c.proof) : r.refuse('creators')), -1);
  const chain =
    kind === 'log'
      ? undefined
      : r.object('substrate', `genesis header index extrinsic${version > 1 ? ' extrinsic_proof? state_proof? finality?' : ''}`);
  if (r.has('rfc3161')) {
    const token = r.object('rfc3161', 'token');
    const der = unbase64(token.text('token'));
    if (!der?.length || base64(der) !== token.text('token')) token.refuse('token');
  }
  return {
    title: r.text('title') || r.refuse('title'),
    creators,
    media: {
      sha256: media.hash('sha256'),
      size: media.integer('size_bytes', 1n),
      format: media.text('format'),
      filename: media.optional('filename') ?? '',
    },
    merkleRoot: r.hash('merkle_root'),
    commitment: r.hash('commitment'),
    protocol: Number(protocol),
    network: isNetworkName(network.text('name')) ? network.text('name') : network.refuse('name'),
    atsId: r.integer('ats_id', chain ? 0n : 1n),
    version: r.integer('version', 1n),
    txHash: r.hash('tx_hash'),
    block: {
      number: block.integer('number', 1n),
      hash: block.hash('hash'),
      time: (canonicalTime.test(time) ? moment(time) : undefined) ?? block.refuse('time'),
    },
    at: chain
      ? {
          ...provedOf(chain),
          index: chain.integer('index', 0n),
          extrinsic: chain.bytes('extrinsic'),
          extrinsicProof: chain.nodes('extrinsic_proof', 64),
        }
      : logOf(r.object('log', `origin key leaf index proof checkpoint${version === 1 ? '' : ' cosignatures?'}`), version),
    format: version,
    token: r.has('rfc3161'),
    attestations: attestationsOf(r, chain !== undefined),
  };
}
