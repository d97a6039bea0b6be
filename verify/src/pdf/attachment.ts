/** Finds the evidence. */
import { equalBytes, type Bytes } from '../bytes.js';
import { maxAttachment, maxDepth, maxSpecifications } from './budget.js';
import type { Obj, Pdf } from './file.js';
import { refuse } from './refusal.js';
import { Ref, dict, equal, isDict, isString, list, text, undeciphered, type Dict, type Value } from './value.js';

const evidenceName = 'evidence.json';

/**
 * The evidence. All reachable file specifications that are named evidence.json must have the same content, and the catalog must list one
 * of them.
 */
export function attachment(f: Pdf): Bytes {
  let found: Bytes | undefined;
  let first: Obj | undefined;
  for (const [spec, where] of specifications(f)) {
    f.where = where;
    if (!isEvidence(f, spec)) continue;
    const o = embedded(f, spec);
    if (o === first) continue;
    f.where = `object ${o.of.number}`;
    const data = f.decode(f.newest, o, maxAttachment);
    if (!found || !first) [found, first] = [data, o];
    else if (!equalBytes(found, data)) {
      f.where = `object ${first.of.number}, object ${o.of.number}`;
      refuse('many');
    }
  }
  if (!found || !listed(f)) {
    f.where = '';
    return refuse('none');
  }
  return found;
}

/**
 * The dictionaries with embedded files that the last trailer reaches, through the catalog or otherwise, each with the object in which it
 * stands. All objects on the way are read: for a missing one, some viewers search the file.
 */
function specifications(f: Pdf): [Dict, string][] {
  const specs: [Dict, string][] = [];
  const seen = new Map<number, number>();
  const queue: Ref[] = [];
  const visit = (v: Value) => {
    f.step(1);
    if (v instanceof Ref) {
      if (!seen.has(v.number)) {
        seen.set(v.number, v.generation);
        queue.push(v);
      } else if (seen.get(v.number) !== v.generation) refuse('object');
    } else if (Array.isArray(v)) v.forEach(visit);
    else if (isDict(v)) {
      if (v.has('EF') && specs.push([v, f.where]) > maxSpecifications) refuse('work');
      v.forEach(visit);
    }
  };
  visit(f.newest.sections[0]!.trailer);
  for (const next of queue) {
    f.where = `object ${next.number}`;
    visit(f.object(f.newest, next).value);
  }
  return specs;
}

/** Whether a file specification has the evidence's name. A PDF viewer shows either of its two names, so both must match. */
function isEvidence(f: Pdf, spec: Dict): boolean {
  let [names, known] = [0, 0];
  for (const key of ['UF', 'F']) {
    const s = f.get(f.newest, spec.get(key));
    if (s === undeciphered) refuse('value');
    if (!isString(s)) continue;
    names++;
    if (text(s.slice(1)) === evidenceName) known++;
  }
  if (known > 0 && known < names) refuse('name');
  return known > 0;
}

/** The stream of a file specification. All its entries must be the same: PDF viewers differ in which of them they show. */
function embedded(f: Pdf, spec: Dict): Obj {
  const files = dict(f.get(f.newest, spec.get('EF')));
  if (!files.has('F')) refuse('object');
  let found: Ref | undefined;
  for (const one of files.values()) {
    if (!(one instanceof Ref)) return refuse('value');
    if (found && !equal(one, found)) {
      f.where = `object ${found.number}, object ${one.number}`;
      refuse('many');
    }
    found = one;
  }
  const o = f.object(f.newest, found!);
  // The streams of two other types are not encrypted as others are.
  const kind = dict(o.value).get('Type');
  if (!o.data || (f.cipher && kind !== undefined && kind !== '/EmbeddedFile')) {
    f.where = `object ${found!.number}`;
    refuse('object');
  }
  return o;
}

/**
 * Whether the catalog's tree of embedded files lists the evidence, as PDF viewers do. If the tree gives this name to another file, the
 * reader is unsure.
 */
function listed(f: Pdf): boolean {
  const get = (v: Value | undefined) => f.get(f.newest, v);
  f.where = `object ${f.root.number}`;
  const seen = new Set<number>();
  let found = false;
  const visit = (v: Value | undefined, depth: number) => {
    if (v instanceof Ref) {
      f.where = `object ${v.number}`;
      if (seen.has(v.number)) refuse('loop');
      if (depth > maxDepth) refuse('depth');
      seen.add(v.number);
    }
    f.step(1);
    const node = get(v);
    if (!isDict(node)) return v == null ? undefined : refuse('value');
    for (const kid of list(get(node.get('Kids')))) visit(kid, depth + 1);
    const pairs = list(get(node.get('Names')));
    if (pairs.length % 2) refuse('value');
    for (let i = 0; i < pairs.length; i += 2) {
      const [key, spec] = [get(pairs[i]), get(pairs[i + 1])];
      if (!isString(key) || !isDict(spec)) return refuse('value');
      if (spec.has('EF') && isEvidence(f, spec)) found = true;
      else if (text(key.slice(1)) === evidenceName) refuse('name');
    }
  };
  visit(dict(get(f.catalog(f.newest).get('Names'))).get('EmbeddedFiles'), 0);
  return found;
}
