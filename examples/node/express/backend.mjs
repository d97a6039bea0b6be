// backend.mjs
import express from 'express';
import { LARGEST, receive } from './webhook.mjs';

const { ATS_URL, ATS_SECRET_KEY, SITE, PORT = 3000 } = process.env;
const unreachable = { error: { code: 'common.service_unavailable', message: 'The registry cannot be reached.' } };

const app = express();

// This route needs the raw body, so it stands before express.json().
app.post('/my-backend/webhook', express.raw({ type: 'application/json', limit: LARGEST }), (request, response) => {
  const { status, text } = receive(request.headers, request.body);
  response.status(status).type('text/plain').send(text);
});

app.use(express.json());

app.post('/my-backend/session', async (request, response) => {
  // Here you know your visitor: refuse those who may not register a song.
  try {
    const answer = await fetch(`${ATS_URL}/v1/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: SITE },
      body: JSON.stringify({ secret_key: ATS_SECRET_KEY, action_type: 'register', allowed_network: 'testnet' }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = await answer.json();
    response.status(answer.status).json(body);
  } catch (error) {
    console.error('mint:', error.cause ?? error);
    response.status(502).json(unreachable);
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
