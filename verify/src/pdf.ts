/**
 * Finds the evidence that is attached to a certificate. It is no PDF reader: it looks at every stream of the file, wherever the
 * tables say that it is, so that signed, repaired and rewritten files are read alike.
 */
import { maxSize } from './evidence.js';
import type { Bytes } from './bytes.js';

/** The largest PDF that is looked into, as by the command. Certificates are far smaller. */
export const maxPdf = 64 << 20;

/** Whether the bytes begin as a PDF does: its mark may have a little before it. */
export const isPdf = (head: Uint8Array): boolean => latin1(head.subarray(0, 1024)).includes('%PDF-');

const latin1 = (b: Uint8Array): string => {
  let s = '';
  for (let at = 0; at < b.length; at += 8192) s += String.fromCharCode(...b.subarray(at, at + 8192));
  return s;
};

const begins = /(\d{1,10})[ \t\r\n]+\d{1,5}[ \t\r\n]+obj\b|\bstream\r?\n/g;
const end = /\r?\n?endstream\b/g;
const endHere = /\r?\n?endstream\b/y;
/** No dictionary of a stream is longer. */
const maxDictionary = 4096;

/** The data of the last stream under each object number: what is written later replaces what was there. */
function streams(file: Bytes): Iterable<{ dictionary: string; data: Bytes }> {
  const text = latin1(file);
  const found = new Map<string, { dictionary: string; data: Bytes }>();
  let number = '';
  let from = 0;
  begins.lastIndex = 0;
  for (let m = begins.exec(text); m; m = begins.exec(text)) {
    if (m[1] !== undefined) {
      number = m[1];
      from = begins.lastIndex;
      found.delete(number); // what is no stream replaces one, too
      continue;
    }
    const dictionary = text.slice(Math.max(from, m.index - maxDictionary), m.index).trim();
    if (!dictionary.startsWith('<<') || !dictionary.endsWith('>>')) continue;
    const start = begins.lastIndex;
    const told = /\/Length\s+(\d{1,10})(?!\s+\d+\s+R)\b/.exec(dictionary);
    let to = told ? start + Number(told[1]) : -1;
    endHere.lastIndex = to;
    if (to < 0 || !endHere.test(text)) {
      end.lastIndex = start;
      to = end.exec(text)?.index ?? text.length;
    }
    found.set(number, { dictionary, data: file.subarray(start, to) as Bytes });
    begins.lastIndex = to;
  }
  return found.values();
}

/** At most one byte more than evidence may have: a small file can hold an endless stream. Undefined when it cannot be read. */
async function content(dictionary: string, data: Bytes): Promise<Bytes | undefined> {
  if (!/\/Filter\b/.test(dictionary)) return data.subarray(0, maxSize + 1) as Bytes;
  if (!/\/Filter\s*\[?\s*\/FlateDecode\s*(?:\]|\/|>)/.test(dictionary)) return undefined;
  const all: Uint8Array[] = [];
  let size = 0;
  try {
    const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      all.push(value);
      size += value.length;
      if (size > maxSize || !opens(all[0]!)) {
        void reader.cancel().catch(() => undefined);
        break;
      }
    }
  } catch {
    // The end is missing or damaged: what came before it may be whole.
  }
  const out = new Uint8Array(Math.min(size, maxSize + 1));
  let at = 0;
  for (const part of all) {
    out.set(part.subarray(0, out.length - at), at);
    at += Math.min(part.length, out.length - at);
  }
  return out;
}

/** Whether it may be a JSON object. */
const opens = (b: Uint8Array): boolean => /^[ \t\r\n]*\{/.test(latin1(b.subarray(0, 64)));

/** Whether the bytes may be evidence, and not some other JSON. */
export const looksLikeEvidence = (b: Uint8Array): boolean => opens(b) && latin1(b.subarray(0, 1 << 16)).includes('"evidence"');

/** The attachments of a PDF that may be evidence, each once, and of many the first two: a small file can hold thousands. */
export async function attachedEvidence(file: Bytes): Promise<Bytes[]> {
  const found = new Map<string, Bytes>();
  for (const { dictionary, data } of streams(file)) {
    const b = await content(dictionary, data);
    if (b && looksLikeEvidence(b)) found.set(latin1(b), b);
    if (found.size > 1) break;
  }
  return [...found.values()];
}
