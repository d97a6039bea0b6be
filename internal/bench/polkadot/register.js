// Registers works by polkadot-api, for internal/bench: COUNT calls of Ats.create by one account at
// URL, at most FLIGHT of them without a final block. It says how long that took, as JSON.
//
// The nonces are set by hand: polkadot-api would read the nonce of each call from the newest block,
// so that only one call would be under way.
import { readFileSync } from 'node:fs';
import { HDKD, getPublicKey, secretFromSeed, sign } from '@scure/sr25519';
import { createClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { WebSocket } from 'ws';

const [url, seed, count, flight] = process.argv.slice(2);
const secret = HDKD.secretHard(secretFromSeed(Uint8Array.from(Buffer.from(seed, 'hex'))), new Uint8Array(32));
const signer = getPolkadotSigner(getPublicKey(secret), 'Sr25519', (message) => sign(secret, message));
const client = createClient(getWsProvider(url, { websocketClass: WebSocket }));
const api = client.getUnsafeApi();
await client.getFinalizedBlock();
const began = performance.now();
const since = () => (performance.now() - began) / 1000;

let next = 0;
let first = 0;
const register = async (nonce) => {
  const commitment = `0x${(nonce + 1).toString(16).padStart(64, '0')}`;
  const result = await api.tx.Ats.create({ commitment, protocol_version: 1 }).signAndSubmit(signer, { nonce });
  if (!result.ok) throw new Error(`the chain refused call ${nonce}`);
  first ||= since();
};
await Promise.all(
  Array.from({ length: Number(flight) }, async () => {
    while (next < Number(count)) await register(next++);
  }),
);
const seconds = since();
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
console.log(JSON.stringify({ first, seconds, peak }));
client.destroy();
process.exit(0);
