// backend.mjs
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { LARGEST, receive } from './webhook.mjs';

const { ATS_URL, ATS_SECRET_KEY, SITE, PORT = 3000 } = process.env;
const unreachable = { error: { code: 'common.service_unavailable', message: 'The registry cannot be reached.' } };

// mint returns the server's answer, a token or a refusal. It throws when the server does not answer.
async function mint() {
  const answer = await fetch(`${ATS_URL}/v1/sessions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: SITE },
    body: JSON.stringify({ secret_key: ATS_SECRET_KEY, action_type: 'register', allowed_network: 'testnet' }),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: answer.status, body: JSON.stringify(await answer.json()) };
}

// read returns the raw body. It drops what is larger than the largest delivery.
async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= LARGEST) chunks.push(chunk);
  }
  return size <= LARGEST ? Buffer.concat(chunks) : undefined;
}

createServer(async (request, response) => {
  const asked = `${request.method} ${request.url}`;
  try {
    if (asked === 'POST /my-backend/session') {
      // Here you know your visitor: refuse those who may not register a song.
      const { status, body } = await mint();
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    } else if (asked === 'POST /my-backend/webhook') {
      const body = await read(request);
      const { status, text } = body ? receive(request.headers, body) : { status: 413, text: 'The body is too large.' };
      response.writeHead(status, { 'Content-Type': 'text/plain' }).end(text);
    } else if (asked === 'GET /') {
      const page = await readFile('index.html');
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
    } else {
      response.writeHead(404).end();
    }
  } catch (error) {
    console.error(`${asked}:`, error.cause ?? error);
    response.writeHead(502, { 'Content-Type': 'application/json' }).end(JSON.stringify(unreachable));
  }
}).listen(PORT, 'localhost');
