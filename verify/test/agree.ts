/** Prints the page's result for each document on its standard input: verify/build compares it with package evidence. */
import { createInterface } from 'node:readline';
import { decode } from '../src/evidence.js';
import { verify } from '../src/verify.js';

interface Line {
  readonly document: string;
  readonly key: string;
  readonly sha256: string;
  readonly size: number;
}

for await (const text of createInterface({ input: process.stdin })) {
  const { document, key, sha256, size } = JSON.parse(text) as Line;
  let said = 'malformed';
  try {
    const e = decode(Buffer.from(document, 'base64'));
    said = verify(e, { media: { sha256, size: BigInt(size) }, keys: [key] })
      .map((c) => `${c.name} ${c.status}`)
      .join(', ');
  } catch {
    // That is the meaning of malformed.
  }
  console.log(said);
}
