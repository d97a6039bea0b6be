// Fails when sources import each other in a circle, also by types alone: a reader can then start at no file.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const roots = ['widget/src', 'verify/src', 'web/i18n'];
const sources = roots.flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, name)),
);

/** The sources that a source imports, by their paths. */
const imports = new Map(
  sources.map((path) => {
    const found = readFileSync(path, 'utf8').matchAll(/(?:from|import|import\() ?'(\.[^']+)\.js'/g);
    return [path, [...found].map((m) => normalize(join(dirname(path), `${m[1]}.ts`)))];
  }),
);
for (const [path, list] of imports)
  for (const to of list) if (!imports.has(to)) throw new Error(`${path} imports ${to}, which is not there`);

const done = new Set();
const circles = [];
function walk(path, way) {
  const at = way.indexOf(path);
  if (at >= 0) {
    circles.push([...way.slice(at), path].join('\n  imports '));
    return;
  }
  if (done.has(path)) return;
  for (const to of imports.get(path)) walk(to, [...way, path]);
  done.add(path);
}
for (const path of sources) walk(path, []);

if (circles.length) {
  console.error(circles.join('\n'));
  process.exit(1);
}
