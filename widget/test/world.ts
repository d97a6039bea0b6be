/**
 * A world for the flow: a clock that moves only when nothing else does, an ATS with a state, a store, sockets. Faults are rules: the
 * answers that replace the true ones, in order, for calls of one kind.
 */
import { en } from '../src/i18n/catalogues.js';
import type { Env, PutAnswer, Socket } from '../src/env.js';
import type { AtsEventName } from '../src/events.js';
import type { Purpose } from '../src/state.js';
import { Flow, type Begun, type Pending } from '../src/flow.js';
import type { Fetch, Page, Parts } from '../src/parts/contract.js';
import { rest, restVerify } from '../../web/i18n/locales/en.json';
import * as file from '../src/file/file.js';
import * as hash from '../src/hash/hash.js';
import * as large from '../src/large/large.js';
import * as works from '../src/works/works.js';

// As when rest.ts is loaded.
Object.assign(en, rest, restVerify);

export type Fault =
  { status: number; code?: string; details?: unknown; headers?: Record<string, string>; body?: string } | 'drop' | undefined;
export type Kind =
  | 'works'
  | 'versions'
  | 'creators'
  | 'certificate'
  | 'audio'
  | 'stats'
  | 'work'
  | 'init'
  | 'init-upload'
  | 'upload'
  | 'put'
  | 'prepare'
  | 'confirm'
  | 'status';

export const code = 'atc_' + 'c0de'.repeat(16);

interface Timer {
  at: number;
  fire: () => void;
}

export class World {
  time = Date.parse('2026-01-01T00:00:00Z');
  connected = true;
  /** The requests to the store and the ATS, in order: kind, and the token of calls that have one. */
  readonly asked: string[] = [];
  /** The same requests by method and path. */
  readonly routes: string[] = [];
  /** The bodies that were sent, parsed. */
  readonly bodies: Record<string, unknown>[] = [];
  readonly events: [AtsEventName, Record<string, unknown>][] = [];
  remembered: Pending | undefined;
  /** The stored upload in parts. */
  begun: Begun | undefined;
  readonly faults: Partial<Record<Kind, Fault[]>> = {};
  /** The action of a socket after it is opened; by default it sends every step. */
  onSocket: (s: FakeSocket) => void = (s) => s.sendAll();
  readonly sockets: FakeSocket[] = [];
  /** The addresses that the file was put to, in order. */
  readonly puts: string[] = [];
  /** Called for token-expired, inside its handler. */
  onTokenExpired: (flow: Flow) => void = () => {};
  confirmations = 0;
  /** The work that the access code opens. */
  work = {
    ats_id: 42,
    title: 'Blue Morning',
    network: 'testnet',
    latest_version: 2,
    asset_filename: 'blue.wav',
    creators: [
      { full_name: 'Ada', email: 'ada@example.org', roles: ['author', 'composer'], isni: '000000012345678X' },
      { full_name: 'Ben', email: 'ben@example.org', roles: ['arranger'] },
    ],
  };
  /** The valid access codes. */
  readonly codes = new Set([code]);
  /** Tokens that the ATS refuses as spent or expired. */
  readonly dead = new Set<string>();
  /** The reason why the ATS refuses a token for a call. */
  refusal: (token: string, method: string, path: string) => Fault = () => undefined;
  /** The steps of the transaction in the answers of status. */
  reached = 6;
  accessCode: string | undefined = 'atc_' + 'a'.repeat(64);
  /** The ATS accepts only hashes. */
  hashOnly = false;
  /** The end-user of the page, and the end-user of its token. */
  user = '';
  owner = '';
  /** The end-user's works, latest change first. */
  library: { id: string; ats_id: number; title: string; versions: number }[] = [];
  /** The data-ats name of the focused control. */
  focus = '';
  /** The downloads that were started. */
  readonly saved: string[] = [];
  /** The server sends the id of the work. */
  sendsWork = true;
  /** The console messages for the page's developer. */
  readonly logged: string[] = [];
  readonly flow: Flow;
  #timers: Timer[] = [];
  #online: (() => void)[] = [];

  constructor(mode: Purpose = 'register', user = '') {
    this.user = this.owner = user;
    this.flow = new Flow({
      env: this.env,
      emit: (name, detail) => {
        this.events.push([name, detail]);
        if (name === 'allfeat:token-expired') this.onTokenExpired(this.flow);
      },
      target: () => ({ siteKey: 'cpk_x', atsUrl: 'https://ats.example', network: 'testnet', externalUserId: this.user, language: 'fr' }),
      mode: () => mode,
      changed: () => {},
      remember: (p) => (this.remembered = p),
      begun: () => this.begun,
      keep: (u) => (this.begun = u),
      fetchPart: (part, atsUrl) => this.fetchPart(part, atsUrl),
      page: this.page,
    });
    this.flow.tokens.set('t1');
    if (mode !== 'register') {
      this.flow.switch(mode);
      this.flow.tokens.set('t1');
    } else
      this.flow.dispatch({
        type: 'draft',
        path: '',
        draft: {
          file: new File([new Uint8Array(1000)], 'song.wav'),
          title: ' Blue Morning ',
          creators: [
            {
              id: 0,
              fullName: 'Ada',
              email: 'ada@example.org',
              roles: { author: true, composer: false, arranger: false, adapter: false },
              ipi: '',
              isni: '0000 0001 2345 678x',
            },
          ],
        },
      });
  }

  get state() {
    return this.flow.state;
  }

  names(): string[] {
    return this.events.map(([n]) => n.replace('allfeat:', '')).filter((n) => n !== 'upload-progress' && n !== 'step');
  }

  /** Runs until done returns true; moves the clock only when nothing else is left to do. */
  async until(done: () => boolean): Promise<void> {
    for (let turn = 0; turn < 2000; turn++) {
      for (let i = 0; i < 4; i++) {
        await new Promise((r) => setImmediate(r));
        if (done()) return;
      }
      if (this.#timers.length) this.#advance();
    }
    throw new Error(`never happened; screen ${this.state.screen}, asked ${this.asked.join(' ')}`);
  }

  screen = (s: string) => this.until(() => this.state.screen === s);
  review = () => this.until(() => this.state.phase === 'review' && this.state.screen === 'CONFIRMING');

  /** How many waits have not ended. */
  get waiting(): number {
    return this.#timers.length;
  }

  reconnect(): void {
    this.connected = true;
    this.#online.splice(0).forEach((f) => f());
  }

  #advance(): void {
    this.#timers.sort((a, b) => a.at - b.at);
    const t = this.#timers.shift()!;
    this.time = Math.max(this.time, t.at);
    t.fire();
  }

  #fault(kind: Kind): Fault {
    return this.faults[kind]?.shift();
  }

  readonly env: Env = {
    now: () => this.time,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const stop = () => {
          this.#timers = this.#timers.filter((t) => t !== timer);
          reject(signal.reason);
        };
        const fire = () => {
          signal.removeEventListener('abort', stop);
          resolve();
        };
        const timer: Timer = { at: this.time + ms, fire };
        this.#timers.push(timer);
        signal.addEventListener('abort', stop);
      }),
    online: () => this.connected,
    untilOnline: (signal) =>
      new Promise((resolve, reject) => {
        this.#online.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
    fetch: async (url, init) => {
      const { pathname: path, searchParams: query } = new URL(url);
      const kind: Kind = path.startsWith('/v1/transactions/') ? 'status' : (path.split('/').at(-1) as Kind);
      const headers = init.headers as Record<string, string>;
      const token = headers['Authorization']?.replace('Bearer ', '') ?? '';
      this.asked.push(`${kind}:${token}`);
      this.routes.push(`${init.method} ${path}`);
      this.bodies.push(JSON.parse(String(init.body ?? '{}')) as Record<string, unknown>);
      if (path.includes('/access/') && !this.codes.has(path.split('/')[3]!)) return respond({ status: 404, code: 'access_code.not_found' });
      if (headers['X-Site-Key'] !== 'cpk_x' || headers['Accept-Language'] !== 'fr' || headers['Content-Type'] !== 'application/json')
        throw new Error('headers');
      if (!this.connected) throw new TypeError('offline');
      const fault = this.#fault(kind);
      if (fault === 'drop') {
        if (kind === 'confirm') this.confirmations++; // it succeeded, only its answer was lost
        throw new TypeError('connection lost');
      }
      if (fault) return respond(fault);
      const refused = kind !== 'status' && kind !== 'stats' && this.refusal(token, String(init.method), path);
      if (refused && refused !== 'drop') return respond(refused);
      if (this.dead.has(token)) return respond({ status: 401, code: 'common.auth.expired' });
      const named = /^\/v1\/works\/(\d+)\//.exec(path)?.[1];
      if (named && !this.library.some((w) => w.ats_id === Number(named))) return respond({ status: 404, code: 'work.not_found' });
      return new Response(JSON.stringify(this.#truth(kind, path, query)), { status: 200 });
    },
    put: async (url, file, onProgress): Promise<PutAnswer> => {
      this.puts.push(url.replace('https://blob.example/', ''));
      this.asked.push('put');
      const fault = this.#fault('put');
      if (!this.connected || fault === 'drop') return { status: 0, body: '' };
      if (fault) {
        const r = respond(fault);
        const after = r.headers.get('Retry-After');
        return { status: fault.status, body: await r.text(), ...(after && { retryAfter: Number(after) }) };
      }
      onProgress(file.size / 2);
      return { status: 200, body: 'ok' };
    },
    log: (how, text) => void this.logged.push(`${how}: ${text}`),
    socket: (url): Socket => {
      const s = new FakeSocket(url, this.#result());
      this.sockets.push(s);
      setImmediate(() => this.onSocket(s));
      return s;
    },
  };

  #result() {
    return {
      success: true,
      tx_hash: '0xaa',
      block_number: 7,
      block_hash: '0xbb',
      ats_id: 42,
      explorer_url: 'https://ats.example/explorer',
      ...(this.sendsWork && { registered_at: '2026-01-02T03:04:05Z', work_id: 'w', work_url: 'https://ats.example/w/testnet/42' }),
      ...(this.accessCode && { access_code: this.accessCode }),
    };
  }

  /** Fetches a part that has its own file. */
  fetchPart: Fetch = (part) => Promise.resolve(({ works, hash, file, large } satisfies Parts)[part]);

  /** Allows downloads, which a link starts. */
  async saving(act: () => Promise<void>): Promise<void> {
    const saved = this.saved;
    Object.assign(globalThis, {
      document: {
        createElement: () => ({
          click() {
            saved.push((this as unknown as { href: string }).href);
          },
        }),
      },
    });
    try {
      await act();
    } finally {
      delete (globalThis as { document?: unknown }).document;
    }
  }

  readonly page: Page = {
    focused: () => this.focus,
    focus: (name) => (this.focus = name),
    dress: () => {},
    changed: () => {},
  };

  #truth(kind: Kind, path: string, query: URLSearchParams): unknown {
    const number = Number(path.split('/')[3]);
    switch (kind) {
      case 'works': {
        const found = this.library.filter((w) => w.title.toLowerCase().includes((query.get('search') ?? '').toLowerCase()));
        const from = Number(query.get('after') ?? 0);
        const end = from + Number(query.get('first'));
        return {
          works: found.slice(from, end).map((w) => ({
            id: w.id,
            ats_id: w.ats_id,
            title: w.title,
            latest_version: w.versions,
            latest_version_at: '2026-01-01T00:00:00Z',
            external_user_ref: this.owner,
          })),
          page_info: { has_next_page: end < found.length, end_cursor: String(end) },
          total_count: found.length,
        };
      }
      case 'versions': {
        const w = this.library.find((x) => x.ats_id === number)!;
        return {
          ats_id: number,
          versions: Array.from({ length: w.versions }, (_, i) => ({
            version: i + 1,
            registered_at: '2026-01-01T00:00:00Z',
            asset_filename: `take${i + 1}.wav`,
          })),
        };
      }
      case 'creators':
        return { ats_id: number, version: Number(path.split('/')[5]), creators: this.work.creators };
      case 'certificate':
      case 'audio':
        return { url: `https://blob.example${path}`, expires_at: new Date(this.time + 3e5).toISOString() };
      case 'stats':
        return { total_works: 1, max_audio_size_bytes: 5000 };
      case 'work':
        return this.work;
      case 'init':
        if (this.state.mode === 'update') return { job_id: 'job' };
      // falls through: a new work has a file
      case 'init-upload':
      case 'upload':
        if (this.hashOnly) return { job_id: 'job', upload: 'none' };
        return { job_id: 'job', upload_url: `https://blob.example/${kind}`, upload_expires_at: new Date(this.time + 6e5).toISOString() };
      case 'prepare':
        return {
          job_id: 'job',
          work_id: 'w',
          commitment: '0xcc',
          network_fee_credits: 12,
          total_deposit_credits: 70,
          service_fee_credits: 4,
          storage_fee_credits: 0,
          total_price_credits: 86,
          is_valid: true,
          expires_at: new Date(this.time + 3e5).toISOString(),
        };
      case 'confirm':
        this.confirmations++;
        return { transaction_id: 'tx', ws_url: '/v1/ws/transactions/tx', status_url: '/v1/transactions/tx', access_code: this.accessCode };
      case 'status': {
        const sent = story.slice(0, this.reached);
        const [step, progress] = sent.at(-1)!;
        const over = step === 'completed';
        return {
          id: 'tx',
          current_step: step,
          progress,
          is_complete: over,
          result: over ? this.#result() : null,
          steps: sent.map(([s, p]) => ({ step: s, progress: p })),
        };
      }
      case 'put':
        return {};
    }
  }
}

export const story = [
  ['validating', 5],
  ['preparing_transaction', 20],
  ['signing', 40],
  ['submitting', 60],
  ['confirming', 80],
  ['completed', 100],
] as const;

const respond = (f: Exclude<Fault, 'drop' | undefined>) =>
  new Response(f.body ?? JSON.stringify({ error: { code: f.code, message: 'm', details: f.details, request_id: 'req_1' } }), {
    status: f.status,
    headers: f.headers ?? {},
  });

export class FakeSocket implements Socket {
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  closed = false;
  constructor(
    readonly url: string,
    readonly result: unknown,
  ) {}
  send(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) } as MessageEvent);
  }
  /** Sends the first n steps. */
  sendSteps(n: number): void {
    this.send({ type: 'connected', transaction_id: 'tx' });
    for (const [step, progress] of story.slice(0, n))
      this.send({ type: 'update', step, progress, ...(step === 'completed' && { details: this.result }) });
  }
  sendAll(): void {
    this.sendSteps(6);
  }
  drop(): void {
    this.onclose?.({} as CloseEvent);
  }
  close(): void {
    this.closed = true;
  }
}
