/** Texts and formats in the language of the page. Sentences are whole; values are put into named places. */
import { en, languages, type Catalogue, type Key } from './catalogues.js';
import type { BrowserErrorCode } from './gen/errors.js';
import { oldest } from './needs.js';
import { classOf, isSetup, megabyte, type Problem } from './problem.js';

export type { Key };

export type Values = Readonly<Record<string, string | number>>;

/** The language to use for a language tag: itself without its region, or English. */
export const languageOf = (tag: string): string => {
  const base = tag.toLowerCase().split(/[-_]/)[0]!;
  return languages.includes(base) ? base : 'en';
};

/** Fills named places. A plural text holds its forms as "one=…|other=…", chosen by the value n. */
export function fill(text: string, values: Values, locale: string, number: (n: number) => string): string {
  let chosen = text;
  if (/^(zero|one|two|few|many|other)=/.test(text)) {
    const forms = Object.fromEntries(text.split('|').map((f) => [f.slice(0, f.indexOf('=')), f.slice(f.indexOf('=') + 1)]));
    chosen = forms[new Intl.PluralRules(locale).select(Number(values['n']))] ?? forms['other'] ?? '';
  }
  return chosen.replace(/\{(\w+)\}/g, (_, name: string) => {
    const v = values[name];
    return typeof v === 'number' ? number(v) : (v ?? '');
  });
}

const directionOf = (language: string) => (language === 'ar' ? 'rtl' : 'ltr');

export class Texts {
  readonly dir: 'ltr' | 'rtl';
  /** The language of the texts, for the lang attribute. */
  readonly lang: string;
  readonly #tag: string;
  readonly #locale: string;
  readonly #catalogue: Catalogue;
  // Kept, for lists that are long: making one takes as long as formatting a hundred.
  #numbers: Intl.NumberFormat | undefined;
  #dates: Intl.DateTimeFormat | undefined;

  constructor(tag: string, language = 'en', catalogue: Catalogue = en, dir: 'ltr' | 'rtl' = directionOf(language)) {
    this.#tag = tag;
    this.lang = language;
    this.#catalogue = catalogue;
    this.dir = dir;
    // The region decides on numbers where it belongs to the language: fr-CH, but not sv-SE with English texts.
    this.#locale = languageOf(tag) === language && tag.toLowerCase().startsWith(language) && valid(tag) ? tag : language;
    // Digits as the registration numbers have them; some browsers write Arabic dates in others.
    this.#locale = new Intl.Locale(this.#locale, { numberingSystem: 'latn' }).toString();
  }

  /** The same texts in the direction of another language, whose own are on their way. */
  facing(language: string): Texts {
    return new Texts(this.#tag, this.lang, this.#catalogue, directionOf(language));
  }

  t = (key: Key, values: Values = {}): string => fill(this.#catalogue[key] ?? en[key], values, this.#locale, this.number);

  number = (n: number): string => (this.#numbers ??= new Intl.NumberFormat(this.#locale)).format(n);

  percent = (part: number): string => new Intl.NumberFormat(this.#locale, { style: 'percent' }).format(part);

  /** Bytes as kilobytes or megabytes, rounded up; a limit is rounded down, so that what is above it never looks equal. */
  size = (bytes: number, limit = false): string => {
    const round = limit ? Math.floor : Math.ceil;
    return bytes < megabyte
      ? this.#unit(round(bytes / 1024), 'kilobyte')
      : this.#unit(round((bytes / megabyte) * 10) / 10, 'megabyte');
  };

  #unit = (n: number, unit: string): string =>
    new Intl.NumberFormat(this.#locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(n);

  /** Day and time of day, with the time zone: the same moment is another day elsewhere. */
  date = (ms: number): string =>
    (this.#dates ??= new Intl.DateTimeFormat(this.#locale, { year: 'numeric', month: 'long', day: 'numeric', ...clock })).format(ms);
  /** Time of day, with the time zone. */
  time = (ms: number): string => new Intl.DateTimeFormat(this.#locale, clock).format(ms);
  list = (words: readonly string[]): string => new Intl.ListFormat(this.#locale, { type: 'unit', style: 'short' }).format(words);
}

const clock = { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const;

const valid = (tag: string) => {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
};

const screenTexts: Partial<Record<BrowserErrorCode, Key>> = {
  'registration.duplicate_title': 'errTitle',
  'registration.audio_too_large': 'errTooLarge',
  'registration.invalid_audio_format': 'errFormat',
  'registration.audio_empty': 'errEmpty',
  'registration.insufficient_credits': 'errCredits',
  'registration.dry_run_failed': 'errRefused',
  'registration.upload_missing': 'errUpload',
  'transaction.failed': 'errRefused',
  'transaction.not_found': 'errLost',
  'transaction.expired': 'errExpired',
  'work.already_registered': 'errRegistered',
  'work.not_found': 'errGone',
  'version.already_in_progress': 'errBusy',
  'access_code.format_invalid': 'badCode',
  'access_code.not_found': 'errCode',
  'access_code.expired': 'errCodeOld',
  'common.validation_failed': 'badField',
  'common.forbidden': 'errForbidden',
  'common.not_found': 'errAnswer',
  'common.quota_exceeded': 'errQuota',
  'common.rate_limited': 'errDown',
  'session.rate_limited': 'errDown',
  'widget.network_error': 'errNetwork',
  'widget.upload_error': 'errUpload',
  'widget.malformed_response': 'errAnswer',
  'widget.configuration_error': 'errOff',
};

/** The text of a problem on the screen: codes that mean the same to a songwriter share one. */
export const textOf = (code: BrowserErrorCode): Key => {
  const own = screenTexts[code];
  if (own) return own;
  const kind = classOf(code);
  if (kind === 'refresh') return 'errSession';
  if (kind === 'disabled') return 'errOff';
  return /unavailable$/.test(code) ? 'errDown' : 'errOther';
};

/** The sentence of a problem, with the time from which it may be over, where the server told it. */
export function sentenceOf(texts: Texts, p: Problem, now: number): string {
  const resets = p.code === 'common.quota_exceeded' ? Date.parse(String(p.details?.['resets_at'])) : NaN;
  if (resets > now) return texts.t('errQuotaUntil', { date: texts.date(resets) });
  // A time of day names one moment for half a day.
  if (p.again) return texts.t('errLimited', { time: p.again - now < 12 * 3600e3 ? texts.time(p.again) : texts.date(p.again) });
  const reason = p.details?.['reason'];
  if (isSetup(p.code, reason)) return texts.t('setup');
  if (p.code === 'session.invalid_token' && reason === 'work') return texts.t('errForbidden');
  if (p.code === 'widget.configuration_error' && reason === 'browser') return texts.t('tooOld', oldest);
  return texts.t(textOf(p.code));
}
