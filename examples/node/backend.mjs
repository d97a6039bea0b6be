// backend.mjs
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Timbre, is } from '@timbre/client';
import { LARGEST, receive } from './webhook.mjs';

const { ATS_URL, ATS_SECRET_KEY, SITE, PORT = 3000 } = process.env;
const timbre = new Timbre({ server: ATS_URL, secretKey: ATS_SECRET_KEY, origin: SITE, timeout: 10_000, retries: 0 });

// mint returns the answer to the page: a session, or a refusal that the widget explains.
async function mint() {
  try {
    return { status: 200, body: await timbre.mint({ action_type: 'register', allowed_network: 'testnet' }) };
  } catch (error) {
    if (!is(error)) throw error;
    console.error('mint:', error.message, error.cause ?? '');
    return { status: error.status || 502, body: { error: error.forPage() } };
  }
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
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    } else if (asked === 'POST /my-backend/webhook') {
      const body = await read(request);
      const { status, text } = body ? await receive(request.headers, body) : { status: 413, text: 'The body is too large.' };
      response.writeHead(status, { 'Content-Type': 'text/plain' }).end(text);
    } else if (asked === 'GET /') {
      const page = await readFile('index.html');
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
    } else {
      response.writeHead(404).end();
    }
  } catch (error) {
    console.error(`${asked}:`, error);
    response.writeHead(500).end();
  }
}).listen(PORT, 'localhost');
