/** The entry of ats-widget-file.js: inspects a chosen file, and proposes a title. It reads a few kilobytes and sends none. */
import type { Look } from '../parts/contract.js';
import { kindOf } from './kinds.js';
import { titleIn } from './tags.js';

/** The most characters that a title may have. */
const most = 200;

/** A title in the form that the field accepts: the text of a tag is untrusted. */
export const tidy = (title: string): string =>
  [
    ...title
      .split('\0')[0]!
      // Control characters, direction marks, and unpaired surrogates.
      .replace(/[\x01-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/g, ' ')
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '')
      .replace(/\s+/g, ' ')
      .trim(),
  ]
    .slice(0, most)
    .join('')
    .trim();

/** A title from a file name such as "03 - blue_morning.wav". */
export const titleOf = (filename: string): string =>
  tidy(
    filename
      .replace(/\.[a-z0-9]{1,5}$/i, '')
      .replace(/_/g, ' ')
      .replace(/^\d{1,3}\s*[-.]\s+(?=\S)/, ''),
  );

export async function look(file: File): Promise<Look> {
  let head: Uint8Array;
  try {
    head = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
    if (!head.length) return { detected: '' };
  } catch {
    // A folder, or a file that was moved or deleted since it was chosen.
    return { detected: '' };
  }
  const detected = kindOf(head);
  if (detected) return { detected };
  const named = await titleIn(file, head).catch(() => '');
  return { title: tidy(named) || titleOf(file.name) };
}
