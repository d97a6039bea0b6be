import { Timbre, is } from '@timbre/client';

let timbre: Timbre | undefined; // made by the first visit: the build has no variables

// Mints a session. The secret key stays on the server.
export async function POST() {
  // Here you know your visitor: refuse those who may not register a song.
  const { ATS_URL = '', ATS_SECRET_KEY = '', SITE = '' } = process.env;
  timbre ??= new Timbre({ server: ATS_URL, secretKey: ATS_SECRET_KEY, origin: SITE, timeout: 10_000, retries: 0 });
  try {
    return Response.json(await timbre.mint({ action_type: 'register', allowed_network: 'testnet' }));
  } catch (error) {
    if (!is(error)) throw error;
    console.error('mint:', error.message, error.cause ?? '');
    return Response.json({ error: error.forPage() }, { status: error.status || 502 });
  }
}
