/** The sentence on the screen for each code. */
import type { BrowserErrorCode } from './gen/errors.js';
import type { Key, Texts } from './i18n.js';
import { oldest } from './needs.js';
import { classOf, isSetup, type Problem } from './problem.js';

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

/** The text of a problem on the screen: codes that mean the same to a songwriter share one text. */
export const textOf = (code: BrowserErrorCode): Key => {
  const own = screenTexts[code];
  if (own) return own;
  const kind = classOf(code);
  if (kind === 'refresh') return 'errSession';
  if (kind === 'disabled') return 'errOff';
  return /unavailable$/.test(code) ? 'errDown' : 'errOther';
};

/** The sentence of a problem, with the time after which a retry may succeed, if the server gave one. */
export function sentenceOf(texts: Texts, p: Problem, now: number): string {
  const resets = p.code === 'common.quota_exceeded' ? Date.parse(String(p.details?.['resets_at'])) : NaN;
  if (resets > now) return texts.t('errQuotaUntil', { date: texts.date(resets) });
  const reason = p.details?.['reason'];
  if (reason === 'storage_full' || /_bytes$/.test(String(reason))) return texts.t('errFull');
  // A time of day without a date is unambiguous for only half a day.
  if (p.again) return texts.t('errLimited', { time: p.again - now < 12 * 3600e3 ? texts.time(p.again) : texts.date(p.again) });
  if (isSetup(p.code, reason)) return texts.t('setup');
  if (p.code === 'session.invalid_token' && reason === 'work') return texts.t('errForbidden');
  if (p.code === 'widget.configuration_error' && reason === 'browser') return texts.t('tooOld', oldest);
  return texts.t(textOf(p.code));
}
