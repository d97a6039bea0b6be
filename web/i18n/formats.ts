/** Dates, times, shares and lists in the language of the texts. Times are in milliseconds since 1970. */

interface Locale {
  readonly locale: string;
}

const clock = { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const;

// For long lists of dates.
const dates = new Map<string, Intl.DateTimeFormat>();

/** Date and time, with the time zone: the same moment can be another day elsewhere. */
export function date({ locale }: Locale, ms: number): string {
  let format = dates.get(locale);
  if (!format) dates.set(locale, (format = new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'long', day: 'numeric', ...clock })));
  return format.format(ms);
}

/** Time of day, with the time zone. */
export const time = ({ locale }: Locale, ms: number): string => new Intl.DateTimeFormat(locale, clock).format(ms);

const exact = (locale: string, ms: number, timeZone?: string) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'long', ...(timeZone && { timeZone }) }).format(ms);

/** Date and time to the second in UTC: the time that the log recorded, wherever its reader is. */
export const utc = ({ locale }: Locale, ms: number): string => exact(locale, ms, 'UTC');

/** Date and time to the second in the reader's time zone, and in UTC. */
export function hereAndUTC({ locale }: Locale, ms: number): string {
  const [here, there] = [exact(locale, ms), exact(locale, ms, 'UTC')];
  return here === there ? there : `${here} (${there})`;
}

/** part is a number from 0 to 1. */
export const percent = ({ locale }: Locale, part: number): string => new Intl.NumberFormat(locale, { style: 'percent' }).format(part);

/** Words in a row, without "and". */
export const list = ({ locale }: Locale, words: readonly string[]): string =>
  new Intl.ListFormat(locale, { type: 'unit', style: 'short' }).format(words);

/** Words in a row, with "and". */
export const sentenceList = ({ locale }: Locale, words: readonly string[]): string => new Intl.ListFormat(locale).format(words);
