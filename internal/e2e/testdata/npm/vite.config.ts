import { svelte } from '@sveltejs/vite-plugin-svelte';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig(({ isSsrBuild }) => ({
  plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === 'ats-widget' } } }), svelte()],
  build: {
    // The widget loads its files on demand; names without folders are enough for the test's site.
    assetsDir: '',
    rollupOptions: isSsrBuild ? {} : { input: ['src/react.tsx', 'src/vue.ts', 'src/svelte.ts'], output: { entryFileNames: '[name].js' } },
  },
}));
