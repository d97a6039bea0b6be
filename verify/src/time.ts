/** Times as nanoseconds since 1970, which are too large for a Date or a number. */

/** The time of a text like 2026-03-01T12:00:00.25Z; undefined for any other text, and for a date or time that does not exist. */
export function moment(text: string): bigint | undefined {
  const m = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (!m) return undefined;
  const ms = Date.parse(m[1]! + 'Z');
  // Date.parse turns the 30th of February into a day of March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) !== m[1]) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt((m[2] ?? '').padEnd(9, '0'));
}
