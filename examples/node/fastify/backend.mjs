// backend.mjs
import { readFile } from 'node:fs/promises';
import Fastify from 'fastify';
import { LARGEST, receive } from './webhook.mjs';

const { ATS_URL, ATS_SECRET_KEY, SITE, PORT = 3000 } = process.env;
const unreachable = { error: { code: 'common.service_unavailable', message: 'The registry cannot be reached.' } };

const app = Fastify();

// In this scope a JSON body stays raw. The other routes have Fastify's own parser.
app.register(async (scope) => {
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
  scope.post('/my-backend/webhook', { bodyLimit: LARGEST }, async (request, reply) => {
    const { status, text } = receive(request.headers, request.body);
    return reply.code(status).type('text/plain').send(text);
  });
});

app.post('/my-backend/session', async (request, reply) => {
  // Here you know your visitor: refuse those who may not register a song.
  try {
    const answer = await fetch(`${ATS_URL}/v1/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: SITE },
      body: JSON.stringify({ secret_key: ATS_SECRET_KEY, action_type: 'register', allowed_network: 'testnet' }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = await answer.json();
    return reply.code(answer.status).send(body);
  } catch (error) {
    console.error('mint:', error.cause ?? error);
    return reply.code(502).send(unreachable);
  }
});

app.get('/', async (request, reply) => reply.type('text/html; charset=utf-8').send(await readFile('index.html')));

await app.listen({ port: Number(PORT), host: 'localhost' });
