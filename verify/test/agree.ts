/** Prints the page's result for each document on its standard input: verify/build compares it with package evidence. */
import { createInterface } from 'node:readline';
import { parseCheckpoints } from '../src/chain.js';
import { decode } from '../src/evidence.js';
import { parsePolicy } from '../src/policy.js';
import { verify } from '../src/verify.js';

interface Line {
  readonly document: string;
  readonly key: string;
  readonly sha256: string;
  readonly size: number;
  readonly policy: string;
  readonly checkpoint: string;
}

for await (const text of createInterface({ input: process.stdin })) {
  const { document, key, sha256, size, policy, checkpoint } = JSON.parse(text) as Line;
  let said = 'malformed';
  try {
    const e = decode(Buffer.from(document, 'base64'));
    said = verify(e, {
      media: { sha256, size: BigInt(size) },
      keys: [key],
      policy: parsePolicy(policy),
      chains: parseCheckpoints(checkpoint),
    })
      // This page reads neither tokens nor OpenTimestamps proofs.
      .filter((c) => c.name !== 'token' && c.name !== 'token_authority' && c.name !== 'bitcoin')
      .map((c) => `${c.name} ${c.status}`)
      .join(', ');
  } catch {
    // That is the meaning of malformed.
  }
  console.log(said);
}
