/** The properties of the element that are attributes too, and values derived from them. */
import type { Host } from '../begun.js';
import type { AtsMode } from '../events.js';

export const reflected = {
  siteKey: 'site-key',
  atsUrl: 'ats-url',
  network: 'network',
  mode: 'mode',
  externalUserId: 'external-user-id',
  maxFileSize: 'max-file-size',
} as const;

/** The purpose of the form, whatever the attribute says. */
export const purposeOf = (mode: string): AtsMode => (mode === 'update' || mode === 'download' ? mode : 'register');

/** The attributes as one text: it changes when an attribute changes. */
export const attributesOf = (el: Host): string =>
  Object.values(reflected)
    .map((name) => el.getAttribute(name))
    .join('\n');

/** The storage key of a tab; another end-user has another key. */
export const memoryOf = (el: Host): string => [el.atsUrl, el.siteKey, el.network, el.id, el.externalUserId].join(' ');
