/** The sentence on the screen for each code. */
import { date, time } from '../../../web/i18n/formats.js';
import { errorTable } from '../gen/errors.js';
import type { Texts } from './texts.js';
import { oldest } from '../page/needs.js';
import { isSetup, type Problem } from '../ats/problem.js';

/** The sentence of a problem, with the time after which a retry may succeed, if the server gave one. */
export function sentenceOf(texts: Texts, p: Problem, now: number): string {
  const resets = p.code === 'common.quota_exceeded' ? Date.parse(String(p.details?.['resets_at'])) : NaN;
  if (resets > now) return texts.t('errQuotaUntil', { date: date(texts, resets) });
  const reason = p.details?.['reason'];
  if (reason === 'storage_full' || /_bytes$/.test(String(reason))) return texts.t('errFull');
  // A time of day without a date is unambiguous for only half a day.
  if (p.again) return texts.t('errLimited', { time: p.again - now < 12 * 3600e3 ? time(texts, p.again) : date(texts, p.again) });
  if (isSetup(p.code, reason)) return texts.t('setup');
  if (p.code === 'session.invalid_token' && reason === 'work') return texts.t('errForbidden');
  if (p.code === 'widget.configuration_error' && reason === 'browser') return texts.t('tooOld', oldest);
  return texts.t(errorTable[p.code].text);
}
