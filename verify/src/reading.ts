/** Reads a file that a person chose: to evidence, or to the reason why it is not evidence. */
import { Malformed, decode, maxSize, type Evidence } from './evidence.js';
import { maxFile } from './pdf/budget.js';
import { hasMember } from './json.js';
import { isPdf, readPdf } from './pdf/pdf.js';
import { Refusal, type PdfTrouble } from './pdf/refusal.js';
import { latin1 } from './pdf/value.js';
import type { Bytes } from './bytes.js';

export type Trouble = PdfTrouble | 'unreadable' | 'neither' | 'otherVersion' | 'damaged';

export interface Refused {
  readonly trouble: Trouble;
  /** The invalid member, if one is invalid. */
  readonly where?: string;
  /** The part of a PDF that breaks a rule, if one does. */
  readonly part?: string;
}

/** The content of a file. */
export interface Proof {
  readonly evidence: Evidence;
  /** In a PDF: whether its page was changed after it was issued. */
  readonly changed?: boolean;
}

type Source = Pick<Blob, 'size' | 'slice'>;

const bytesOf = async (f: Source, size = f.size): Promise<Bytes> => new Uint8Array(await f.slice(0, size).arrayBuffer());

/** The kind of a file, by its first bytes. An unknown file counts as a recording: its hash shows whether it is the right one. */
export type Kind = 'proof' | 'recording' | 'empty' | 'unreadable' | 'json' | 'text' | 'image' | 'archive';

/** Whether the bytes may be evidence, and not some other JSON. */
const looksLikeEvidence = (b: Uint8Array): boolean => hasMember(latin1(b.subarray(0, 1 << 16)), 'evidence');

/** Never rejects. */
export async function kindOf(f: Source): Promise<Kind> {
  if (f.size === 0) return 'empty';
  let head: Bytes;
  try {
    head = await bytesOf(f, 1 << 16);
  } catch {
    return 'unreadable'; // for example a folder
  }
  if (isPdf(head) || (f.size <= maxSize && looksLikeEvidence(head))) return 'proof';
  const first = latin1(head.subarray(0, 16));
  if (/^(?:\x89PNG|\xff\xd8\xff|GIF8|RIFF[^]{4}WEBP|[^]{4}ftyp(?:heic|avif|mif1))/.test(first)) return 'image';
  if (/^(?:PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!)/.test(first)) return 'archive';
  if (!isText(head)) return 'recording';
  return /^\ufeff?\s*[{[]/.test(new TextDecoder().decode(head)) ? 'json' : 'text';
}

function isText(head: Bytes): boolean {
  try {
    return !/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true }));
  } catch {
    return false;
  }
}

/** Reads a certificate or evidence. Never rejects. */
export async function read(f: Source): Promise<Proof | Refused> {
  try {
    const head = await bytesOf(f, 1024);
    if (!isPdf(head)) {
      if (f.size > maxSize) return { trouble: 'neither' };
      return evidenceOf(await bytesOf(f), 'neither');
    }
    if (f.size > maxFile) return { trouble: 'tooLarge' };
    const { evidence, changed } = readPdf(await bytesOf(f));
    const proof = evidenceOf(evidence, 'damaged');
    return 'trouble' in proof ? proof : { ...proof, changed };
  } catch (e) {
    return e instanceof Refusal ? { trouble: e.trouble, part: e.where } : { trouble: 'unreadable' };
  }
}

function evidenceOf(bytes: Bytes, otherwise: Trouble): Proof | Refused {
  try {
    return { evidence: decode(bytes) };
  } catch (e) {
    if (!(e instanceof Malformed)) throw e;
    switch (e.why) {
      case 'member':
        return { trouble: 'damaged', where: e.where };
      case 'version':
        return { trouble: looksLikeEvidence(bytes) ? 'otherVersion' : otherwise };
      default:
        return { trouble: looksLikeEvidence(bytes) ? 'damaged' : otherwise };
    }
  }
}
