// backend.mjs
import express from 'express';
import { Timbre, is } from '@timbre/client';
import { LARGEST, receive } from './webhook.mjs';

const { ATS_URL, ATS_SECRET_KEY, SITE, PORT = 3000 } = process.env;
const timbre = new Timbre({ server: ATS_URL, secretKey: ATS_SECRET_KEY, origin: SITE, timeout: 10_000, retries: 0 });

const app = express();

// This route needs the raw body, so it stands before express.json().
app.post('/my-backend/webhook', express.raw({ type: 'application/json', limit: LARGEST }), async (request, response) => {
  const { status, text } = await receive(request.headers, request.body);
  response.status(status).type('text/plain').send(text);
});

app.use(express.json());

app.post('/my-backend/session', async (request, response) => {
  // Here you know your visitor: refuse those who may not register a song.
  try {
    response.json(await timbre.mint({ action_type: 'register', allowed_network: 'testnet' }));
  } catch (error) {
    if (!is(error)) throw error;
    console.error('mint:', error.message, error.cause ?? '');
    response.status(error.status || 502).json({ error: error.forPage() });
  }
});

app.get('/', (request, response) => response.sendFile('index.html', { root: '.' }));

// This answers a body that is too large, and what else a route throws.
app.use((error, request, response, next) => {
  if (response.headersSent) return next(error);
  const status = error.status ?? 500;
  if (status >= 500) console.error(`${request.method} ${request.path}:`, error);
  response.status(status).json({ error: { code: 'common.bad_request', message: 'The request cannot be read.' } });
});

app.listen(PORT, 'localhost');
