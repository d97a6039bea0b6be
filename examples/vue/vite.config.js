import vue from '@vitejs/plugin-vue';
import { defineConfig, loadEnv } from 'vite';

export default defineConfig(({ mode }) => {
  const env = loadEnv(mode, '.', ['VITE_', 'BACKEND_']);
  const { VITE_ATS_URL: ats, VITE_ATS_SITE_KEY: siteKey, BACKEND_URL: backend } = env;
  if (!ats || !siteKey || !backend) throw new Error('Copy .env.example to .env.local, and set its values.');
  const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ${ats} ${ats.replace(/^http/, 'ws')}; base-uri 'none'`;
  return {
    // The tag is an element, and not a component of Vue.
    plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === 'ats-widget' } } })],
    server: { proxy: { '/my-backend': backend } }, // also for vite preview
    preview: { headers: { 'Content-Security-Policy': policy } }, // your web server sends it later
  };
});
