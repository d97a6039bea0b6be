/** Builds src/main.js with the bundler that is named, into dist/NAME. NAME-worker has the worker as a second entry. */
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { resolve } from 'node:path';

const name = process.argv[2];
const [bundler, worker] = name.split('-');
const out = resolve('dist', name);
const input = { main: 'src/main.js', ...(worker && { 'hash-worker': 'node_modules/@timbre/ats-widget/dist/hash-worker.js' }) };
const names = { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'parts/[name]-[hash].js' };

const builds = {
  async vite() {
    const { build } = await import('vite');
    await build({ logLevel: 'error', base: './', build: { outDir: out, rollupOptions: { input, output: names } } });
  },
  async rolldown() {
    const { build } = await import('rolldown');
    await build({ input, output: { ...names, dir: out } });
  },
  async rollup() {
    const { rollup } = await import('rollup');
    const made = await rollup({ input, plugins: [nodeResolve()] });
    await made.write({ ...names, dir: out });
  },
  async esbuild() {
    const { build } = await import('esbuild');
    await build({
      entryPoints: input,
      bundle: true,
      splitting: true,
      format: 'esm',
      outdir: out,
      chunkNames: 'parts/[name]-[hash]',
      logLevel: 'error',
    });
  },
  async webpack() {
    const { default: webpack } = await import('webpack');
    await new Promise((done, fail) =>
      webpack({ mode: 'production', entry: { main: './src/main.js' }, output: { path: out } }, (error, stats) =>
        error || stats.hasErrors() || stats.hasWarnings() ? fail(error ?? new Error(stats.toString())) : done(),
      ),
    );
  },
};
await builds[bundler]();
