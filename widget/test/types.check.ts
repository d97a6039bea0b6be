/** Compiled, never run: the published types say what the element is. */
import type * as published from '../types/ats-widget.js';
import type { AtsEventDetails } from '../src/events.js';
import type { BrowserErrorCode, ErrorCode, ErrorDetails } from '../src/gen/errors.js';
import type { AtsWidget } from '../src/ats-widget.js';

type Same<A, B> = [A, B] extends [B, A] ? true : never;
type Members = 'siteKey' | 'atsUrl' | 'network' | 'mode' | 'externalUserId' | 'maxFileSize' | 'token' | 'setToken' | 'reset' | 'getState';

export const checks: [
  Same<published.AtsErrorCode, BrowserErrorCode>,
  Same<published.ErrorCode, ErrorCode>,
  Same<published.ErrorDetails, ErrorDetails>,
  Same<published.AtsEventDetails, AtsEventDetails>,
  Same<Pick<published.AtsWidget, Members>, Pick<AtsWidget, Members>>,
] = [true, true, true, true, true];
