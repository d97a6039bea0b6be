import { env } from '$env/dynamic/private';
import type { Handle } from '@sveltejs/kit';

const ats = env.ATS_URL ?? '';

// A second policy beside that of svelte.config.js: a browser keeps both.
export const handle: Handle = async ({ event, resolve }) => {
  const response = await resolve(event);
  response.headers.append('Content-Security-Policy', `connect-src 'self' ${ats} ${ats.replace(/^http/, 'ws')}`);
  return response;
};
