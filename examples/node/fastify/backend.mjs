// backend.mjs
import { readFile } from 'node:fs/promises';
import Fastify from 'fastify';
import { Timbre, is } from '@timbre/client';
import { LARGEST, receive } from './webhook.mjs';

const { ATS_URL, ATS_SECRET_KEY, SITE, PORT = 3000 } = process.env;
const timbre = new Timbre({ server: ATS_URL, secretKey: ATS_SECRET_KEY, origin: SITE, timeout: 10_000, retries: 0 });

const app = Fastify();

// In this scope a JSON body stays raw. The other routes have Fastify's own parser.
app.register(async (scope) => {
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
  scope.post('/my-backend/webhook', { bodyLimit: LARGEST }, async (request, reply) => {
    const { status, text } = await receive(request.headers, request.body);
    return reply.code(status).type('text/plain').send(text);
  });
});

app.post('/my-backend/session', async (request, reply) => {
  // Here you know your visitor: refuse those who may not register a song.
  try {
    return await timbre.mint({ action_type: 'register', allowed_network: 'testnet' });
  } catch (error) {
    if (!is(error)) throw error;
    console.error('mint:', error.message, error.cause ?? '');
    return reply.code(error.status || 502).send({ error: error.forPage() });
  }
});

app.get('/', async (request, reply) => reply.type('text/html; charset=utf-8').send(await readFile('index.html')));

await app.listen({ port: Number(PORT), host: 'localhost' });
