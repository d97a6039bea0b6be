import node from '@astrojs/node';
import { defineConfig, envField } from 'astro/config';

// Read when the server starts, and not when the site is built.
const variable = envField.string({ context: 'server', access: 'secret' });

export default defineConfig({
  output: 'server',
  adapter: node({ mode: 'standalone' }),
  env: { schema: { ATS_URL: variable, ATS_SITE_KEY: variable, ATS_SECRET_KEY: variable, SITE: variable } },
  // No inline scripts and styles: the policy of src/middleware.ts allows files only.
  build: { inlineStylesheets: 'never' },
  vite: { build: { assetsInlineLimit: 0 } },
});
