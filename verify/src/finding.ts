/** How a finding is shown. */
import { h } from './dom.js';
import type { Evidence } from './evidence.js';
import { fingerprint } from './log.js';
import type { Key, Texts } from './texts.js';
import type { Finding, Verdict } from './verdict.js';
import type { Check } from './verify.js';

const ms = (ns: bigint): number => Number(ns / 1_000_000n);

function sentence(texts: Texts, verdict: Verdict, e: Evidence, checks: readonly Check[]): string {
  // The wrong file is chosen more often than a work is forged.
  const others = checks.filter((c) => c.status === 'failed' && c.name !== 'media');
  return texts.t(verdict === 'fails' && others.length === 0 ? 'say_recording' : `say_${verdict}`, { date: texts.date(ms(e.block.time)), network: e.network });
}

/** The verdict, what the evidence says, and every check. */
export function findingOf(texts: Texts, e: Evidence, { verdict, checks }: Finding): HTMLElement[] {
  const good = verdict === 'verified' || verdict === 'registered';
  const some = good && checks.some((c) => c.name === 'all_creators' && c.status !== 'ok');
  const summary = h(
    'div',
    { class: `verdict ${verdict}`, 'data-verdict': verdict },
    h('h2', { id: 'result-heading' }, texts.t(`verdict_${verdict}`)),
    h('p', {}, sentence(texts, verdict, e, checks)),
    some && h('p', {}, texts.t('some')),
    good && e.network === 'testnet' && h('p', { class: 'test' }, h('strong', {}, texts.t('testNetwork'))),
  );
  const said = [h('h3', {}, texts.t('facts')), ...(good ? [h('p', { class: 'soft' }, texts.t('compare'))] : []), facts(texts, e), h('p', { class: 'soft' }, texts.t('unproved'))];
  const checked = [h('h3', {}, texts.t('checks')), h('ul', { class: 'checks', id: 'checks' }, ...checks.map((c) => line(texts, c, 'leaf' in e.at ? '' : 'chain_', verdict === 'untrusted' && c.status === 'failed')))];
  // What is wrong comes first.
  const all = good ? [...said, ...checked, h('p', { class: 'soft after' }, texts.t('not'))] : [...checked, ...said];
  return [summary, ...all, numbers(texts, e)];
}

/** Why a check failed or was not made, for those where it can be told. */
const reasons: Partial<Record<`${Check['name']} ${Check['status']}`, Key>> = {
  'media failed': 'why_media_failed',
  'media not_checked': 'why_media',
  'all_creators not_checked': 'why_all_creators',
  'inclusion not_checked': 'why_chain',
  'chain not_checked': 'why_chain',
  'time not_checked': 'why_chain',
  'log_key failed': 'why_log_key_failed',
  'log_key not_checked': 'why_log_key',
  'token not_checked': 'why_token',
};

/** What a check is about; on a chain some say another thing than in a log. */
const claims = (c: Check, chain: '' | 'chain_'): Key => (chain && ['entry', 'time', 'inclusion', 'block'].includes(c.name) ? (`check_chain_${c.name}` as Key) : `check_${c.name}`);

function line(texts: Texts, c: Check, chain: '' | 'chain_', keyFailed: boolean): HTMLElement {
  const why = keyFailed && c.name === 'checkpoint' ? 'why_checkpoint_failed' : reasons[`${c.name} ${c.status}`];
  return h(
    'li',
    { class: c.status, 'data-check': c.name, 'data-status': c.status },
    h('span', { class: 'mark', 'aria-hidden': 'true' }),
    h('div', {}, h('strong', {}, texts.t(`status_${c.status}`)), ' ', h('span', {}, texts.t(claims(c, chain))), why && h('p', { class: 'soft' }, texts.t(why))),
  );
}

function list(entries: readonly (readonly [string, string | HTMLElement])[], mono = false): HTMLElement {
  return h('dl', mono ? { class: 'mono' } : {}, ...entries.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, typeof value === 'string' ? h('bdi', mono ? { dir: 'ltr' } : {}, value) : value)]));
}

function facts(texts: Texts, e: Evidence): HTMLElement {
  const people = h(
    'ul',
    { class: 'plain' },
    ...e.creators.map((c) =>
      h(
        'li',
        {},
        h('bdi', {}, c.fullName),
        ' · ',
        texts.list([...new Set(c.roles)].map((r) => texts.t(r))),
        h('div', { class: 'soft' }, h('bdi', {}, [c.email, c.ipi && `IPI ${c.ipi}`, c.isni && `ISNI ${c.isni}`].filter(Boolean).join(' · '))),
      ),
    ),
  );
  // A redacted document has no name, and of a recording at home nobody knows the format.
  const file = h('span', {}, ...[e.media.filename, e.media.format].filter(Boolean).flatMap((known) => [h('bdi', {}, known), ' · ']), texts.size(Number(e.media.size)));
  return list([
    [texts.t('title'), h('bdi', { class: 'title' }, e.title)],
    [texts.t('creators'), people],
    [texts.t('file'), file],
    [texts.t('registered'), h('span', {}, texts.date(ms(e.block.time)))],
    [texts.t('number'), h('span', {}, texts.t('numberIs', { id: String(e.atsId), version: String(e.version) }))],
    [texts.t('network'), e.network],
    ...('leaf' in e.at ? ([[texts.t('log'), h('span', {}, h('bdi', {}, e.at.origin), h('div', { class: 'soft' }, texts.t('fingerprint'), ' ', h('bdi', { dir: 'ltr' }, fingerprint(e.at.key))))]] as const) : []),
  ]);
}

let numbersOpen = false;
function numbers(texts: Texts, e: Evidence): HTMLElement {
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
          ? ([['log.key', e.at.key], ['log.leaf', e.at.leaf], ['log.index', String(e.at.index)], ['log.checkpoint', e.at.checkpoint]] as const)
          : ([['substrate.genesis', e.at.genesis], ['substrate.index', String(e.at.index)]] as const)),
      ],
      true,
    ),
  );
  return details;
}
