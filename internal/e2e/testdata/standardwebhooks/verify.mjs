// Verifies one delivery with the published npm library of Standard Webhooks.
import { Webhook } from 'standardwebhooks';

let text = '';
for await (const chunk of process.stdin) text += chunk;
const { secret, headers, body } = JSON.parse(text);
new Webhook(secret).verify(body, headers);
