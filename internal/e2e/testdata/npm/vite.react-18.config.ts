import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const from = (name: string) => fileURLToPath(new URL(`./react-18/node_modules/${name}`, import.meta.url));

/** The same app with React 18: every module imports that one. */
export default defineConfig({
  resolve: { alias: { 'react-dom': from('react-dom'), react: from('react') } },
  build: {
    assetsDir: '',
    outDir: 'dist-18',
    rollupOptions: { input: { 'react-18': 'src/react.tsx' }, output: { entryFileNames: '[name].js' } },
  },
});
