// Registers a song with a client whose types openapi-typescript generates from a server's
// OpenAPI document (api.d.ts, beside this file): by a session token, or by an API key. It
// prints where the work is registered, as JSON.
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import createClient from 'openapi-fetch';
import type { paths } from './api.d.ts';

const { SERVER: baseUrl = '', ORIGIN = '', TITLE: title = '', RECORDING = '', API_KEY, SECRET_KEY = '', SITE_KEY = '' } = process.env;

let headers: Record<string, string> = { Authorization: `Bearer ${API_KEY}` };
if (!API_KEY) {
  const { data, error } = await createClient<paths>({ baseUrl }).POST('/v1/sessions', {
    params: { header: { Origin: ORIGIN } },
    body: { secret_key: SECRET_KEY, action_type: 'register', allowed_network: 'testnet' },
  });
  if (!data) throw new Error(`mint: ${error.error.code}`);
  headers = { Authorization: `Bearer ${data.token}`, 'X-Site-Key': SITE_KEY, Origin: ORIGIN };
}
const api = createClient<paths>({ baseUrl, headers });

const begun = await api.POST('/v1/works/init', {
  body: {
    title,
    filename: 'song.wav',
    network: 'testnet',
    creators: [{ full_name: 'Ada Example', email: 'ada@songs.example', roles: { author: true } }],
  },
});
if (!begun.data?.upload_url) throw new Error(`init: ${begun.error?.error.code}`);
const body = { job_id: begun.data.job_id };
const stored = await fetch(begun.data.upload_url, { method: 'PUT', body: await readFile(RECORDING) });
if (!stored.ok) throw new Error(`upload: ${stored.status}`);

const quoted = await api.POST('/v1/works/prepare', { body });
if (!quoted.data) throw new Error(`prepare: ${quoted.error.error.code}`);
const confirmed = await api.POST('/v1/works/confirm', { body });
if (!confirmed.data) throw new Error(`confirm: ${confirmed.error.error.code}`);
const id = confirmed.data.transaction_id;

for (;;) {
  const { data, error } = await api.GET('/v1/transactions/{id}', { params: { path: { id } } });
  if (!data) throw new Error(`transaction: ${error.error.code}`);
  if (data.result?.success) {
    console.log(JSON.stringify({ ats_id: data.result.ats_id, commitment: quoted.data.commitment, tx_hash: data.result.tx_hash }));
    break;
  }
  if (data.result) throw new Error(`failed: ${data.result.error_code}`);
  await setTimeout(100);
}

// A second confirm is refused with a typed error: the code says which details it has.
const again = await api.POST('/v1/works/confirm', { body });
const refused = again.error?.error;
if (refused?.code !== 'transaction.already_confirmed' || refused.details.transaction_id !== id) {
  throw new Error(`second confirm: ${again.response.status} ${refused?.code}`);
}
