/** Finds what was added to a file after it was issued. */
import { equalBytes } from '../bytes.js';
import type { Obj, Pdf, Place, View } from './file.js';
import { Ref, dict, equal, list, number, type Dict, type Value } from './value.js';

/** Whether something other than an invisible signature was added to the first revision. */
export function changed(f: Pdf): boolean {
  if (!f.added.length) return false;
  if ([...f.added, f.issued.sections[0]!].some((s) => !equal(s.trailer.get('Root'), f.root))) return true;
  const old = (v: Value | undefined) => f.get(f.issued, v);
  const now = (v: Value | undefined) => f.get(f.newest, v);
  const [was, is] = [f.catalog(f.issued), f.catalog(f.newest)];
  if (!same(was, is, ['DSS', 'Extensions', 'AcroForm'])) return true;
  const kids = list(old(dict(old(was.get('Pages'))).get('Kids')));
  if (kids.length !== 1) return true;
  const [page, pageNow] = [dict(old(kids[0])), dict(now(kids[0]))];
  const [form, formNow] = [dict(old(was.get('AcroForm'))), dict(now(is.get('AcroForm')))];
  const info = (v: View) => dict(f.get(v, v.sections[0]!.trailer.get('Info')));
  if (
    !same(info(f.issued), info(f.newest), ['ModDate', 'Producer']) ||
    !same(page, pageNow, ['Annots']) ||
    !same(form, formNow, ['Fields', 'SigFlags'])
  )
    return true;
  const fields = appended(f, form.get('Fields'), formNow.get('Fields'));
  const annotations = appended(f, page.get('Annots'), pageNow.get('Annots'));
  if (
    !fields ||
    !annotations ||
    !fields.every((field) => invisible(f, field)) ||
    annotations.some((one) => !fields.some((field) => equal(one, field)))
  )
    return true;
  // Every other object is unchanged.
  const may = [f.root, kids[0], f.issued.sections[0]!.trailer.get('Info'), was.get('AcroForm'), form.get('Fields'), page.get('Annots')];
  for (const s of f.added)
    for (const n of [...s.places.keys()].sort((a, b) => a - b)) {
      const [before, after] = [f.issued.entry(n), f.newest.place(n)];
      if (before?.[0] === 0 && n) return true; // a deleted object came back: an older reference may name it
      if (!before?.[0] || may.some((v) => v instanceof Ref && v.number === n)) continue;
      if (after[0] === 0 || !sameObject(f, f.object(f.issued, named(n, before)), f.object(f.newest, named(n, after)))) return true;
    }
  return false;
}

function sameObject(f: Pdf, a: Obj, b: Obj): boolean {
  f.step(a.data?.length ?? 0);
  return equal(a.value, b.value) && (a.data && b.data ? equalBytes(a.data, b.data) : a.data === b.data);
}

/** The references that were added to a list, if no old one was removed. */
function appended(f: Pdf, was: Value | undefined, is: Value | undefined): Value[] | undefined {
  const [before, now] = [list(f.get(f.issued, was)), list(f.get(f.newest, is))];
  if (!equal(before, now.slice(0, before.length))) return undefined;
  const more = now.slice(before.length);
  return more.every((one) => one instanceof Ref && f.issued.place(one.number)[0] === 0) ? more : undefined;
}

/** Whether a field is a signature without an appearance. */
function invisible(f: Pdf, field: Value): boolean {
  const d = dict(f.get(f.newest, field));
  const allowed = ['Type', 'Subtype', 'FT', 'T', 'TU', 'V', 'Rect', 'F', 'P', 'Ff', 'Lock', 'SV', 'StructParent'];
  if ([...d.keys()].some((key) => !allowed.includes(key)) || d.get('FT') !== '/Sig') return false;
  if (!d.has('Rect')) return true;
  const rect = list(f.get(f.newest, d.get('Rect')));
  return rect.length === 4 && rect.every((v) => number(v) === 0);
}

/** The reference to the object at a position. */
const named = (n: number, [kind, , generation]: Place): Ref => new Ref(n, kind === 2 ? 0 : generation);

/** Whether two dictionaries are equal in all but some entries. */
function same(a: Dict, b: Dict, but: readonly string[]): boolean {
  const rest = (d: Dict) => [...d].filter(([key]) => !but.includes(key)).sort(([x], [y]) => (x < y ? -1 : 1));
  return equal(rest(a), rest(b));
}
