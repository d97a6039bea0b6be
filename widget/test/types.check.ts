/** Compiled, never run: the published types describe the element. */
import type * as published from '../dist/ats-widget.js';
import type { AtsEventDetails } from '../src/events.js';
import type { AtsErrorCode, ErrorCode, ErrorDetails } from '../src/gen/errors.js';
import type { AtsWidget } from '../src/element.js';

type Same<A, B> = [A, B] extends [B, A] ? true : never;
type Members = 'siteKey' | 'atsUrl' | 'network' | 'mode' | 'externalUserId' | 'maxFileSize' | 'token' | 'setToken' | 'reset' | 'getState';

export const checks: [
  Same<published.AtsErrorCode, AtsErrorCode>,
  Same<published.ErrorCode, ErrorCode>,
  Same<published.ErrorDetails, ErrorDetails>,
  Same<published.AtsEventDetails, AtsEventDetails>,
  Same<Pick<published.AtsWidget, Members>, Pick<AtsWidget, Members>>,
] = [true, true, true, true, true];

/** Code that a page may contain: the code narrows the details, for every code. */
export function page(e: published.AtsEvent<'allfeat:failed'> | published.AtsEvent<'allfeat:error'>): string | number | undefined {
  const d = e.detail;
  switch (d.code) {
    case 'registration.audio_too_large':
      return d.details?.max_bytes;
    case 'registration.invalid_audio_format':
      return d.details?.supported?.join(', ');
    case 'common.validation_failed':
      return d.details?.fields?.[0]?.rule;
    case 'widget.unknown_error':
      return d.details?.code;
    case 'access_code.not_found':
      // @ts-expect-error: access_code.not_found has no details
      return d.details?.reason.length;
    // @ts-expect-error: an unknown code
    case 'access_code.lost':
      return '';
  }
  return d.message;
}
