// Says since when browsers know what a file uses, by MDN's browser-compat-data.
//
// In: {"part": {"js": ["path"], "css": […], "html": […]}}. Out: for each part
// {"feature": [Chrome, Firefox, Safari]}, each the first version of all its
// variants (desktop and mobile) that has the feature whole; 0 is none.
//
// It knows names, not types: of `.at(` it takes the oldest thing of that name. So it
// tells too little rather than what is not so.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const bcd = createRequire(new URL('../package.json', import.meta.url))('@mdn/browser-compat-data');
const columns = [['chrome', 'edge', 'chrome_android'], ['firefox'], ['safari', 'safari_ios']];
const old = 1; // as good as ever
const none = 0;

/** The first version that has it whole, for good, and without a switch. */
function since(support) {
  if (support === undefined) return old;
  const whole = [support].flat().filter((s) => s.version_added && !s.version_removed && !s.flags && !s.partial_implementation && !s.prefix && !s.alternative_name);
  const versions = whole.map((s) => (s.version_added === true || s.version_added.startsWith('≤') ? old : s.version_added === 'preview' ? none : Number.parseFloat(s.version_added)));
  return versions.filter(Boolean).sort((a, b) => a - b)[0] ?? none;
}
const worse = (a, b) => (a === none || b === none ? none : Math.max(a, b));
const better = (a, b) => (a === none ? b : b === none ? a : Math.min(a, b));
const needs = (node) => columns.map((names) => names.map((n) => since(node.__compat.support[n])).reduce(worse));
const ofAll = (nodes) => nodes.map(needs).reduce((a, b) => a.map((v, i) => better(v, b[i])));
const at = (path) => path.split('.').reduce((node, key) => node?.[key], bcd);

/** Every feature below the node, by the last part of its name. */
function byName(node, found = new Map(), path = []) {
  for (const [key, below] of Object.entries(node)) {
    if (key === '__compat' || key === '__meta') continue;
    if (below.__compat) found.set(key, [...(found.get(key) ?? []), below]);
    byName(below, found, [...path, key]);
  }
  return found;
}
const types = byName(bcd.css.types);
const members = new Map();
for (const owner of [...Object.values(bcd.api), ...Object.values(bcd.javascript.builtins), ...Object.values(bcd.javascript.builtins.Intl)]) {
  for (const [name, node] of Object.entries(owner)) {
    const plain = name.replace(/_static$/, '');
    if (node?.__compat) members.set(plain, [...(members.get(plain) ?? []), node]);
  }
}

// What is more than a name.
const special = {
  js: [
    [/\bnew Worker\([^)]*type:\s*["']module["']/s, 'api.Worker.Worker.ecmascript_modules'],
    [/\bDecompressionStream\(\s*["']deflate["']/, 'api.DecompressionStream'],
    [/\bimport\.meta\b/, 'javascript.operators.import_meta'],
    [/(?<![.\w])import\(/, 'javascript.operators.import'],
    [/\?\?=/, 'javascript.operators.nullish_coalescing_assignment'],
    [/\bstatic\s*\{/, 'javascript.classes.static.initialization_blocks'],
    [/^\s*await /m, 'javascript.operators.await.top_level'],
    [/\/[dgimsuy]*v[dgimsuy]*[,;.)]/, 'javascript.builtins.RegExp.unicodeSets'],
  ],
  css: [
    [/\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color)\(\s*from\b/, 'css.types.color.color.relative_syntax'],
    [/\b\d*\.?\d+cq(?:w|h|i|b|min|max)\b/, 'css.types.length.container_query_length_units'],
    [/\b\d*\.?\d+[sdl]v(?:w|h|i|b|min|max)\b/, 'css.types.length.viewport_percentage_units_dynamic'],
    [/\b\d*\.?\d+r?lh\b/, 'css.types.length.lh'],
    [/[{};]\s*&/, 'css.selectors.nesting'],
  ],
};

const readers = {
  js(text, tell) {
    const code = text.replace(/\/\*.*?\*\//gs, ' ').replace(/(^|[\s;{}])\/\/.*$/gm, '$1');
    for (const [, object, name] of code.matchAll(/(?<![.\w$])([A-Z]\w+)\.(\w+)/g)) {
      for (const owner of [bcd.api[object], bcd.javascript.builtins[object]]) {
        const node = owner?.[`${name}_static`] ?? (owner === bcd.api[object] ? undefined : owner?.[name]);
        if (node?.__compat) tell(`${object}.${name}`, [node]);
      }
    }
    for (const [, object] of code.matchAll(/(?<![.\w$'"-])([A-Z]\w+)(?=[.(]| *\?\.)/g)) {
      const node = bcd.api[object] ?? bcd.javascript.builtins[object];
      if (node?.__compat) tell(object, [node]);
    }
    for (const [, name] of code.matchAll(/(?<![.\w$])([a-z]\w+)\(/g)) {
      if (bcd.api[name]?.__compat) tell(name, [bcd.api[name]]);
    }
    for (const [, name] of code.matchAll(/(?<=[\w$)\]}"'`?])\.([a-z]\w+)/g)) {
      // What the code defines itself is its own, whatever else has that name.
      const own = new RegExp(`(?<![.\\w$])${name}\\s*(?:\\??:|=(?![=>])|\\([^()]*(?:\\([^()]*\\)[^()]*)*\\)\\s*\\{)|[{,]${name}[,}]`);
      if (members.has(name) && !own.test(code)) tell(`.${name}`, members.get(name));
    }
  },
  css(text, tell) {
    const code = text.replace(/\/\*.*?\*\//gs, ' ');
    for (const [, name, value] of code.matchAll(/(?<=[{;\s])([a-z-]+)\s*:\s*([^;{}]+)(?=[;}])/g)) {
      const property = bcd.css.properties[name];
      if (!property?.__compat) continue;
      tell(name, [property]);
      for (const [word] of value.matchAll(/[a-z][a-z-]+/g)) if (property[word]?.__compat) tell(`${name}: ${word}`, [property[word]]);
    }
    for (const [, name] of code.matchAll(/(?<![:\w-])([a-z][a-z-]+)\(/g)) if (types.has(name)) tell(`${name}()`, types.get(name));
    for (const [, name] of code.matchAll(/::?([a-z-]+)/g)) if (bcd.css.selectors[name]?.__compat) tell(`:${name}`, [bcd.css.selectors[name]]);
    for (const [, name, rest] of code.matchAll(/@([a-z-]+)([^{;]*)/g)) {
      const rule = bcd.css['at-rules'][name];
      if (rule?.__compat) tell(`@${name}`, [rule]);
      for (const [, word] of rest.matchAll(/\(\s*([a-z-]+)/g)) if (rule?.[word]?.__compat) tell(`@${name} ${word}`, [rule[word]]);
    }
  },
  html(text, tell) {
    for (const [, name] of text.matchAll(/<([a-z][a-z0-9]*)[\s>]/g)) if (bcd.html.elements[name]?.__compat) tell(`<${name}>`, [bcd.html.elements[name]]);
    for (const [, inside] of text.matchAll(/<[a-z][a-z0-9-]*((?:\s+[^<>]*)?)>/g)) {
      for (const [, name] of inside.matchAll(/\s([a-z]+)(?=[\s=>]|$)/g)) {
        if (bcd.html.global_attributes[name]?.__compat) tell(`attribute ${name}`, [bcd.html.global_attributes[name]]);
      }
    }
    for (const [, css] of text.matchAll(/<style[^>]*>(.*?)<\/style>/gs)) read('css', css, tell);
    for (const [, js] of text.matchAll(/<script[^>]*>(.*?)<\/script>/gs)) read('js', js, tell);
  },
};

function read(kind, text, tell) {
  readers[kind](text, tell);
  for (const [pattern, path] of special[kind] ?? []) {
    if (!at(path)?.__compat) throw new Error(`browser-compat-data has no ${path}`);
    if (pattern.test(text)) tell(path.split('.').slice(-2).join('.'), [at(path)]);
  }
}

const out = {};
for (const [part, kinds] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
  out[part] = {};
  for (const [kind, paths] of Object.entries(kinds)) {
    for (const path of paths) read(kind, readFileSync(path, 'utf8'), (feature, nodes) => (out[part][feature] = ofAll(nodes)));
  }
}
process.stdout.write(JSON.stringify(out));
