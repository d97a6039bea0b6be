/** The properties of the element that stand in an attribute, and what follows from their values. */
import type { AtsWidget } from './element.js';
import type { Mode } from './events.js';

export const reflected = {
  siteKey: 'site-key',
  atsUrl: 'ats-url',
  network: 'network',
  mode: 'mode',
  externalUserId: 'external-user-id',
  maxFileSize: 'max-file-size',
} as const;

/** What the form is for, whatever the attribute says. */
export const purposeOf = (mode: string): Mode => (mode === 'update' || mode === 'download' ? mode : 'register');

/** The attributes as one text: another one when one of them became another. */
export const attributesOf = (el: AtsWidget): string => Object.values(reflected).map((name) => el.getAttribute(name)).join('\n');

/** What a tab remembers under: another end-user never meets it. */
export const memoryOf = (el: AtsWidget): string => [el.atsUrl, el.siteKey, el.network, el.id, el.externalUserId].join(' ');
