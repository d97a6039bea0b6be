/** Prints the page's result for each PDF on its standard input, in base64: verify/build compares it with package pdf. */
import { createInterface } from 'node:readline';
import { readPdf } from '../src/pdf/pdf.js';
import { Refusal } from '../src/pdf/refusal.js';

for await (const line of createInterface({ input: process.stdin })) {
  let steps = 0;
  let said: { why?: string; where?: string; evidence?: string; changed?: boolean };
  try {
    const { evidence, changed } = readPdf(Uint8Array.from(Buffer.from(line, 'base64')), (n) => (steps = n));
    said = { evidence: Buffer.from(evidence).toString('base64'), changed };
  } catch (e) {
    said = e instanceof Refusal ? { why: e.why, where: e.where } : { why: String(e instanceof Error ? e.stack : e) };
  }
  console.log(JSON.stringify({ ...said, steps }));
}
