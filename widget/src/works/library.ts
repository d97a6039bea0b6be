/**
 * The works of one end-user: the loaded part of the list, the chosen work, and the running downloads. It reads within the one run of the
 * flow, so that only the newest request is answered. Knows no markup.
 */
import type { Target } from '../ats/api.js';
import type { Creator } from '../form/draft.js';
import { download, type Fetching } from '../ats/download.js';
import type { Env } from '../env.js';
import { ProblemError, malformed, problemOf, type Problem } from '../ats/problem.js';
import type { Reading } from '../steps.js';
import type { Page } from '../parts/contract.js';
import { creatorsFrom, type Work } from '../ats/work.js';
import { errorTable } from '../gen/errors.js';

/** A work in the list. */
export interface Entry {
  /** The UUID. */
  readonly id: string;
  readonly atsId: number;
  readonly title: string;
  readonly version: number;
  /** Milliseconds since 1970, of the newest version. */
  readonly at: number;
}

export interface Version {
  readonly version: number;
  readonly at: number;
  readonly filename: string;
}

export type What = 'audio' | 'certificate';

/** Works in one page of the list. */
const pageSize = 20;
/** The pause in typing, in ms, after which the search starts. */
const pause = 250;

const record = (v: unknown) => (typeof v === 'object' && v !== null ? v : {}) as Record<string, unknown>;
const text = (v: unknown) => (typeof v === 'string' ? v : '');
const items = (body: Record<string, unknown>, name: string) => {
  if (!Array.isArray(body[name])) throw malformed(name);
  return (body[name] as unknown[]).map(record);
};

export class Works {
  /** The works loaded so far, latest change first. */
  list: readonly Entry[] = [];
  /** The number of works on all pages. Undefined until the list was read. */
  total: number | undefined;
  /** The cursor of the next page. */
  next = '';
  /** The typed search text, and the search text of the list. */
  search = '';
  answered = '';
  chosen: Entry | undefined;
  versions: readonly Version[] = [];
  /** By version; undefined while they are being read. */
  readonly people = new Map<number, readonly Creator[] | undefined>();
  readonly files = new Map<string, Fetching>();
  /** The download that changed last, for the live region. */
  file: Fetching | undefined;
  readonly #flow: Reading;
  readonly #env: Env;
  readonly #target: Target;
  readonly #page: Page;
  #want: 'list' | 'more' | 'work' = 'list';
  #pause = 0;
  #first = true;
  /** The first work of the next page gets the focus. */
  #onward = false;
  /** Aborts the requests that are outside the run of the flow. */
  #life = new AbortController();

  constructor(flow: Reading, env: Env, target: Target, page: Page) {
    this.#flow = flow;
    this.#env = env;
    this.#target = target;
    this.#page = page;
  }

  /** The list is shown, not one work. */
  get listed(): boolean {
    return this.#flow.state.step === 'works';
  }

  get now(): number {
    return this.#env.now();
  }

  stop(): void {
    this.#life.abort();
    this.#life = new AbortController();
    this.files.clear();
    this.people.clear();
    this.file = undefined;
  }

  async open(signal: AbortSignal): Promise<'works' | 'song' | Work> {
    // The page has created the element and will soon give its token.
    if (this.#first) this.#flow.tokens.expect(false);
    this.#first = false;
    if (this.#want === 'work' && this.chosen) return this.#work(this.chosen, signal);
    const more = this.#want === 'more' && this.next;
    let asked: string;
    let page: Record<string, unknown>;
    let entries: Entry[];
    do {
      await this.#env.sleep(this.#pause, signal);
      this.#pause = 0;
      asked = this.search.trim();
      [page, entries] = await this.#read(asked, more || '', signal);
      // While the widget waited for a token, the user may have continued typing.
    } while (asked !== this.search.trim());
    signal.throwIfAborted();
    const info = record(page['page_info']);
    this.total = page['total_count'] as number;
    this.next = info['has_next_page'] === true ? text(info['end_cursor']) : '';
    this.#want = 'list';
    this.#put(more ? [...this.list, ...entries.filter((e) => !this.list.some((x) => x.id === e.id))] : entries);
    this.answered = asked;
    return 'works';
  }

  /** A list that arrives late moves nothing that the user works with: the chosen and the focused work stay where they were. */
  #put(entries: readonly Entry[]): void {
    const focused = this.#page.focused();
    const at = this.list.findIndex((e) => (this.chosen ? e.id === this.chosen.id : `work-${e.atsId}` === focused));
    const stays = this.list[at];
    const next = [...entries];
    if (stays && !next.some((e) => e.id === stays.id)) next.splice(Math.min(at, next.length), 0, stays);
    const fresh = next[this.list.length];
    this.list = next;
    // After the last page, the button for more is removed.
    const gone = focused === 'more' && !this.next;
    if (fresh && (this.#onward || gone)) {
      this.#page.focus(`work-${fresh.atsId}`);
      if (!gone) this.chosen = fresh;
    } else if (/^work-/.test(focused)) this.#page.focus(focused);
    else if (gone) this.#page.focus('next');
    this.#onward = false;
  }

  async #read(search: string, after: string, signal: AbortSignal): Promise<[Record<string, unknown>, Entry[]]> {
    const query = new URLSearchParams({ network: this.#target.network, first: String(pageSize) });
    if (search) query.set('search', search);
    if (after) query.set('after', after);
    const { tokens } = this.#flow;
    for (let left = 2; ; left--) {
      const token = tokens.value;
      let body: Record<string, unknown>;
      let works: Record<string, unknown>[];
      try {
        body = await this.#flow.read(`/v1/works?${query}`, { total_count: 'number' }, signal);
        works = items(body, 'works');
        const theirs = (w: Record<string, unknown>) =>
          typeof w['external_user_ref'] === 'string' && w['external_user_ref'] !== this.#target.externalUserId;
        if (works.some(theirs)) throw new ProblemError('common.forbidden');
      } catch (e) {
        // A token fetched for the previous end-user may arrive late: the works that it opens are not shown to anyone else.
        if (!left || problemOf(e).code !== 'common.forbidden') throw e;
        // Unless another token has arrived in the meantime.
        if (!token || tokens.value === token) tokens.clear();
        continue;
      }
      const entries = works.map((w, i): Entry => {
        const { id, ats_id: atsId, title, latest_version: version } = w;
        if (typeof id !== 'string' || typeof atsId !== 'number' || typeof title !== 'string' || typeof version !== 'number')
          throw malformed(`works[${i}]`);
        return { id, atsId, title, version, at: Date.parse(text(w['latest_version_at'])) };
      });
      return [body, entries];
    }
  }

  async #work(e: Entry, signal: AbortSignal): Promise<'song' | Work> {
    const body = await this.#flow.read(`/v1/works/${e.atsId}/versions`, { ats_id: 'number' }, signal);
    const all = items(body, 'versions').map((v, i): Version => {
      if (typeof v['version'] !== 'number') throw malformed(`versions[${i}]`);
      return { version: v['version'], at: Date.parse(text(v['registered_at'])), filename: text(v['asset_filename']) };
    });
    const last = all.at(-1);
    if (!last) throw malformed('versions');
    const creators = await this.#creators(e, last.version, signal);
    if (this.#flow.state.mode !== 'download')
      return { code: '', atsId: e.atsId, title: e.title, version: last.version, filename: last.filename, creators };
    this.stop();
    this.versions = all;
    this.people.set(last.version, creators);
    return 'song';
  }

  async #creators(e: Entry, version: number, signal: AbortSignal): Promise<Creator[]> {
    const body = await this.#flow.read(`/v1/works/${e.atsId}/versions/${version}/creators`, { version: 'number' }, signal);
    return creatorsFrom(body['creators']);
  }

  /** Searches for the typed text after a pause in typing. A work chosen before belongs to another list. */
  type(typed: string, now = false): void {
    this.search = typed;
    this.chosen = undefined;
    this.#want = 'list';
    this.#pause = now ? 0 : pause;
    // Typing a letter does not start the renewal of the token again: the search follows it.
    if (this.#flow.state.notice !== 'token') this.#flow.resume('open');
  }

  /** Reads the next page; onward: the focus moves to its first work. */
  more(onward: boolean): void {
    if (!this.next || this.#want === 'more') return;
    this.#want = 'more';
    this.#onward = onward;
    this.#flow.resume('open');
  }

  choose(e: Entry): void {
    this.chosen = e;
    this.#flow.dispatch({ type: 'draft', path: 'work', draft: {} });
  }

  /** Opens the chosen work. */
  pick(): void {
    if (!this.chosen) return this.#flow.dispatch({ type: 'invalid', errors: { work: { key: 'needSong' } } });
    this.#want = 'work';
    this.#flow.resume('open');
  }

  /** Returns from the versions to the list. */
  back(): void {
    this.stop();
    this.#page.focus(`work-${this.chosen?.atsId}`);
    this.#flow.dispatch({ type: 'step', step: 'works' });
  }

  /** Reads the creators of a version, when the user first opens it. */
  async show(version: number): Promise<void> {
    if (!this.chosen || this.people.has(version)) return;
    const signal = this.#life.signal;
    this.people.set(version, undefined);
    try {
      const creators = await this.#creators(this.chosen, version, signal);
      this.people.set(version, creators);
      this.#page.changed();
    } catch (e) {
      if (!signal.aborted) this.#flow.fail(e);
    }
  }

  /** Starts a download. Waits for a certificate that is being made. */
  async get(version: number, what: What): Promise<void> {
    const e = this.chosen;
    const key = `${what}-${version}`;
    if (!e || /busy|waiting/.test(this.files.get(key)?.state ?? '')) return;
    const signal = this.#life.signal;
    const stands = (f: Fetching) => {
      this.file = f;
      this.files.set(key, f);
      this.#page.changed();
    };
    stands({ state: 'busy' });
    try {
      const path = `/v1/works/${encodeURIComponent(e.id)}/versions/${version}/download/${what}`;
      await download(
        () => this.#flow.read(path, { url: 'string' }, signal),
        () => stands({ state: 'waiting' }),
        this.#env,
        signal,
      );
      stands({ state: 'begun' });
    } catch (thrown) {
      if (signal.aborted) return;
      const problem = problemOf(thrown);
      if (!ofFile(problem)) {
        this.#flow.fail(thrown);
        return;
      }
      stands({ state: 'refused', problem });
      this.#flow.report(problem, what);
    }
  }
}

/** Problems of one file, shown next to it: the rest of the screen keeps working. */
const ofFile = ({ code }: Problem) =>
  /^(work|common|registration)\./.test(code) &&
  !/^(work\.not_found|common\.forbidden)$/.test(code) &&
  /^(404|409|410|422)$/.test(String(errorTable[code].status));
