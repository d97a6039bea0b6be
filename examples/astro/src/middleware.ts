import { ATS_URL } from 'astro:env/server';
import { defineMiddleware } from 'astro:middleware';

const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ${ATS_URL} ${ATS_URL.replace(/^http/, 'ws')}; base-uri 'none'`;

export const onRequest = defineMiddleware(async (_, next) => {
  const response = await next();
  if (!import.meta.env.DEV) response.headers.set('Content-Security-Policy', policy);
  return response;
});
