/** The client: one method for each thing that a backend, or a page with a session, does. */
import { is } from './errors.js';
import { Http, sleep, type Call, type CallOptions, type Options } from './http.js';
import { run, type Registered, type RegisterOptions, type RunOptions } from './registration.js';
import type { Recording } from './upload.js';
import type {
  Creators,
  Download,
  InitVersionUploadRequest,
  MintRequest,
  Revoked,
  RevokeRequest,
  Session,
  Stats,
  Transaction,
  VersionQuote,
  Versions,
  Work,
  WorkByCode,
  WorksPage,
} from './gen/api.js';

export type Network = 'testnet' | 'mainnet';

export interface MintOptions extends Omit<MintRequest, 'secret_key'>, CallOptions {
  /** The origin of the page, instead of the client's. */
  origin?: string;
}

/** An update names its work by number, or by its access code. */
export type UpdateOptions = RunOptions<VersionQuote> &
  Omit<InitVersionUploadRequest, 'filename' | 'media_sha256' | 'size_bytes'> & {
    /** A new recording; left out, the recording stays. */
    file?: Recording;
  } & ({ ats_id: number; access_code?: undefined } | { access_code: string; ats_id?: undefined });

export interface ReadOptions extends CallOptions {
  /** With an API key: the network of the work. It may be left out if one network alone has the number. */
  network?: Network;
}

export interface VersionOptions extends ReadOptions {
  /** The number of a version; left out, the latest one. */
  version?: number;
}

export interface ListOptions extends ReadOptions {
  /** With an API key: only the works of this end-user. */
  external_user_ref?: string;
  /** A part of the title. */
  search?: string;
  /** The size of a page, 1 to 100. */
  first?: number;
  /** The `end_cursor` of the page before. */
  after?: string;
}

/** Calls one server. A refusal is a TimbreError. It can serve many calls at once. */
export class Timbre {
  readonly #http: Http;

  constructor(options: Options) {
    this.#http = new Http(options);
  }

  /**
   * Mints a session for the page of one end-user. Needs `secretKey`, and the origin of the page. The page waits for it: give this client
   * a short `timeout` and no `retries`.
   */
  async mint({ origin, signal, ...body }: MintOptions): Promise<Session> {
    const page = origin ?? this.#http.options.origin;
    const session = await this.#http.json<Session>('POST', '/v1/sessions', {
      body: { ...body, secret_key: this.#secret() },
      headers: page ? { Origin: page } : {},
      open: true,
      signal,
    });
    if (!session.token) throw this.#http.malformed({ status: 200, text: '', requestId: undefined, retryAfter: undefined });
    return session;
  }

  /** Ends sessions of this key pair, from the next call on. Needs `secretKey`. */
  async revoke({ signal, ...body }: Omit<RevokeRequest, 'secret_key'> & CallOptions): Promise<Revoked> {
    return this.#http.json('POST', '/v1/sessions/revoke', { body: { ...body, secret_key: this.#secret() }, open: true, signal });
  }

  /** Registers a song: uploads it, asks for the price, confirms, and follows it to the end. */
  async register(options: RegisterOptions): Promise<Registered> {
    const { title, creators, network, external_user_ref, asset_storage, rehearse, file } = options;
    const body = { title, creators, network, external_user_ref, asset_storage, rehearse };
    return run(this.#http, { base: '/v1/works', init: 'init', body, step: {}, file }, options);
  }

  /** Registers a further version of a work: other creators, and perhaps another recording. */
  async update(options: UpdateOptions): Promise<Registered> {
    const { ats_id, access_code, creators, network, external_user_ref, asset_storage, rehearse, file } = options;
    const base = access_code === undefined ? `/v1/works/${ats_id}/versions` : `/v1/access/${encodeURIComponent(access_code)}/versions`;
    const step = this.#http.options.apiKey ? { network, external_user_ref } : {};
    const body = { ...step, creators, asset_storage, rehearse };
    return run(this.#http, { base, init: file ? 'init-upload' : 'init', body, step, file }, options);
  }

  /** All works, the last changed first. Reads a page when it is needed. */
  async *works(options: ListOptions = {}): AsyncGenerator<Work, void, undefined> {
    let { after } = options;
    for (;;) {
      const page = await this.worksPage({ ...options, after });
      yield* page.works;
      if (!page.page_info.has_next_page || !page.page_info.end_cursor) return;
      after = page.page_info.end_cursor;
    }
  }

  /** One page of works. A page with a search may be empty although `has_next_page` is true. */
  async worksPage({ signal, ...query }: ListOptions = {}): Promise<WorksPage> {
    return this.#get('/v1/works', { signal, query });
  }

  /** One work, by its registration number. */
  async work(ats_id: number, { signal, network }: ReadOptions = {}): Promise<Work> {
    return this.#get(`/v1/works/${ats_id}`, { signal, query: { network } });
  }

  /** All versions of a work, oldest first. */
  async versions(ats_id: number, { signal, network }: ReadOptions = {}): Promise<Versions> {
    return this.#get(`/v1/works/${ats_id}/versions`, { signal, query: { network } });
  }

  /** The creators of a version. */
  async creators(ats_id: number, { signal, network, version }: VersionOptions = {}): Promise<Creators> {
    return this.#get(`/v1/works/${ats_id}${version ? `/versions/${version}` : ''}/creators`, { signal, query: { network } });
  }

  /** The evidence of a version, as the text of its file. Needs an API key. */
  async evidence(ats_id: number, { signal, network, version }: VersionOptions = {}): Promise<string> {
    const text = await this.#http.text('GET', `/v1/works/${ats_id}/evidence`, { signal, query: { network, version } });
    this.#http.parsed(text);
    return text;
  }

  /** The work that an access code opens. */
  async workByCode(access_code: string, { signal }: CallOptions = {}): Promise<WorkByCode> {
    return this.#get(`/v1/access/${encodeURIComponent(access_code)}/work`, { signal });
  }

  /** A new access code. The old one ends at once. */
  async rotateCode(access_code: string, { signal }: CallOptions = {}): Promise<{ access_code: string }> {
    return this.#http.json('POST', `/v1/access/${encodeURIComponent(access_code)}/rotate`, { signal });
  }

  /**
   * The address of a certificate (PDF), valid for five minutes. Waits while the certificate is being made.
   * @param work_id The UUID of the work.
   */
  async certificate(
    work_id: string,
    options: VersionOptions & { /** In ms; 60,000 by default. */ waitFor?: number } = {},
  ): Promise<Download> {
    const until = performance.now() + (options.waitFor ?? 60_000);
    for (;;) {
      try {
        return await this.#download(work_id, 'certificate', options);
      } catch (error) {
        if (!is(error, 'work.certificate_unavailable') || performance.now() > until) throw error;
        await sleep(1000, options.signal);
      }
    }
  }

  /** The address of a recording, valid for five minutes. */
  async recording(work_id: string, options: VersionOptions = {}): Promise<Download> {
    return this.#download(work_id, options.version ? 'audio' : 'asset', options);
  }

  /** Where a transaction is. The id is the permission. */
  async transaction(id: string, { signal }: CallOptions = {}): Promise<Transaction> {
    return this.#get(`/v1/transactions/${encodeURIComponent(id)}`, { signal, open: true });
  }

  /** The formats and the largest file of the server. */
  async stats({ signal, network }: ReadOptions = {}): Promise<Stats> {
    return this.#get('/v1/stats', { signal, open: true, query: { network } });
  }

  /**
   * Any other route, such as those of the management API, with the same retries and errors. A POST is repeated, too: one that must
   * not happen twice needs an Idempotency-Key in `headers`.
   * @param path Begins with /.
   */
  async request<T>(method: string, path: string, call: Omit<Call, 'open'> = {}): Promise<T> {
    return this.#http.json(method, path, call);
  }

  async #get<T>(path: string, call: Call): Promise<T> {
    return this.#http.json('GET', path, call);
  }

  async #download(id: string, what: string, { signal, network, version }: VersionOptions): Promise<Download> {
    const path = `/v1/works/${encodeURIComponent(id)}${version ? `/versions/${version}` : ''}/download/${what}`;
    return this.#get(path, { signal, query: { network } });
  }

  #secret(): string {
    const { secretKey } = this.#http.options;
    if (!secretKey) throw new TypeError('Sessions need the secretKey of a key pair.');
    return secretKey;
  }
}
