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

/** Whether the file is a certificate or evidence by its first bytes, and not a recording. Never rejects. */
export async function mayProve(f: Source): Promise<boolean> {
  try {
    const head = await bytesOf(f, 1 << 16);
    return isPdf(head) || (f.size <= maxSize && looksLikeEvidence(head));
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
