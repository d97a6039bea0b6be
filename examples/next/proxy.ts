import { NextResponse, type NextRequest } from 'next/server';

// The policy of every page. Next.js gives the nonce to its own inline scripts.
export function proxy(request: NextRequest) {
  const ats = process.env.ATS_URL ?? '';
  const nonce = btoa(crypto.randomUUID());
  const dev = process.env.NODE_ENV === 'development';
  const policy = [
    `default-src 'none'`,
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${dev ? ` 'unsafe-eval'` : ''}`,
    `worker-src 'self'`,
    `style-src 'self'${dev ? ` 'unsafe-inline'` : ''}`,
    `img-src 'self' data:`,
    `connect-src 'self' ${ats} ${ats.replace(/^http/, 'ws')}`,
    `base-uri 'none'`,
  ].join('; ');
  const headers = new Headers(request.headers);
  headers.set('Content-Security-Policy', policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set('Content-Security-Policy', policy);
  return response;
}

export const config = { matcher: ['/((?!_next/|my-backend/).*)'] };
