/** From a file that a person chose to evidence, or to what is the matter with it. */
import { Malformed, decode, maxSize, type Evidence } from './evidence.js';
import { attachedEvidence, isPdf, looksLikeEvidence, maxPdf } from './pdf.js';
import type { Bytes } from './bytes.js';

export type Trouble = 'unreadable' | 'neither' | 'tooLarge' | 'noAttachment' | 'manyAttachments' | 'otherVersion' | 'damaged';

export interface Refused {
  readonly trouble: Trouble;
  /** The member that is not as it must be, when it is one. */
  readonly where?: string;
}

type Source = Pick<Blob, 'size' | 'slice'>;

const bytesOf = async (f: Source, size = f.size): Promise<Bytes> => new Uint8Array(await f.slice(0, size).arrayBuffer());

/** What a file is by its first bytes. What cannot be told is a recording: its hash says whether it is the right one. */
export type Kind = 'proof' | 'recording' | 'empty' | 'unreadable' | 'json' | 'text' | 'image' | 'archive';

const latin1 = (b: Uint8Array): string => String.fromCharCode(...b);

/** Never rejects. */
export async function kindOf(f: Source): Promise<Kind> {
  if (f.size === 0) return 'empty';
  let head: Bytes;
  try {
    head = await bytesOf(f, 1 << 16);
  } catch {
    return 'unreadable'; // as a folder is
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
export async function read(f: Source): Promise<Evidence | Refused> {
  try {
    const head = await bytesOf(f, 1024);
    if (!isPdf(head)) {
      if (f.size > maxSize) return { trouble: 'neither' };
      return evidenceOf(await bytesOf(f), 'neither');
    }
    if (f.size > maxPdf) return { trouble: 'tooLarge' };
    const attached = await attachedEvidence(await bytesOf(f));
    if (attached.length === 0) return { trouble: 'noAttachment' };
    if (attached.length > 1) return { trouble: 'manyAttachments' };
    return evidenceOf(attached[0]!, 'damaged');
  } catch {
    return { trouble: 'unreadable' };
  }
}

function evidenceOf(bytes: Bytes, otherwise: Trouble): Evidence | Refused {
  try {
    return decode(bytes);
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
