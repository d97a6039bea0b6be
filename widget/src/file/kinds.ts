/**
 * The first bytes of files that are chosen by mistake. The first bytes cannot prove that a file is audio: the server reads the whole file.
 */
const others: readonly (readonly [type: string, begins: string])[] = [
  ['application/pdf', '%PDF'],
  ['application/zip', 'PK\x03\x04'],
  ['application/x-ole-storage', '\xd0\xcf\x11\xe0'],
  ['application/gzip', '\x1f\x8b'],
  ['application/x-7z-compressed', '7z\xbc\xaf'],
  ['application/vnd.rar', 'Rar!'],
  ['application/x-msdownload', 'MZ'],
  ['application/x-elf', '\x7fELF'],
  ['audio/midi', 'MThd'],
  ['image/png', '\x89PNG'],
  ['image/jpeg', '\xff\xd8\xff'],
  ['image/gif', 'GIF8'],
];

/** The kind of a file that begins like this and is certainly not a recording; '' for a file that may be one. */
export function kindOf(head: Uint8Array): string {
  const begins = String.fromCharCode(...head.subarray(0, 8));
  const other = others.find(([, sign]) => begins.startsWith(sign));
  if (other) return other[0];
  // Words: no audio format begins with so much text. Formats that begin with a name of four letters have numbers after it.
  const start = head.subarray(0, 512);
  return start.length >= 16 && start.every((b) => (b > 31 ? b !== 127 : b === 9 || b === 10 || b === 12 || b === 13)) && utf8(start)
    ? 'text/plain'
    : '';
}

function utf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
