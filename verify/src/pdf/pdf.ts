/**
 * Reads the evidence attached to a certificate, by the grammar of docs/pdf.md. The command has the same reader, file by file (proof/pdf).
 */
import type { Bytes } from '../bytes.js';
import { attachment } from './attachment.js';
import { maxHead } from './budget.js';
import { Pdf } from './file.js';
import { Refusal } from './refusal.js';
import { changed } from './revision.js';
import { latin1 } from './value.js';

/** Whether the bytes start as a PDF does. */
export const isPdf = (head: Uint8Array): boolean => latin1(head.subarray(0, maxHead)).includes('%PDF-');

export interface Attached {
  readonly evidence: Bytes;
  /** After the certificate was issued, something other than a signature was added to the file. */
  readonly changed: boolean;
}

/** Throws Refusal if two readers could see two different files. The number of steps is for tests. */
export function readPdf(file: Bytes, count?: (steps: number) => void): Attached {
  const f = new Pdf(file);
  try {
    f.open();
    return { evidence: attachment(f), changed: changed(f) };
  } catch (e) {
    if (e instanceof Refusal) e.where = f.where;
    throw e;
  } finally {
    count?.(f.steps);
  }
}
