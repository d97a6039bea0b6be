/**
 * Unambiguous JSON: a repeated member is refused, where JSON.parse would keep the last. Numbers keep their digits, because a JavaScript
 * number loses some.
 */
export type Json = null | boolean | Num | Text | Json[] | Map<string, Json>;

/** A number as it is written. */
export class Num {
  constructor(readonly digits: string) {}
}

/** A string. */
export class Text {
  constructor(readonly value: string) {}
}

const token =
  /[ \t\n\r]*(?:([{}[\]:,])|("[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(true|false|null))/y;
const blank = /[ \t\n\r]*$/y;

/** Whether a text begins as an object with a member of this name, also if the text is damaged after it. */
export function hasMember(source: string, wanted: string): boolean {
  let [at, depth, name] = [0, 0, ''];
  for (;;) {
    token.lastIndex = at;
    const t = token.exec(source);
    if (!t || (at === 0 && t[1] !== '{')) return false;
    at = token.lastIndex;
    if (t[1] === ':' && depth === 1 && name === wanted) return true;
    if (t[1] === '{' || t[1] === '[') depth++;
    if ((t[1] === '}' || t[1] === ']') && --depth < 1) return false;
    name = t[2] === undefined ? '' : (JSON.parse(t[2]) as string);
  }
}

/** The deepest nesting; no document of this page is deeper. */
const deepest = 16;

/** Reads one value and nothing after it. Throws a SyntaxError. */
export function parse(source: string): Json {
  let at = 0;
  const wrong = () => new SyntaxError(`not JSON at character ${at}`);
  const next = (): RegExpExecArray => {
    token.lastIndex = at;
    const found = token.exec(source);
    if (!found) throw wrong();
    at = token.lastIndex;
    return found;
  };
  const value = ([, sign, text, digits, word]: RegExpExecArray, depth: number): Json => {
    // An unpaired surrogate is not text; Go replaces it in the same way.
    if (text !== undefined) return new Text((JSON.parse(text) as string).toWellFormed());
    if (digits !== undefined) return new Num(digits);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    if (depth > deepest) throw wrong();
    if (sign === '[') {
      const list: Json[] = [];
      let t = next();
      if (t[1] === ']') return list;
      for (;;) {
        list.push(value(t, depth + 1));
        const after = next()[1];
        if (after === ']') return list;
        if (after !== ',') throw wrong();
        t = next();
      }
    }
    if (sign !== '{') throw wrong();
    const members = new Map<string, Json>();
    let t = next();
    if (t[1] === '}') return members;
    for (;;) {
      if (t[2] === undefined) throw wrong();
      const name = (JSON.parse(t[2]) as string).toWellFormed();
      if (members.has(name) || next()[1] !== ':') throw wrong();
      members.set(name, value(next(), depth + 1));
      const after = next()[1];
      if (after === '}') return members;
      if (after !== ',') throw wrong();
      t = next();
    }
  };
  const read = value(next(), 0);
  blank.lastIndex = at;
  if (!blank.test(source)) throw wrong();
  return read;
}
