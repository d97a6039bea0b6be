// app/my-backend/webhook/route.js
import { LARGEST, receive } from './webhook.mjs';

export async function POST(request) {
  if (!(Number(request.headers.get('content-length')) <= LARGEST)) return new Response('The body is too large.', { status: 413 });
  const body = new Uint8Array(await request.arrayBuffer());
  const { status, text } = receive(Object.fromEntries(request.headers), body);
  return new Response(text, { status });
}
