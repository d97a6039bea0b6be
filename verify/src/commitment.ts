/** Version 1 of the commitment protocol, for a verifier: package commitment of the Go sources. */
import { concat, sha256, unhex, utf8 } from './bytes.js';

export const version = 1;

const depth = 5;
export const maxCreators = 1 << depth;

/** In the order of their tags. */
export const roles = ['author', 'composer', 'arranger', 'adapter'] as const;
export type Role = (typeof roles)[number];

export interface Creator {
  readonly fullName: string;
  readonly email: string;
  readonly roles: readonly Role[];
  readonly ipi?: string;
  readonly isni?: string;
}

/** A level of a proof: the sibling, in hexadecimal, and whether it is on the left. */
export interface Step {
  readonly sibling: string;
  readonly isLeft: boolean;
}

/** From the leaf's level to the children of the root: always as many as the tree is deep. */
export type Proof = readonly Step[];
export const proofLength = depth;

/** Whether the protocol accepts a creator. */
export const valid = (c: Creator): boolean =>
  c.fullName !== '' &&
  c.email !== '' &&
  c.roles.length > 0 &&
  (c.ipi === undefined || /^[0-9]{1,11}$/.test(c.ipi)) &&
  (c.isni === undefined || /^[0-9X]{16}$/.test(c.isni));

const string = (s: string): Uint8Array => {
  const text = utf8(s);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return concat(length, text);
};

const option = (s: string | undefined): Uint8Array => (s === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), string(s)));

/** The leaf of a creator. */
export function leaf(c: Creator): string {
  const tags = [...new Set(c.roles.map((r) => roles.indexOf(r)))].sort();
  return sha256(string(c.fullName), string(c.email), Uint8Array.of(tags.length, ...tags), option(c.ipi), option(c.isni));
}

const node = (left: string, right: string): string => sha256(unhex(left + right));

/** The position of the creator that a proof is about, from 0. */
export const indexOf = (p: Proof): number => p.reduce((i, step, level) => i | (Number(step.isLeft) << level), 0);

/** Whether a proof leads from a leaf to the root. */
export const proves = (leaf: string, p: Proof, root: string): boolean =>
  p.reduce((h, s) => (s.isLeft ? node(s.sibling, h) : node(h, s.sibling)), leaf) === root;

const unused = sha256(Uint8Array.of(0));

/** The root over the leaves of all creators. */
export function root(leaves: readonly string[]): string {
  let level = Array.from({ length: maxCreators }, (_, i) => leaves[i] ?? unused);
  while (level.length > 1) level = level.flatMap((h, i) => (i % 2 ? [] : [node(h, level[i + 1]!)]));
  return level[0]!;
}

/** The commitment of a title, a recording's hash and a root. */
export const seal = (title: string, media: string, root: string): string =>
  sha256(Uint8Array.of(version), unhex(media), string(title), unhex(root));
