/** Prints the page's result for each PDF on its standard input, in base64: verify/build compares it with internal/certificate. */
import { createInterface } from 'node:readline';
import { readPdf } from '../src/pdf.js';
import { Unread } from '../src/unread.js';

for await (const line of createInterface({ input: process.stdin })) {
  let steps = 0;
  let said: { why?: string; evidence?: string; changed?: boolean };
  try {
    const { evidence, changed } = readPdf(Uint8Array.from(Buffer.from(line, 'base64')), (n) => (steps = n));
    said = { evidence: Buffer.from(evidence).toString('base64'), changed };
  } catch (e) {
    said = { why: e instanceof Unread ? e.why : String(e instanceof Error ? e.stack : e) };
  }
  console.log(JSON.stringify({ ...said, steps }));
}
