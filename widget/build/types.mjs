// Writes the type declarations and the manifest of <ats-widget> out of the comments and types of its sources, and
// prints them as one JSON object by file name. Its argument is the folder widget.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, ts as theirs } from '@custom-elements-manifest/analyzer/index.js';
import prettier from 'prettier';
import ts from 'typescript';

const dir = process.argv[2];
const path = (name) => join(dir, name);

// The modules of each file, in their order. What is marked @internal is left out.
const shared = ['src/gen/errors.ts', 'src/events.ts', 'src/public.ts', 'src/element.ts', 'src/version.ts'];
const flat = {
  'ats-widget.d.ts': ['/** Types of <ats-widget>: the element, its events and the error codes. */', ...shared, 'src/classic.ts'],
  'npm/index.d.ts': ['/** Types of @timbre/ats-widget. */', ...shared, 'npm/src/session.ts'],
  'npm/react.d.ts': [
    "/** <ats-widget> as a component, for React 18 and 19. */\nimport type { ForwardRefExoticComponent, HTMLAttributes, RefAttributes } from 'react';\n" +
      "import type { AtsEvent, AtsEventName, AtsMode, AtsWidget as Widget, GetSession } from './index.js';\nimport './jsx.js';",
    'npm/src/react.ts',
  ],
};
const roots = [...new Set(Object.values(flat).flat())].filter((name) => name.endsWith('.ts'));

const { config } = ts.readConfigFile(path('tsconfig.json'), (name) => readFileSync(name, 'utf8'));
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: roots }, ts.sys, dir);
const program = ts.createProgram(
  [...roots.map(path), path('src/styles/css.d.ts'), path('../web/i18n/locales.d.ts')],
  { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true, stripInternal: true, noEmitOnError: true },
);

/** The declarations of one module, without its imports and re-exports. */
function declarations(name) {
  let out = '';
  const done = program.emit(program.getSourceFile(path(name)), (_, text) => (out = text), undefined, true);
  if (!out) throw new Error(ts.formatDiagnostics(done.diagnostics, { getCurrentDirectory: () => dir, getCanonicalFileName: (f) => f, getNewLine: () => '\n' }));
  const file = ts.createSourceFile('x.d.ts', out, ts.ScriptTarget.Latest, true);
  return file.statements
    .filter((s) => !ts.isImportDeclaration(s) && !ts.isExportDeclaration(s))
    .filter((s) => !(ts.isVariableStatement(s) && s.declarationList.declarations[0].name.getText() === 'Base'))
    .map((s) => s.getFullText().replace(' implements Host', '').replace('extends Base<', 'extends CustomEvent<'))
    .join('')
    .replace(/^\s*\/\*\*(?:[^*]|\*(?!\/))*\*\/\n(?=\/\*\*)/, ''); // the comment of the module
}

const settings = { ...(await prettier.resolveConfig(path('src/element.ts'))), parser: 'typescript' };
const written = {};
for (const [name, [head, ...modules]] of Object.entries(flat))
  written[name] = await prettier.format([head, ...modules.map(declarations), 'export {};'].join('\n\n'), settings); // export {}: the rest stays inside

/** The events of the manifest are the members of AtsEventDetails, with their comments. */
const events = {
  name: 'events',
  packageLinkPhase({ customElementsManifest }) {
    const file = theirs.createSourceFile('events.ts', readFileSync(path('src/events.ts'), 'utf8'), theirs.ScriptTarget.Latest, true);
    const details = file.statements.find((s) => s.name?.text === 'AtsEventDetails');
    const list = details.members.map((m) => {
      const name = m.name.text;
      const text = m.jsDoc?.[0]?.comment ?? '';
      const members = m.type.members?.map((x) => x.name.text + (x.questionToken ? '?' : ''));
      const detail = members ? `{${members.join(', ')}}` : m.type.getText();
      return { name, type: { text: `AtsEvent<'${name}'>` }, description: `${text.replace(/\s+/g, ' ')} detail: ${detail}` };
    });
    customElementsManifest.modules[0].declarations[0].events = list;
  },
};

/** Leaves only what a page may use, under the name of the file that a page loads. */
const published = (module) => ({
  name: 'published',
  packageLinkPhase({ customElementsManifest: manifest }) {
    const [one] = manifest.modules;
    one.path = module;
    const element = one.declarations.find((d) => d.customElement);
    const plain = (x) => x.description && (x.description = x.description.replace(/\s+/g, ' '));
    for (const x of [...element.attributes, ...element.members]) plain(x);
    manifest.schemaVersion = '2.1.0';
    element.members = element.members.filter((m) => !m.privacy && !m.static && !m.name.startsWith('#'));
    one.declarations = [element];
    one.exports = [
      { kind: 'js', name: 'AtsWidget', declaration: { name: 'AtsWidget', module } },
      { kind: 'custom-element-definition', name: 'ats-widget', declaration: { name: 'AtsWidget', module } },
    ];
  },
});

const element = theirs.createSourceFile('src/element.ts', readFileSync(path('src/element.ts'), 'utf8'), theirs.ScriptTarget.ES2015, true);
for (const [name, module] of Object.entries({ 'custom-elements.json': 'ats-widget.esm.js', 'npm/custom-elements.json': 'dist/define.js' })) {
  const manifest = create({ modules: [element], plugins: [events, published(module)], context: { dev: false } });
  written[name] = JSON.stringify(manifest, null, 2) + '\n';
}
process.stdout.write(JSON.stringify(written));
