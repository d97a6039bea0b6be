// Serves the page, and mints its sessions. It needs only Node.js.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const { ATS_URL, ATS_SECRET_KEY, SITE = 'http://localhost:3000', PORT = 3000 } = process.env;

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/register.js': ['register.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
};

// The strictest policy that the widget works with: see docs/embedding.md.
const policy = [
  `default-src 'none'`,
  `script-src 'self' ${ATS_URL}`,
  `style-src 'self'`,
  `img-src data:`,
  `connect-src 'self' ${ATS_URL} ${ATS_URL?.replace(/^http/, 'ws')}`,
  `require-trusted-types-for 'script'`,
  `base-uri 'none'`,
].join('; ');

const unreachable = { error: { code: 'common.service_unavailable', message: 'The registry cannot be reached.' } };

async function mint() {
  const answer = await fetch(`${ATS_URL}/v1/sessions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: SITE },
    body: JSON.stringify({ secret_key: ATS_SECRET_KEY, action_type: 'register', allowed_network: 'testnet' }),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: answer.status, body: JSON.stringify(await answer.json()) };
}

createServer(async (request, response) => {
  const asked = `${request.method} ${request.url}`;
  try {
    const [name, type] = files[request.url] ?? [];
    if (asked === 'POST /my-backend/session') {
      // Here you know your visitor: refuse those who may not register a song.
      const { status, body } = await mint();
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    } else if (request.method === 'GET' && name) {
      const body = await readFile(name); // before the head: a missing file is an error of its own
      response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy }).end(body);
    } else {
      response.writeHead(404).end();
    }
  } catch (error) {
    console.error(`${asked}:`, error.cause ?? error);
    response.writeHead(502, { 'Content-Type': 'application/json' }).end(JSON.stringify(unreachable));
  }
}).listen(PORT, 'localhost');
