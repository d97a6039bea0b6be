/** Shows a finding. */
import { h } from './dom.js';
import type { Evidence } from './evidence.js';
import type { Trusted } from './keys.js';
import { fingerprint } from './log.js';
import { shown } from './marks.js';
import { onTestNetwork } from './network.js';
import { hereAndUTC, sentenceList, utc } from '../../web/i18n/formats.js';
import type { Key, Texts } from './texts.js';
import { dates, levels, type Finding } from './verdict.js';
import type { Check } from './verify.js';

const ms = (ns: bigint): number => Number(ns / 1_000_000n);

interface GivenFile {
  readonly name: string;
  readonly size: number;
}

/** The files, keys and time of this check, for a printed result. */
export interface Circumstances {
  readonly proof: GivenFile;
  readonly recording: (GivenFile & { readonly sha256: string }) | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The key that the log was checked with, if it is trusted. */
  readonly key: Trusted | undefined;
  /** The origin of the page. */
  readonly host: string;
  /** The version of the page. */
  readonly version: string;
}

/** The verdict, the facts of the evidence, every check, and the circumstances of the check. */
export function findingOf(texts: Texts, e: Evidence, { verdict, checks }: Finding, made: Circumstances): HTMLElement[] {
  const good = verdict === 'verified' || verdict === 'registered';
  const some = good && checks.some((c) => c.name === 'all_creators' && c.status !== 'ok');
  const unread = good && checks.some((c) => c.name === 'page' && c.status === 'not_checked');
  const summary = h(
    'div',
    { class: `verdict ${verdict}`, 'data-verdict': verdict },
    onTestNetwork(e) && h('p', { class: 'test' }, h('strong', {}, texts.t('test_network')), ' · ', texts.t('say_test_network')),
    h('h2', { id: 'result-heading' }, texts.t(`verdict_${verdict}`)),
    h(
      'p',
      {},
      texts.t(verdict === 'untrusted' && !('leaf' in e.at) ? 'say_untrusted_chain' : `say_${verdict}`, { network: shown(e.network) }),
    ),
    good && dated(texts, e, checks),
    checks.some((c) => c.part !== undefined && c.status === 'failed') &&
      h('p', { class: 'caution', 'data-caution': 'ignored' }, texts.t('ignored')),
    some && h('p', {}, texts.t('some')),
    unread && h('p', { class: 'caution', 'data-caution': 'page' }, texts.t('say_page_not_checked')),
  );
  const said = [
    h('h3', {}, texts.t('facts')),
    ...(good && !unread ? [h('p', { class: 'soft' }, texts.t('compare'))] : []),
    facts(texts, e, checks),
    h('p', { class: 'soft' }, texts.t('unproved'), ' ', texts.t('later_versions')),
  ];
  const from = made.key && !made.key.own ? made.host : '';
  const checked = [
    h('h3', {}, texts.t('checks')),
    h(
      'ul',
      { class: 'checks', id: 'checks' },
      ...checks.map((c) =>
        line(texts, c, 'leaf' in e.at ? '' : 'chain_', whyOf(c, checks), from, 'leaf' in e.at ? undefined : e.at.finality?.setId),
      ),
    ),
  ];
  // Failed checks come first.
  const all = good ? [...said, ...checked, h('p', { class: 'soft after' }, texts.t('not'))] : [...checked, ...said];
  return [
    summary,
    ...all,
    h('h3', {}, texts.t('thisCheck')),
    circumstances(texts, made),
    h('p', { class: 'act' }, h('button', { type: 'button', id: 'print', click: () => print() }, texts.t('print'))),
    numbers(texts, e, checks.find((c) => c.owner)?.owner),
  ];
}

/** The reason why a check failed or was not made, if it is known. */
const reasons: Partial<Record<`${Check['name']} ${Check['status']}`, Key>> = {
  'media failed': 'why_media_failed',
  'media not_checked': 'why_media',
  'all_creators not_checked': 'why_all_creators',
  'inclusion not_checked': 'why_chain',
  'chain not_checked': 'why_chain',
  'chain failed': 'why_chain_failed',
  'state not_checked': 'why_chain',
  'finality not_checked': 'why_chain_forced',
  'time not_checked': 'why_chain',
  'anchor not_checked': 'why_chain',
  'log_key failed': 'why_log_key_failed',
  'log_key not_checked': 'why_log_key',
  'token not_checked': 'why_token',
  'token_authority not_checked': 'why_token',
  'bitcoin not_checked': 'why_token',
  'witnesses not_checked': 'why_witnesses',
  'witnesses failed': 'why_witnesses_missing',
  'cosignatures failed': 'why_witnesses_cosignatures',
  'page not_checked': 'why_page_not_checked',
  'page failed': 'why_page_failed',
};

function whyOf(c: Check, checks: readonly Check[]): Key | undefined {
  const is = (name: Check['name'], status: Check['status']) => checks.some((k) => k.name === name && k.status === status);
  if (c.name === 'checkpoint' && c.status === 'failed' && is('log_key', 'failed')) return 'why_checkpoint_failed';
  if (c.status === 'not_checked' && (c.set !== undefined || (c.name === 'chain' && is('finality', 'ok')))) return 'why_chain_checkpoint';
  return reasons[`${c.name} ${c.status}`];
}

/** The text of a check; some checks have another text for a chain than for a log. */
const claims = (c: Check, chain: '' | 'chain_'): Key =>
  chain && ['entry', 'time', 'inclusion', 'block'].includes(c.name) ? (`check_chain_${c.name}` as Key) : `check_${c.name}`;

function line(texts: Texts, c: Check, chain: '' | 'chain_', why: Key | undefined, from: string, set = 0n): HTMLElement {
  return h(
    'li',
    { class: c.status, 'data-check': c.name, 'data-status': c.status },
    h('span', { class: 'mark', 'aria-hidden': 'true' }),
    h(
      'div',
      {},
      h('strong', {}, texts.t(`status_${c.status}`)),
      ' ',
      h('span', {}, c.name === 'log_key' && from ? texts.t('check_log_key_page', { host: from }) : texts.t(claims(c, chain))),
      why && h('p', { class: 'soft' }, texts.t(why, { set: String(c.set ?? set) })),
    ),
  );
}

function list(entries: readonly (readonly [string, string | HTMLElement])[], mono = false): HTMLElement {
  return h(
    'dl',
    mono ? { class: 'mono' } : {},
    ...entries.flatMap(([name, value]) => [
      h('dt', {}, name),
      h('dd', {}, typeof value === 'string' ? h('bdi', mono ? { dir: 'ltr' } : {}, value) : value),
    ]),
  );
}

/** The dates of the registration, and the parties that state them. */
const dated = (texts: Texts, e: Evidence, checks: readonly Check[]): HTMLElement =>
  h(
    'ul',
    { class: 'plain', id: 'dates' },
    ...dates(e, checks).map((d) => h('li', {}, texts.t(d.key, { date: utc(texts, ms(d.time)), by: sentenceList(texts, d.by.map(shown)) }))),
  );

/** How far the proof goes, and what each level excludes. */
const reached = (texts: Texts, checks: readonly Check[]): HTMLElement =>
  h(
    'ul',
    { class: 'plain', id: 'levels' },
    ...levels(checks).map((l) =>
      h('li', {}, h('strong', {}, texts.t(`level_${l === 'named' ? 'chained' : l}`)), ' · ', texts.t(`excludes_${l}`)),
    ),
  );

function facts(texts: Texts, e: Evidence, checks: readonly Check[]): HTMLElement {
  const people = h(
    'ul',
    { class: 'plain' },
    ...e.creators.map((c) =>
      h(
        'li',
        {},
        h('bdi', {}, shown(c.fullName)),
        ' · ',
        sentenceList(
          texts,
          [...new Set(c.roles)].map((r) => texts.t(r)),
        ),
        h(
          'div',
          { class: 'soft' },
          h('bdi', {}, [shown(c.email), c.ipi && `IPI ${shown(c.ipi)}`, c.isni && `ISNI ${shown(c.isni)}`].filter(Boolean).join(' · ')),
        ),
      ),
    ),
  );
  // A redacted document has no file name. A recording that was never uploaded has no known format.
  const file = h(
    'span',
    {},
    ...[e.media.filename, e.media.format].filter(Boolean).flatMap((known) => [h('bdi', {}, shown(known)), ' · ']),
    texts.size(Number(e.media.size)),
  );
  return list([
    [texts.t('title'), h('bdi', { class: 'title' }, shown(e.title))],
    [texts.t('creators'), people],
    [texts.t('recording'), file],
    [texts.t('fileHash'), code(e.media.sha256)],
    [texts.t('registered'), h('span', {}, utc(texts, ms(e.block.time)))],
    ...(levels(checks).length ? ([[texts.t('levels'), reached(texts, checks)]] as const) : []),
    [texts.t('number'), h('span', {}, texts.t('numberIs', { id: String(e.atsId), version: String(e.version) }))],
    [texts.t('commitment'), code(e.commitment)],
    [texts.t('network'), h('span', {}, h('bdi', {}, shown(e.network)), onTestNetwork(e) ? ` · ${texts.t('test_network')}` : '')],
    ...('leaf' in e.at
      ? ([
          [
            texts.t('log'),
            h(
              'span',
              {},
              h('bdi', {}, shown(e.at.origin)),
              h('div', { class: 'soft' }, texts.t('fingerprint'), ' ', code(fingerprint(e.at.key))),
            ),
          ],
        ] as const)
      : []),
  ]);
}

/** Hexadecimal, which is read from left to right in every language. */
const code = (text: string): HTMLElement => h('bdi', { class: 'mono', dir: 'ltr' }, text);

function circumstances(texts: Texts, { proof, recording, at, key, host, version }: Circumstances): HTMLElement {
  const named = (f: GivenFile, ...more: HTMLElement[]) => h('span', {}, h('bdi', {}, shown(f.name)), ` (${texts.size(f.size)})`, ...more);
  return list([
    [texts.t('checkedAt'), h('span', {}, hereAndUTC(texts, at))],
    [texts.t('proof'), named(proof)],
    [
      texts.t('recording'),
      recording ? named(recording, h('div', {}, texts.t('fileHash'), ' ', code(recording.sha256))) : h('span', {}, texts.t('why_media')),
    ],
    [
      texts.t('keyUsed'),
      key
        ? h(
            'span',
            {},
            key.own ? texts.t('keyOwn') : texts.t('keyRegistry', { host }),
            h('div', {}, code(key.key)),
            h('div', {}, texts.t('fingerprint'), ' ', code(key.fingerprint)),
          )
        : h('span', {}, texts.t('keyUsedNone')),
    ],
    [texts.t('page'), h('span', {}, texts.t('pageIs', { version, host: host || '–' }))],
  ]);
}

const lines = (text: string): string => text.split('\n').map(shown).join('\n');

let numbersOpen = false;
function numbers(texts: Texts, e: Evidence, owner: string | undefined): HTMLElement {
  const details = h(
    'details',
    { open: numbersOpen, toggle: () => void (numbersOpen = details.open) },
    h('summary', {}, texts.t('numbers')),
    list(
      [
        ['media.sha256', e.media.sha256],
        ['merkle_root', e.merkleRoot],
        ['commitment', e.commitment],
        ['tx_hash', e.txHash],
        ['block.number', String(e.block.number)],
        ['block.hash', e.block.hash],
        ...('leaf' in e.at
          ? ([
              ['log.key', shown(e.at.key)],
              ['log.leaf', lines(e.at.leaf)],
              ['log.index', String(e.at.index)],
              ['log.checkpoint', lines(e.at.checkpoint)],
            ] as const)
          : ([
              ['substrate.genesis', e.at.genesis],
              ['substrate.index', String(e.at.index)],
              ...(owner ? ([['owner', owner]] as const) : []),
            ] as const)),
      ],
      true,
    ),
  );
  return details;
}
