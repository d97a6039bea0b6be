/** The entry of ats-widget-file.js: looks into a file that was chosen, and proposes a title. A few kilobytes are read, and none is sent. */
import type { Kit, Look } from '../second.js';
import { kindOf } from './kinds.js';
import { titleIn } from './tags.js';

export { version } from '../version.js';

/** As many characters as a title may have. */
const most = 200;

/** A title as it may stand in the field: what a tag says was written by anyone. */
export const tidy = (title: string): string =>
  [
    ...title
      .split('\0')[0]!
      // Controls, marks of direction, and halves of characters.
      .replace(/[\x01-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/g, ' ')
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '')
      .replace(/\s+/g, ' ')
      .trim(),
  ]
    .slice(0, most)
    .join('')
    .trim();

/** A title from a name such as "03 - blue_morning.wav". */
export const titleOf = (filename: string): string =>
  tidy(
    filename
      .replace(/\.[a-z0-9]{1,5}$/i, '')
      .replace(/_/g, ' ')
      .replace(/^\d{1,3}\s*[-.]\s+(?=\S)/, ''),
  );

export const use = (_: Kit) => async (file: File): Promise<Look> => {
  let head: Uint8Array;
  try {
    head = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
    if (!head.length) throw 0;
  } catch {
    // A folder, or a file that was moved or taken out since.
    return { detected: '' };
  }
  const detected = kindOf(head);
  if (detected) return { detected };
  const named = await titleIn(file, head).catch(() => '');
  return { title: tidy(named) || titleOf(file.name) };
};
