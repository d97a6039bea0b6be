import adapter from '@sveltejs/adapter-node';

// SvelteKit adds a nonce for its own inline script. The hash is that of its announcer, which reads the title of a new page aloud.
// src/hooks.server.ts adds the address of the registry.
const directives = {
  'script-src': ['self'],
  'style-src': ['self'],
  'style-src-attr': ['unsafe-hashes', 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='],
  'img-src': ['self', 'data:'],
  'base-uri': ['none'],
};

/** @type {import('@sveltejs/kit').Config} */
export default { kit: { adapter: adapter(), csp: { mode: 'nonce', directives } } };
