/** The trusted keys of logs. They are in the page's head, so that a saved copy has them. */
import { parseCheckpoints, type Checkpoint } from './chain.js';
import { fingerprint, parseKey } from './log.js';
import { parsePolicy, type Policy } from './policy.js';

export interface Trusted {
  readonly key: string;
  readonly fingerprint: string;
  /** Added by the reader, not by the registry. */
  readonly own: boolean;
}

const registryKey = 'timbre-log-key';
const ownKey = 'timbre-own-key';

const metas = (name: string): string[] => [...document.querySelectorAll<HTMLMetaElement>(`meta[name="${name}"]`)].map((m) => m.content);

/** The page as it was before any script changed it. This text is saved, so a copy contains no evidence. */
const pristine = document.documentElement.cloneNode(true) as HTMLElement;

/** The registry that served the page, or that served the original of this copy. */
export const registry = metas('timbre-registry')[0] ?? '';

/** The host name of the registry, for people. */
export const host = registry.replace(/^https?:\/\//, '');

/** The version of this page. */
export const version = metas('timbre-verify')[0] ?? '';

const ownPolicy = 'timbre-own-policy';

/** The reader's policy of witnesses, as text; empty without one. */
export let policyText = metas(ownPolicy)[0] ?? '';

/** The trusted witnesses, if there is a policy. */
export let policy: Policy | undefined = policyText ? parsePolicy(policyText) : undefined;

/** Takes a policy; an empty text takes it away. False when the text is not a policy. */
export function follow(text: string): boolean {
  const read = text.trim() === '' ? undefined : parsePolicy(text);
  if (text.trim() !== '' && !read) return false;
  policyText = read ? text : '';
  policy = read;
  return true;
}

const ownChain = 'timbre-own-chain';

/** The reader's checkpoint of a chain, as text; empty without one. */
export let chainText = metas(ownChain)[0] ?? '';

/** The trusted sets of authorities. */
export let chains: readonly Checkpoint[] = parseCheckpoints(chainText) ?? [];

/** Takes a checkpoint; an empty text takes it away. False when the text is not a checkpoint. */
export function pin(text: string): boolean {
  const read = text.trim() === '' ? [] : parseCheckpoints(text);
  if (!read) return false;
  chainText = read.length ? text : '';
  chains = read;
  return true;
}

const trusted = (key: string, own: boolean): Trusted[] => (parseKey(key) ? [{ key, own, fingerprint: fingerprint(key) }] : []);

export let keys: readonly Trusted[] = [
  ...metas(registryKey).flatMap((k) => trusted(k, false)),
  ...metas(ownKey).flatMap((k) => trusted(k, true)),
];

/** Adds a key. A key that came with the page then counts as the reader's own choice. False when it is invalid. */
export function trust(text: string): boolean {
  const [added] = trusted(text.trim(), true);
  if (!added) return false;
  keys = keys.some((k) => k.key === added.key) ? keys.map((k) => (k.key === added.key ? added : k)) : [...keys, added];
  return true;
}

export function distrust(key: string): void {
  keys = keys.filter((k) => k.key !== key);
}

/** The page as a file, with the keys that are trusted now. */
export function copy(): Blob {
  const page = pristine.cloneNode(true) as HTMLElement;
  const head = page.querySelector('head')!;
  for (const name of [registryKey, ownKey, ownPolicy, ownChain]) head.querySelectorAll(`meta[name="${name}"]`).forEach((m) => m.remove());
  const add = (name: string, content: string) => {
    if (content) head.append(Object.assign(document.createElement('meta'), { name, content }), '\n');
  };
  for (const k of keys) add(k.own ? ownKey : registryKey, k.key);
  add(ownPolicy, policyText);
  add(ownChain, chainText);
  return new Blob(['<!doctype html>\n', page.outerHTML], { type: 'text/html' });
}
