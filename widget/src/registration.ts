/**
 * One registration or update being carried out: performs what the state machine says and tells it what came of it.
 * Knows no DOM and no screen; one run at a time, and a run that was stopped changes nothing any more.
 */
import { Api, expect, type Shape, type Shaped, type Target } from './api.js';
import { checkCreators, checkFile, checkSong, wireCreators } from './checks.js';
import type { FieldProblem, SavedDraft } from './draft.js';
import type { Env } from './env.js';
import type { AtsProblemDetail, Emit } from './events.js';
import { ordered, reduce, type Action, type Purpose, type Quote, type Resume, type Stage, type State } from './flow.js';
import { initial } from './state.js';
import { download, type Fetching } from './download.js';
import type { Key } from './i18n.js';
import { limitsFrom, unknown, type Limits } from './limits.js';
import type { BrowserErrorCode } from './gen/errors.js';
import { ProblemError, classOf, englishMessage, problemOf, type Problem } from './problem.js';
import { Tokens } from './token.js';
import type { Fetch, Look, Page, Second, Shelf } from './second.js';
import { TransactionFailed, track } from './tracking.js';
import { upload, type Slot } from './upload.js';
import { isCode, tidyCode, workFrom } from './work.js';

/** A transaction that may outlive the page; never the access code. */
export interface Pending {
  transactionId: string;
  wsUrl: string;
  statusUrl: string;
  title: string;
  /** Of an update: the version that it makes. */
  version?: number;
  /** It has ended well, the page was told, and nobody has kept its access code yet. */
  done?: boolean;
}

export interface Hooks {
  env: Env;
  emit: Emit;
  /** The configuration at this moment; fixed for a job when it starts. */
  target: () => Target;
  /** What the page wants now; a running job keeps the mode that it began with. */
  mode: () => Purpose;
  /** Called after every change of state. */
  changed: () => void;
  /** Remembers the transaction across a reload of the page; undefined forgets it. */
  remember: (p: Pending | undefined) => unknown;
  /** Fetches a part that has a file of its own. */
  fetchPart: Fetch;
  page: Page;
}

/** A quote whose deadline this machine's clock puts in the past is taken to live this long. */
const usualQuote = 5 * 60_000;

const codeOf = (e: unknown) => (e instanceof ProblemError ? e.problem.code : '');
/** The job that a call was about is no more. */
const isOver = (e: unknown) => /^transaction\.(expired|not_found)$/.test(codeOf(e));

export class Registration {
  state: State = initial();
  /** Largest file in bytes, 0 when unknown. */
  maxBytes = 0;
  readonly tokens: Tokens;
  /** The second file, once it is here. */
  second: Second | undefined;
  /** The end-user's works, once they were asked for. */
  shelf: Shelf | undefined;
  readonly #hooks: Hooks;
  #run = new AbortController();
  #stage: Stage = 'init';
  #api: Api;
  #slot: Slot | undefined;
  /** What takes the place of an upload. */
  #said: { media_sha256: string; size_bytes: number } | undefined;
  /** The token that serves the job: the one that began it, whatever the page gives meanwhile, until it is refused. */
  #token = '';
  /** The token that began the last job: it begins no other. */
  #spent = '';
  #pending: Pending | undefined;
  #percent = -1;
  /** The access code that was saved or copied. */
  #kept: string | undefined;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    this.tokens = new Tokens(hooks.env, () => {
      // A page that set the element up wrongly is asked for nothing: no token mends that.
      if (this.state.problem?.code !== 'widget.configuration_error')
        hooks.emit('allfeat:token-expired', { pendingAction: this.state.mode === 'download' ? 'download' : 'submit' });
    });
    this.#api = this.#newApi();
  }

  dispatch(a: Action): void {
    const next = reduce(this.state, a);
    if (next === this.state) return;
    this.state = next;
    this.#hooks.changed();
  }

  /** Looks up what the access code opens. A code that can be none is told at once. */
  open(): void {
    if (this.state.screen !== 'FORM' || this.state.opening) return;
    const code = tidyCode(this.state.code);
    if (isCode(code)) return this.resume('open');
    const key = code ? 'badCode' : 'needed';
    this.dispatch({ type: 'invalid', errors: { access_code: { key } } });
    if (code) this.tell({ code: 'access_code.format_invalid', requestId: null }, 'access_code');
  }

  /** Takes the chosen file; one that cannot be sent is told at once, before any byte leaves. */
  choose(file: File): void {
    this.dispatch({ type: 'draft', path: 'file', draft: { file } });
    const wrong = checkFile(file, this.maxBytes);
    if (!wrong) return void this.#look(file);
    const { size } = file;
    if (size) this.#refuseFile(wrong, 'registration.audio_too_large', { size_bytes: size, max_bytes: this.maxBytes });
    else this.#refuseFile(wrong, 'registration.audio_empty');
  }

  /** What was dropped is not one file: nothing of it is taken, and what was chosen before stays. */
  refuseDrop(reason: 'folder' | 'several'): void {
    this.#refuseFile({ key: reason === 'folder' ? 'errFolder' : 'errSeveral' }, 'widget.upload_error', { reason });
  }

  #refuseFile(wrong: FieldProblem, code: BrowserErrorCode, details?: Readonly<Record<string, unknown>>): void {
    this.dispatch({ type: 'invalid', errors: { ...this.state.errors, file: wrong } });
    this.tell({ code, requestId: null, ...(details && { details }) }, 'file');
  }

  /** Reads the beginning of the file on the device: refuses anything but a recording at once, and proposes a title. */
  async #look(file: File): Promise<void> {
    let seen: Look;
    try {
      seen = await (await this.#hooks.fetchPart('file', this.#hooks.target().atsUrl))(file);
    } catch {
      return; // The server will look.
    }
    const { file: now, screen, mode } = this.state;
    if (now !== file || screen !== 'FORM') return;
    if (!('title' in seen)) {
      if (this.state.step === 'creators') this.dispatch({ type: 'step', step: 'song' });
      // Another one is to be chosen: this one cannot be sent by pressing on.
      this.dispatch({ type: 'draft', path: 'file', draft: { file: null } });
      if (seen.detected) this.#refuseFile({ key: 'errFormat' }, 'registration.invalid_audio_format', { detected: seen.detected });
      else this.#refuseFile({ key: 'errUnreadable' }, 'widget.upload_error', { reason: 'unreadable' });
    } else if (mode === 'register' && seen.title) this.dispatch({ type: 'proposed', title: seen.title });
  }

  /** Takes up what an earlier page was told. */
  restore(saved: SavedDraft): void {
    this.dispatch({ type: 'restored', saved });
  }

  /** Empties the form. */
  empty(): void {
    if (this.state.screen !== 'FORM') return;
    this.dispatch({ type: 'reset', mode: this.state.mode, own: this.state.own });
    this.browse();
  }

  /** The access code was saved or copied: a page that is loaded again need not show it again. */
  codeKept(): void {
    this.#kept = this.state.accessCode;
    if (this.state.screen === 'COMPLETE') this.#hooks.remember(undefined);
  }

  /** Another widget goes on in this one's place. */
  giveWay(mode: Purpose): void {
    this.#clear(mode);
  }

  /** Of an update: the registered recording stays. */
  unchoose(): void {
    this.dispatch({ type: 'draft', path: 'file', draft: { file: null } });
  }

  /** Leaves the first page of the form when it is in order. */
  next(): void {
    const errors = this.#checkSong();
    if (Object.keys(errors).length) {
      this.dispatch({ type: 'invalid', errors });
    } else this.dispatch({ type: 'step', step: 'creators' });
  }

  /** Sends everything, up to the price. Does nothing but mark the fields when something is missing. */
  submit(): void {
    if (this.state.screen !== 'FORM') return;
    const song = this.#checkSong();
    const errors = { ...song, ...checkCreators(this.state.creators) };
    if (Object.keys(errors).length) {
      if (Object.keys(song).length) this.dispatch({ type: 'step', step: 'song' });
      this.dispatch({ type: 'invalid', errors });
      return;
    }
    this.resume('init');
  }

  /** The user agrees to the price. */
  confirm(): void {
    const { screen, phase, quoteOver } = this.state;
    if (screen === 'CONFIRMING' && phase === 'review' && !quoteOver) this.resume('confirm');
  }

  requote(): void {
    if (this.state.screen === 'CONFIRMING' && this.state.phase === 'review') this.resume('prepare');
  }

  retry(): void {
    if (this.state.screen === 'FAILED') this.resume(this.state.resume);
  }

  /** Gives the job up and goes back to the form, everything kept. Not possible once it may have been ordered. */
  edit(): void {
    if (ordered(this.state)) return;
    this.#stop();
    this.dispatch({ type: 'form' });
    this.browse();
  }

  /**
   * Reads what the form begins with, anew: the end-user's works, and the file that shows them.
   * elsewhere: of another network or server, where the number of what was chosen may be another song's.
   */
  browse(elsewhere = false): void {
    if (elsewhere && this.state.own) this.dispatch({ type: 'reset', mode: this.state.mode, own: true });
    const { screen, step, mode } = this.state;
    if (screen !== 'FORM' || (step === 'code' ? this.second : step !== 'works' && mode !== 'download')) return;
    this.#forget();
    this.resume('open');
  }

  #forget(): void {
    this.shelf?.stop();
    this.shelf = undefined;
  }

  /** Back to the empty form; stops whatever runs. */
  reset(mode: Purpose): void {
    this.#clear(mode);
    this.#hooks.remember(undefined);
    this.#hooks.emit('allfeat:token-expired', { pendingAction: 'reset' });
  }

  /**
   * Gives the empty form of another mode, unless that is what there is. What was ordered and has not ended is not left for it.
   * first: the page is still saying what it wants, in any order: the token that it gave is one for this mode.
   */
  switch(mode: Purpose, first = false): boolean {
    if ((mode === this.state.mode && this.#own(mode) === this.state.own) || (this.state.screen !== 'COMPLETE' && ordered(this.state))) return false;
    const token = this.tokens.value;
    this.#clear(mode);
    if (first) this.tokens.set(token);
    else this.tokens.expect(true);
    return true;
  }

  /**
   * Another end-user is there: everything of the former goes, what was ordered too; the server carries that out. Without an
   * end-user of the page an order has an access code that is told only once: it is followed to its end.
   */
  leave(mode: Purpose, user: string): boolean {
    if (!user && this.state.screen !== 'COMPLETE' && ordered(this.state)) return false;
    this.#clear(mode);
    this.tokens.expect(true);
    return true;
  }

  #clear(mode: Purpose): void {
    this.#stop();
    this.#forget();
    this.#pending = this.#slot = undefined;
    this.#token = '';
    this.tokens.clear();
    this.dispatch({ type: 'reset', mode, own: this.#own(mode) });
  }

  #own = (mode: Purpose): boolean => mode !== 'register' && !!this.#hooks.target().externalUserId;

  /** Goes on following a transaction that an earlier page began. */
  recall(p: Pending, saved?: SavedDraft): void {
    this.#pending = p;
    this.#api = this.#newApi();
    this.dispatch({ type: 'recalled', transactionId: p.transactionId, title: p.title, version: p.version, own: this.#own('update'), saved });
    this.resume('track');
  }

  /** Stops an upload whose element left the page for good, and downloads that wait. */
  abandon(): void {
    this.shelf?.stop();
    if (this.state.screen === 'UPLOAD') this.edit();
  }

  /** A problem found before anything was sent, such as a missing attribute. */
  refuse(problem: Problem): void {
    this.#stop();
    this.#fail(new ProblemError(problem.code, problem.details, problem.requestId), 'setup');
  }

  resume(from: Resume): void {
    if (from === 'none') return;
    // After a reload there is no code to look up: it is asked for.
    if (from === 'form' || (from === 'open' && this.second && !this.state.code && !this.state.own)) return this.edit();
    this.#stop();
    const signal = this.#run.signal;
    this.#perform(from, signal).catch((e: unknown) => {
      // A run that was stopped has nothing to say.
      if (!signal.aborted) this.#fail(e, this.#stage);
    });
  }

  #stop(): void {
    this.#run.abort();
    this.#run = new AbortController();
  }

  #checkSong() {
    return checkSong(this.state, this.maxBytes, this.state.mode === 'update');
  }

  async #perform(from: Exclude<Resume, 'none' | 'form'>, signal: AbortSignal): Promise<void> {
    if (from === 'open') return this.#open(signal);
    if (from === 'prepare') {
      try {
        return await this.#price(signal);
      } catch (e) {
        if (!isOver(e)) throw e;
        // The job is over, with what was uploaded. Nothing was ordered: it is begun anew.
        from = 'init';
      }
    }
    if (from === 'init') this.#api = this.#newApi();
    if (from === 'init' || from === 'upload') {
      const { file } = this.state;
      this.dispatch({ type: file ? 'sending' : 'preparing' });
      if (from === 'init' || !this.#slot) this.#slot = await this.#init(signal);
      if (file) await (this.#slot ? this.#upload(file, this.#slot, signal) : this.#read(file, signal));
      return this.#price(signal);
    }
    if (from === 'confirm') await this.#confirm(signal);
    await this.#track(signal);
  }

  /** Asks for the price, and shows it until its time is over. */
  async #price(signal: AbortSignal): Promise<void> {
    const quote = await this.#prepare(signal);
    this.dispatch({ type: 'quoted', quote });
    // A price must not be agreed to after its time.
    await this.#hooks.env.sleep(quote.expiresAt - this.#hooks.env.now(), signal);
    this.dispatch({ type: 'quoteOver' });
  }

  async #open(signal: AbortSignal): Promise<void> {
    this.#stage = 'open';
    this.#api = this.#newApi();
    this.dispatch({ type: 'opening' });
    this.second ??= await this.#hooks.fetchPart('works', this.#api.target.atsUrl);
    signal.throwIfAborted();
    if (this.state.own) {
      this.shelf ??= this.second.shelf(this, this.#hooks.env, this.#api.target, this.#hooks.page);
      const to = await this.shelf.open(signal);
      return this.dispatch(typeof to === 'string' ? { type: 'looked', step: to } : { type: 'found', work: to });
    }
    const code = tidyCode(this.state.code);
    if (!code) return this.dispatch({ type: 'looked', step: 'code' });
    const body = await this.#api.call(
      'GET',
      `/v1/access/${code}/work`,
      { ats_id: 'number', title: 'string', latest_version: 'number' },
      { auth: true, signal },
    );
    this.dispatch({ type: 'found', work: workFrom(body, code) });
  }

  /** Reads what belongs to the end-user. */
  read<S extends Shape>(path: string, shape: S, signal: AbortSignal): Promise<Shaped<S>> {
    return this.#api.call('GET', path, shape, { auth: true, signal });
  }

  /** A call that belongs to the job, by the routes of its kind. */
  async #call<S extends Shape>(action: string, shape: S, signal: AbortSignal, body?: object): Promise<Shaped<S>> {
    const { mode, own, work, code, jobId } = this.state;
    const routes = mode !== 'update' ? '/v1/works/' : (own ? `/v1/works/${work?.atsId}` : `/v1/access/${tidyCode(code)}`) + '/versions/';
    const o = { auth: true, token: this.#token, signal, body: body ?? { job_id: jobId } };
    const answer = await this.#api.call('POST', routes + action, shape, o);
    this.#token = this.#api.used;
    return answer;
  }

  /** Begins a job. Undefined when there is nothing to upload for it. */
  async #init(signal: AbortSignal): Promise<Slot | undefined> {
    this.#stage = 'init';
    this.#token = '';
    this.#said = undefined;
    if (this.tokens.value === this.#spent) this.tokens.clear();
    const { mode, file, title } = this.state;
    const { network, externalUserId } = this.#api.target;
    const update = mode === 'update';
    const job = await this.#call(update && file ? 'init-upload' : 'init', { job_id: 'string' }, signal, {
      creators: wireCreators(this.state.creators),
      ...(file && { filename: file.name, size_bytes: file.size }),
      ...(!update && { title: title.trim(), network, ...(externalUserId && { external_user_ref: externalUserId }) }),
    });
    this.#spent = this.#token;
    this.dispatch({ type: 'opened', jobId: job.job_id });
    return file && job['upload'] !== 'none' ? this.#slotOf(expect(job, { upload_url: 'string' }).upload_url, job['upload_expires_at']) : undefined;
  }

  /** Another slot, for the same job where that is possible. */
  async #renewSlot(signal: AbortSignal): Promise<Slot> {
    try {
      const job = await this.#call('upload', { upload_url: 'string' }, signal);
      return (this.#slot = this.#slotOf(job.upload_url, job['upload_expires_at']));
    } catch (e) {
      // Nothing was uploaded that could be lost with the job; and a server that cannot renew slots says not_found.
      if (!isOver(e) && codeOf(e) !== 'common.not_found') throw e;
      return (this.#slot = (await this.#init(signal))!);
    } finally {
      this.#stage = 'upload';
    }
  }

  /** A deadline that this machine's clock puts in the past says nothing: the store will tell. */
  #slotOf(url: unknown, expires: unknown): Slot {
    const end = Date.parse(String(expires));
    return { url: String(url), expiresAt: end > this.#hooks.env.now() ? end : Infinity };
  }

  async #upload(file: File, slot: Slot, signal: AbortSignal): Promise<void> {
    this.#stage = 'upload';
    this.#percent = -1;
    const { name: filename, size } = file;
    this.#hooks.emit('allfeat:upload-start', { filename, size });
    await upload(this.#api, {
      file,
      slot,
      renew: () => this.#renewSlot(signal),
      onProgress: (loaded) => this.#progress(Math.min(loaded, size), size),
      signal,
    });
    this.#progress(size, size);
    this.#hooks.emit('allfeat:upload-complete', { filename });
  }

  /** The file stays here: its hash is all that is sent. */
  async #read(file: File, signal: AbortSignal): Promise<void> {
    this.#stage = 'upload';
    const hash = await this.#hooks.fetchPart('hash', this.#api.target.atsUrl);
    signal.throwIfAborted();
    const onProgress = (loaded: number) => this.dispatch({ type: 'progress', loaded, stays: true });
    onProgress(0);
    this.#said = { media_sha256: '0x' + (await hash(file, onProgress, signal)), size_bytes: file.size };
  }

  /** One event for each percent is enough for anyone. */
  #progress(loaded: number, total: number): void {
    const progress = total ? Math.floor((loaded / total) * 100) : 100;
    if (progress === this.#percent) return;
    this.#percent = progress;
    this.dispatch({ type: 'progress', loaded });
    this.#hooks.emit('allfeat:upload-progress', { progress, loaded, total });
  }

  async #prepare(signal: AbortSignal): Promise<Quote> {
    this.#stage = 'prepare';
    this.dispatch({ type: 'preparing' });
    const shape = { commitment: 'string', total_price_credits: 'number', is_valid: 'boolean', expires_at: 'string' } as const;
    const q = await this.#call('prepare', shape, signal, { job_id: this.state.jobId, ...this.#said });
    if (!q.is_valid) throw new ProblemError('registration.dry_run_failed');
    const now = this.#hooks.env.now();
    const end = Date.parse(q.expires_at);
    const parts: [Key, number][] = [
      ['feeNetwork', Number(q['network_fee_credits'])],
      ['feeDeposit', Number(q['total_deposit_credits'] ?? q['version_deposit_credits'])],
      ['feeService', Number(q['service_fee_credits'])],
      ['feeStorage', Number(q['storage_fee_credits'])],
    ];
    return {
      total: q.total_price_credits,
      parts: parts.filter(([, n]) => n > 0),
      commitment: q.commitment,
      ...(this.#said && { fileHash: this.#said.media_sha256 }),
      ...(q['incomplete_last_frame'] === true && { cut: true }),
      expiresAt: end > now ? end : now + usualQuote,
    };
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    this.#stage = 'confirm';
    this.dispatch({ type: 'confirming' });
    const { title, version } = this.state;
    const named = { title: title.trim(), ...(version && { version }) };
    let id: string;
    let accessCode: string | undefined;
    try {
      const shape = { transaction_id: 'string', ws_url: 'string', status_url: 'string' } as const;
      const c = await this.#call('confirm', shape, signal);
      id = c.transaction_id;
      accessCode = typeof c['access_code'] === 'string' ? c['access_code'] : undefined;
      this.#pending = { transactionId: id, wsUrl: c.ws_url, statusUrl: c.status_url, ...named };
    } catch (e) {
      // The first confirm went through and its answer was lost: follow what it began.
      const p = e instanceof ProblemError ? e.problem : undefined;
      if (p?.code !== 'transaction.already_confirmed' || typeof p.details?.['transaction_id'] !== 'string') throw e;
      id = p.details['transaction_id'];
      this.#pending = {
        transactionId: id,
        wsUrl: `v1/ws/transactions/${encodeURIComponent(id)}`,
        statusUrl: `v1/transactions/${encodeURIComponent(id)}`,
        ...named,
      };
    }
    this.#hooks.remember(this.#pending);
    this.dispatch({ type: 'confirmed', transactionId: id, accessCode });
    this.#hooks.emit('allfeat:confirmed', { transactionId: id });
  }

  async #track(signal: AbortSignal): Promise<void> {
    this.#stage = 'track';
    const p = this.#pending!;
    if (this.state.screen !== 'TRACKING') this.dispatch({ type: 'confirmed', transactionId: p.transactionId });
    let reached = this.state.steps.at(-1)?.progress ?? -1;
    const result = await track(this.#api, {
      wsUrl: p.wsUrl,
      statusUrl: p.statusUrl,
      signal,
      onStep: (step) => {
        if (step.progress <= reached) return; // told before the retry
        reached = step.progress;
        this.dispatch({ type: 'tracked', step });
        if (!p.done) this.#hooks.emit('allfeat:step', { ...step });
      },
    });
    const accessCode = this.state.accessCode ?? result.accessCode;
    if (p.done) {
      // The page was told before. Without its code there is nothing left to show.
      if (accessCode) return this.dispatch({ type: 'completed', result });
      this.#hooks.remember(undefined);
      this.#pending = undefined;
      const mode = this.#hooks.mode();
      this.dispatch({ type: 'reset', mode, own: this.#own(mode) });
      return this.browse();
    }
    this.#hooks.remember(accessCode && accessCode !== this.#kept ? { ...p, done: true } : undefined);
    this.dispatch({ type: 'completed', result });
    const { atsId, txHash, blockNumber, explorerUrl } = result;
    this.#hooks.emit('allfeat:complete', { atsId, txHash, blockNumber, explorerUrl, ...(accessCode && { accessCode }) });
  }

  /** There is an end-user of the page, who needs no access code. */
  get known(): boolean {
    return !!this.#api.target.externalUserId;
  }

  /** Downloads the certificate of what was registered, or of what the access code opened. Whatever comes of it, the screen stays as it is. */
  async certificate(): Promise<void> {
    const { result, work, certificate, transactionId = '' } = this.state;
    // After a reload the token that began the job is gone: the transaction says whose the certificate is.
    const path = result
      ? result.workId && `/v1/works/${encodeURIComponent(result.workId)}/download/certificate?transaction=${encodeURIComponent(transactionId)}`
      : work?.code && `/v1/access/${work.code}/versions/${work.version}/download/certificate`;
    if (!path || /busy|waiting/.test(certificate?.state ?? '')) return;
    const signal = this.#run.signal;
    const api = this.#api;
    const stands = (f: Fetching) => this.dispatch({ type: 'certificate', certificate: f });
    stands({ state: 'busy' });
    try {
      await download(
        () => api.call('GET', path, { url: 'string' }, { auth: true, token: this.#token, signal }),
        () => stands({ state: 'waiting' }),
        this.#hooks.env,
        signal,
      );
      stands({ state: 'begun' });
    } catch (thrown) {
      if (signal.aborted) return;
      const problem = problemOf(thrown);
      stands({ state: 'refused', problem });
      this.tell(problem, 'certificate');
    }
  }

  /** What was being read could not be. */
  fail(thrown: unknown): void {
    this.#stop();
    this.#fail(thrown, 'open');
  }

  #fail(thrown: unknown, stage: Stage): void {
    const problem = problemOf(thrown);
    const ended = thrown instanceof TransactionFailed;
    this.dispatch({ type: 'problem', problem, stage, ended });
    // What can still be followed is not forgotten; what the server does not know is not met again by a reload.
    if (stage === 'track' && (!ordered(this.state) || problem.code === 'transaction.not_found')) this.#hooks.remember(undefined);
    if (this.state.screen === 'FORM') this.tell(problem, Object.keys(this.state.errors)[0]!.split('.')[0]!);
    else this.#hooks.emit('allfeat:failed', detail(problem));
  }

  /** Tells the page of a problem that stands beside its field. */
  tell(problem: Problem, stage: string): void {
    this.#hooks.emit('allfeat:error', { ...detail(problem), stage });
  }

  #newApi(quiet = false): Api {
    return new Api(this.#hooks.env, this.#hooks.target(), this.tokens, (notice, seconds) => {
      if (!quiet) this.dispatch({ type: 'notice', notice, ...(seconds && { seconds }) });
    });
  }

  /** Reads the limits that the server states. Without them the server still decides. */
  async limits(): Promise<Limits> {
    const api = this.#newApi(true);
    try {
      const stats = await api.call(
        'GET',
        `/v1/stats?network=${encodeURIComponent(api.target.network)}`,
        { max_audio_size_bytes: 'number' },
        // Not of the run: what the user begins meanwhile does not end it.
        { signal: new AbortController().signal },
      );
      return limitsFrom(stats);
    } catch (e) {
      const p = problemOf(e);
      if (classOf(p.code) === 'disabled' && this.state.screen === 'FORM') this.refuse(p);
      return unknown;
    }
  }
}

// A server's details are what it sent: their types promise no more than that.
const detail = (p: Problem) =>
  ({
    code: p.code,
    message: englishMessage(p),
    requestId: p.requestId,
    ...(p.details && { details: p.details }),
  }) as AtsProblemDetail;

