/**
 * Carries out one registration or update: performs the steps of the state machine and reports their results to it. Knows no DOM and no
 * screen. One run at a time; a stopped run changes nothing.
 */
import { Api, expect, type Shape, type Shaped, type Target } from './ats/api.js';
import { checkCreators, checkFile, checkSong, wireCreators } from './form/checks.js';
import type { FieldProblem, SavedDraft } from './form/draft.js';
import type { Env } from './env.js';
import type { AtsProblemDetail, Emit } from './events.js';
import { ordered, reduce, type Action } from './machine.js';
import type { Pace, Purpose, Quote, Resume, Stage, State } from './state.js';
import { initial } from './state.js';
import { download, type Fetching } from './ats/download.js';
import type { Key } from './i18n/texts.js';
import { limitsFrom, unknown, type Limits } from './ats/limits.js';
import type { AtsErrorCode } from './gen/errors.js';
import { ProblemError, classOf, englishMessage, problemOf, type Problem } from './ats/problem.js';
import { Tokens } from './ats/token.js';
import type { Fetch, Look, Page, PartsAnswer, WorksPart, Library } from './parts/contract.js';
import { TransactionFailed, track } from './ats/tracking.js';
import { upload, type Slot } from './ats/upload.js';
import { isCode, tidyCode, workFrom } from './ats/work.js';

/** A transaction that may outlive the page; never the access code. */
export interface Pending {
  transactionId: string;
  wsUrl: string;
  statusUrl: string;
  title: string;
  /** In an update: the version that it creates. */
  version?: number;
  /** The transaction succeeded and the page received the event, but the access code is not saved yet. */
  done?: boolean;
}

/** A large upload that a page may continue after a reload. The file has to be chosen again; never a token. */
export interface Begun {
  readonly jobId: string;
  readonly name: string;
  readonly size: number;
  /** The time of the file's last change. */
  readonly modified: number;
  /** Tells the file apart from others, and what the job registers from other forms. */
  readonly file: string;
  readonly form: string;
}

export interface Hooks {
  env: Env;
  emit: Emit;
  /** The current configuration; fixed for a job when it starts. */
  target: () => Target;
  /** The mode that the page wants now; a running job keeps the mode that it started with. */
  mode: () => Purpose;
  /** Called after every change of state. */
  changed: () => void;
  /** Stores the transaction across a reload of the page; undefined forgets it. */
  remember: (p: Pending | undefined) => unknown;
  /** The stored upload of this place, and its change; undefined forgets it. */
  begun: () => Begun | undefined;
  keep: (u: Begun | undefined) => unknown;
  /** Fetches a part that has its own file. */
  fetchPart: Fetch;
  page: Page;
}

/** If this machine's clock puts the deadline of a quote in the past, the quote counts as valid for this long. */
const usualQuote = 5 * 60_000;

const codeOf = (e: unknown) => (e instanceof ProblemError ? e.problem.code : '');
/** The job of the call no longer exists. */
const isGone = (e: unknown) => /^transaction\.(expired|not_found)$/.test(codeOf(e));

export class Flow {
  state: State = initial();
  /** Largest file in bytes, 0 when unknown. */
  maxBytes = 0;
  /** Files of at least so many bytes are sent in parts; 0: none. */
  partsFrom = 0;
  readonly tokens: Tokens;
  /** The works file, once it is loaded. */
  works: WorksPart | undefined;
  /** The end-user's works, once they were requested. */
  library: Library | undefined;
  readonly #hooks: Hooks;
  #run = new AbortController();
  #stage: Stage = 'init';
  #api: Api;
  #slot: Slot | undefined;
  /** The operation that replaces an upload. */
  #said: { media_sha256: string; size_bytes: number } | undefined;
  /** The hash of a file that was sent in parts: the server registers no other one. */
  #sent: { media_sha256: string } | undefined;
  /** The token of the job: the one that started it, even if the page gives another, until it is refused. */
  #token = '';
  /** The token that started the last job: it cannot start another. */
  #spent = '';
  #pending: Pending | undefined;
  #percent = -1;
  /** The element left the page for good: nothing new begins. */
  #away = false;
  /** The access code that was saved or copied. */
  #kept: string | undefined;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    this.tokens = new Tokens(hooks.env, () => {
      // A page that set up the element wrongly is not asked for a token: no token fixes that.
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

  /** Looks up the work of the access code. A code of the wrong form is reported immediately. */
  open(): void {
    if (this.state.screen !== 'FORM' || this.state.opening) return;
    const code = tidyCode(this.state.code);
    if (isCode(code)) return this.resume('open');
    const key = code ? 'badCode' : 'needed';
    this.dispatch({ type: 'invalid', errors: { access_code: { key } } });
    if (code) this.report({ code: 'access_code.format_invalid', requestId: null }, 'access_code');
  }

  /** Takes the chosen file. A file that cannot be sent is reported immediately, before any byte leaves. */
  choose(file: File): void {
    this.dispatch({ type: 'draft', path: 'file', draft: { file } });
    const wrong = checkFile(file, this.maxBytes);
    if (!wrong) {
      void this.#recognise(file);
      return void this.#look(file);
    }
    const { size } = file;
    if (size) this.#refuseFile(wrong, 'registration.audio_too_large', { size_bytes: size, max_bytes: this.maxBytes });
    else this.#refuseFile(wrong, 'registration.audio_empty');
  }

  /** The drop was not one file: it is refused as a whole, and the chosen file stays. */
  refuseDrop(reason: 'folder' | 'several'): void {
    this.#refuseFile({ key: reason === 'folder' ? 'errFolder' : 'errSeveral' }, 'widget.upload_error', { reason });
  }

  #refuseFile(wrong: FieldProblem, code: AtsErrorCode, details?: Readonly<Record<string, unknown>>): void {
    this.dispatch({ type: 'invalid', errors: { ...this.state.errors, file: wrong } });
    this.report({ code, requestId: null, ...(details && { details }) }, 'file');
  }

  /** Reads the beginning of the file on the device: refuses anything but a recording immediately, and proposes a title. */
  async #look(file: File): Promise<void> {
    let seen: Look;
    try {
      seen = await (await this.#hooks.fetchPart('file', this.#hooks.target().atsUrl)).look(file);
    } catch {
      return; // The server will check.
    }
    const { file: now, screen, mode } = this.state;
    if (now !== file || screen !== 'FORM') return;
    if (!('title' in seen)) {
      if (this.state.step === 'creators') this.dispatch({ type: 'step', step: 'song' });
      // Another file has to be chosen: continuing does not send this one.
      this.dispatch({ type: 'draft', path: 'file', draft: { file: null } });
      if (seen.detected) this.#refuseFile({ key: 'errFormat' }, 'registration.invalid_audio_format', { detected: seen.detected });
      else this.#refuseFile({ key: 'errUnreadable' }, 'widget.upload_error', { reason: 'unreadable' });
    } else if (mode === 'register' && seen.title) this.dispatch({ type: 'proposed', title: seen.title });
  }

  /** After a reload: is this the file whose upload had begun? */
  async #recognise(file: File): Promise<void> {
    const begun = this.#hooks.begun();
    if (!begun) return;
    const other = () => this.dispatch({ type: 'another', file, name: begun.name });
    if (begun.size !== file.size || begun.modified !== file.lastModified) {
      other();
      return;
    }
    try {
      const large = await this.#hooks.fetchPart('large', this.#hooks.target().atsUrl);
      const same = (await large.print(file)) === begun.file;
      if (this.state.screen !== 'FORM') return;
      if (same) this.dispatch({ type: 'partly', file });
      else other();
    } catch {
      // The upload begins again.
    }
  }

  /** Resumes with the data that an earlier page received. */
  restore(saved: SavedDraft): void {
    this.dispatch({ type: 'restored', saved });
  }

  /** Empties the form. */
  empty(): void {
    if (this.state.screen !== 'FORM') return;
    this.#hooks.keep(undefined);
    this.dispatch({ type: 'reset', mode: this.state.mode, own: this.state.own });
    this.browse();
  }

  /** The access code was saved or copied: after a reload the page does not show it again. */
  codeKept(): void {
    this.#kept = this.state.accessCode;
    if (this.state.screen === 'COMPLETE') this.#hooks.remember(undefined);
  }

  /** Another widget takes over from this one. */
  giveWay(mode: Purpose): void {
    this.#clear(mode);
  }

  /** In an update: the registered recording stays. */
  unchoose(): void {
    this.dispatch({ type: 'draft', path: 'file', draft: { file: null } });
  }

  /** Leaves the first page of the form when it is valid. */
  next(): void {
    const errors = this.#checkSong();
    if (Object.keys(errors).length) {
      this.dispatch({ type: 'invalid', errors });
    } else this.dispatch({ type: 'step', step: 'creators' });
  }

  /** Sends everything, up to the price. Only marks the fields when something is missing. */
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

  /** Cancels the job and returns to the form, everything kept. Not possible once it may have been ordered. */
  edit(): void {
    if (ordered(this.state)) return;
    this.#stop();
    this.dispatch({ type: 'form' });
    this.browse();
  }

  /**
   * Reads the start of the form again: the end-user's works, and the file that shows them.
   * elsewhere: another network or server, where the number of the chosen work may belong to another song.
   */
  browse(elsewhere = false): void {
    if (elsewhere && this.state.own) this.dispatch({ type: 'reset', mode: this.state.mode, own: true });
    const { screen, step, mode } = this.state;
    if (screen !== 'FORM' || (step === 'code' ? this.works : step !== 'works' && mode !== 'download')) return;
    this.#forget();
    this.resume('open');
  }

  #forget(): void {
    this.library?.stop();
    this.library = undefined;
  }

  /** Returns to the empty form; stops all work. */
  reset(mode: Purpose): void {
    this.#clear(mode);
    this.#hooks.remember(undefined);
    this.#hooks.keep(undefined);
    this.#hooks.emit('allfeat:token-expired', { pendingAction: 'reset' });
  }

  /**
   * Gives the empty form of another mode, unless it is already shown. An order that has not ended stays.
   * first: the page is still setting the element up, in any order: the token that it gave is for this mode.
   */
  switch(mode: Purpose, first = false): boolean {
    if ((mode === this.state.mode && this.#own(mode) === this.state.own) || (this.state.screen !== 'COMPLETE' && ordered(this.state)))
      return false;
    const token = this.tokens.value;
    this.#clear(mode);
    if (first) this.tokens.set(token);
    else this.tokens.expect(true);
    return true;
  }

  /**
   * Another end-user is here: everything of the previous one (user) is removed, and so is a running order, which the server completes.
   * An order without an end-user has an access code that is shown only once: the widget follows such an order to its end.
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

  /** Follows a transaction that an earlier page started. */
  recall(p: Pending, saved?: SavedDraft): void {
    this.#pending = p;
    this.#api = this.#newApi();
    this.dispatch({
      type: 'recalled',
      transactionId: p.transactionId,
      title: p.title,
      version: p.version,
      own: this.#own('update'),
      saved,
    });
    this.resume('track');
  }

  /**
   * The element left the page for good: everything that waits ends, and an upload is cancelled. The answer to an order is still waited for,
   * because the transaction and its access code are in it.
   */
  abandon(): void {
    this.#away = true;
    this.library?.stop();
    const { screen, phase, opening } = this.state;
    if (screen === 'CONFIRMING' && phase === 'confirming') return;
    if (screen === 'UPLOAD') return this.edit();
    this.#stop();
    if (opening) this.dispatch({ type: 'form' });
    // The button for it works again.
    this.dispatch({ type: 'certificate', certificate: undefined });
  }

  /** The abandoned element is in the page again: it continues where it was. */
  comeBack(): void {
    this.#away = false;
    const { screen, phase, quote, quoteOver } = this.state;
    if (screen === 'TRACKING') this.resume('track');
    else if (screen !== 'CONFIRMING') return;
    else if (phase === 'preparing') this.resume('prepare');
    else if (phase === 'review' && quote && !quoteOver) this.#expire(quote, this.#run.signal).catch(() => {});
  }

  /** A problem found before anything was sent, such as a missing attribute. */
  refuse(problem: Problem): void {
    this.#stop();
    this.#fail(new ProblemError(problem.code, problem.details, problem.requestId), 'setup');
  }

  resume(from: Resume): void {
    if (from === 'none') return;
    // After a reload the access code is unknown: the user is asked for it.
    if (from === 'form' || (from === 'open' && this.works && !this.state.code && !this.state.own)) return this.edit();
    this.#stop();
    const signal = this.#run.signal;
    this.#perform(from, signal).catch((e: unknown) => {
      // A stopped run reports nothing.
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
        await this.#price(signal);
        return;
      } catch (e) {
        // The job has expired, and its upload with it. Nothing was ordered: start a new job.
        if (isGone(e)) from = 'init';
        else if (await this.#otherKept(e, signal)) from = 'upload';
        else throw e;
      }
    }
    if (from === 'init') this.#api = this.#newApi();
    if (from === 'init' || from === 'upload') {
      const { file } = this.state;
      this.dispatch({ type: file ? 'sending' : 'preparing' });
      if (from === 'init' || !this.#slot) this.#slot = await this.#init(signal);
      for (let again = false; ; again = true) {
        if (file) await (this.#slot ? this.#upload(file, this.#slot, signal) : this.#read(file, signal));
        try {
          await this.#price(signal);
          return;
        } catch (e) {
          if (again || !(await this.#otherKept(e, signal))) throw e;
          this.dispatch({ type: 'sending' });
        }
      }
    }
    if (from === 'confirm') await this.#confirm(signal);
    if (!this.#away) await this.#track(signal);
  }

  /**
   * The store has other bytes than were sent, and they are removed. Some stores keep a part whose connection broke, as if it were complete.
   */
  async #otherKept(e: unknown, signal: AbortSignal): Promise<boolean> {
    if (!this.#sent || !(e instanceof ProblemError) || e.problem.details?.['reason'] !== 'other_file') return false;
    await this.#call('parts/abort', { job_id: 'string' }, signal);
    return true;
  }

  /** Asks for the price, and shows it until it expires. */
  async #price(signal: AbortSignal): Promise<void> {
    const quote = await this.#prepare(signal);
    this.dispatch({ type: 'quoted', quote });
    await this.#expire(quote, signal);
  }

  /** A price must not be agreed to after it has expired. */
  async #expire(quote: Quote, signal: AbortSignal): Promise<void> {
    await this.#hooks.env.sleep(quote.expiresAt - this.#hooks.env.now(), signal);
    this.dispatch({ type: 'quoteOver' });
  }

  async #open(signal: AbortSignal): Promise<void> {
    this.#stage = 'open';
    this.#api = this.#newApi();
    this.dispatch({ type: 'opening' });
    this.works ??= await this.#hooks.fetchPart('works', this.#api.target.atsUrl);
    signal.throwIfAborted();
    if (this.state.own) {
      this.library ??= this.works.library(this, this.#hooks.env, this.#api.target, this.#hooks.page);
      const to = await this.library.open(signal);
      this.dispatch(typeof to === 'string' ? { type: 'looked', step: to } : { type: 'found', work: to });
      return;
    }
    const code = tidyCode(this.state.code);
    if (!code) {
      this.dispatch({ type: 'looked', step: 'code' });
      return;
    }
    const body = await this.#api.call(
      'GET',
      `/v1/access/${code}/work`,
      { ats_id: 'number', title: 'string', latest_version: 'number' },
      { auth: true, signal },
    );
    this.dispatch({ type: 'found', work: workFrom(body, code) });
  }

  /** Reads data of the end-user. */
  read<S extends Shape>(path: string, shape: S, signal: AbortSignal): Promise<Shaped<S>> {
    return this.#api.call('GET', path, shape, { auth: true, signal });
  }

  /** A call of the job, on the routes of its kind. */
  async #call<S extends Shape>(action: string, shape: S, signal: AbortSignal, body?: object): Promise<Shaped<S>> {
    const { mode, own, work, code, jobId } = this.state;
    const routes = mode !== 'update' ? '/v1/works/' : (own ? `/v1/works/${work?.atsId}` : `/v1/access/${tidyCode(code)}`) + '/versions/';
    const o = { auth: true, token: this.#token, signal, body: body ?? { job_id: jobId } };
    const answer = await this.#api.call('POST', routes + action, shape, o);
    this.#token = this.#api.used;
    return answer;
  }

  /** Starts a job. Undefined when it has nothing to upload. */
  async #init(signal: AbortSignal): Promise<Slot | undefined> {
    this.#stage = 'init';
    this.#token = '';
    this.#said = this.#sent = undefined;
    if (this.tokens.value === this.#spent) this.tokens.clear();
    const { mode, file, title } = this.state;
    const { network, externalUserId } = this.#api.target;
    const update = mode === 'update';
    const body = {
      creators: wireCreators(this.state.creators),
      ...(file && { filename: file.name, size_bytes: file.size }),
      ...(!update && { title: title.trim(), network, ...(externalUserId && { external_user_ref: externalUserId }) }),
    };
    const begun = file && this.#inParts(file) ? await this.#printOf(file, body, signal) : undefined;
    const before = this.#hooks.begun();
    if (begun && before?.file === begun.file && before.form === begun.form && begun.file && begun.form) {
      this.dispatch({ type: 'opened', jobId: before.jobId });
      return { url: '', expiresAt: Infinity, continues: true };
    }
    this.#hooks.keep(undefined);
    const job = await this.#call(update && file ? 'init-upload' : 'init', { job_id: 'string' }, signal, body);
    this.#spent = this.#token;
    this.dispatch({ type: 'opened', jobId: job.job_id });
    if (begun?.file && begun.form && job['upload'] !== 'none') this.#hooks.keep({ ...begun, jobId: job.job_id });
    return file && job['upload'] !== 'none'
      ? this.#slotOf(expect(job, { upload_url: 'string' }).upload_url, job['upload_expires_at'])
      : undefined;
  }

  /** Another upload URL, for the same job if possible. */
  async #renewSlot(signal: AbortSignal): Promise<Slot> {
    try {
      const job = await this.#call('upload', { upload_url: 'string' }, signal);
      return (this.#slot = this.#slotOf(job.upload_url, job['upload_expires_at']));
    } catch (e) {
      // Nothing was uploaded that could be lost with the job. A server that cannot renew upload URLs answers not_found.
      if (!isGone(e) && codeOf(e) !== 'common.not_found') throw e;
      return (this.#slot = (await this.#init(signal))!);
    } finally {
      this.#stage = 'upload';
    }
  }

  /** If this machine's clock puts a deadline in the past, the deadline is ignored: the store decides. */
  #slotOf(url: unknown, expires: unknown): Slot {
    const end = Date.parse(String(expires));
    return { url: String(url), expiresAt: end > this.#hooks.env.now() ? end : Infinity };
  }

  async #upload(file: File, slot: Slot, signal: AbortSignal): Promise<void> {
    this.#stage = 'upload';
    this.#percent = -1;
    const { name: filename, size } = file;
    this.#hooks.emit('allfeat:upload-start', { filename, size });
    if (this.#inParts(file)) await this.#sendParts(file, slot, signal);
    else
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

  #inParts = (file: File): boolean => this.partsFrom > 0 && file.size >= this.partsFrom;

  /** Returns the data by which the next page recognises this upload, without its job. */
  async #printOf(file: File, body: object, signal: AbortSignal): Promise<Omit<Begun, 'jobId'>> {
    const large = await this.#hooks.fetchPart('large', this.#api.target.atsUrl);
    const { mode, work } = this.state;
    const [print, form] = await Promise.all([large.print(file), large.textPrint(JSON.stringify([mode, work?.atsId, body]))]);
    signal.throwIfAborted();
    return { name: file.name, size: file.size, modified: file.lastModified, file: print, form };
  }

  async #sendParts(file: File, slot: Slot, signal: AbortSignal): Promise<void> {
    const large = await this.#hooks.fetchPart('large', this.#api.target.atsUrl);
    signal.throwIfAborted();
    const hash = this.#sent ?? this.#hashOf(file, signal);
    let last = 0;
    const send = () =>
      large.send({
        api: this.#api,
        file,
        signal,
        parts: async (body) => partsFrom(await this.#call('parts', partsShape, signal, { job_id: this.state.jobId, ...body })),
        complete: async () => {
          await this.#call('parts/complete', { job_id: 'string' }, signal);
        },
        onProgress: (loaded, pace) => {
          this.#progress(loaded, file.size, pace);
          // Between two percent of a very large file, the time left changes.
          const now = this.#hooks.env.now();
          if (pace && Math.abs(now - last) >= 1000) {
            last = now;
            this.dispatch({ type: 'progress', loaded, pace });
          }
        },
      });
    try {
      await send();
    } catch (e) {
      // The job of an earlier page has ended, and its parts with it.
      if (!slot.continues || !isGone(e)) throw e;
      this.#hooks.keep(undefined);
      this.#slot = await this.#init(signal);
      this.#stage = 'upload';
      await send();
    }
    this.#sent = await hash;
  }

  /** Reads the file while it is sent. Without the hash, the server registers what the store has. */
  async #hashOf(file: File, signal: AbortSignal): Promise<{ media_sha256: string } | undefined> {
    try {
      const { hash } = await this.#hooks.fetchPart('hash', this.#api.target.atsUrl);
      return { media_sha256: '0x' + (await hash(file, () => {}, signal)) };
    } catch {
      return undefined;
    }
  }

  /** The file stays here: only its hash is sent. */
  async #read(file: File, signal: AbortSignal): Promise<void> {
    this.#stage = 'upload';
    const { hash } = await this.#hooks.fetchPart('hash', this.#api.target.atsUrl);
    signal.throwIfAborted();
    const onProgress = (loaded: number) => this.dispatch({ type: 'progress', loaded, stays: true });
    onProgress(0);
    this.#said = { media_sha256: '0x' + (await hash(file, onProgress, signal)), size_bytes: file.size };
  }

  /** At most one event for each percent. */
  #progress(loaded: number, total: number, pace?: Pace): void {
    const progress = total ? Math.floor((loaded / total) * 100) : 100;
    if (progress === this.#percent) return;
    this.#percent = progress;
    this.dispatch({ type: 'progress', loaded, pace });
    this.#hooks.emit('allfeat:upload-progress', { progress, loaded, total });
  }

  async #prepare(signal: AbortSignal): Promise<Quote> {
    this.#stage = 'prepare';
    this.dispatch({ type: 'preparing' });
    const shape = { commitment: 'string', total_price_credits: 'number', is_valid: 'boolean', expires_at: 'string' } as const;
    const q = await this.#call('prepare', shape, signal, { job_id: this.state.jobId, ...this.#said, ...this.#sent });
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
      // The first confirm succeeded and its answer was lost: follow the transaction that it started.
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
    this.#hooks.keep(undefined);
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
        if (step.progress <= reached) return; // reported before the retry
        reached = step.progress;
        this.dispatch({ type: 'tracked', step });
        if (!p.done) this.#hooks.emit('allfeat:step', { ...step });
      },
    });
    const accessCode = this.state.accessCode ?? result.accessCode;
    if (p.done) {
      // The page received the event before. Without the code there is nothing left to show.
      if (accessCode) {
        this.dispatch({ type: 'completed', result });
        return;
      }
      this.#hooks.remember(undefined);
      this.#pending = undefined;
      const mode = this.#hooks.mode();
      this.dispatch({ type: 'reset', mode, own: this.#own(mode) });
      this.browse();
      return;
    }
    this.#hooks.remember(accessCode && accessCode !== this.#kept ? { ...p, done: true } : undefined);
    this.dispatch({ type: 'completed', result });
    const { atsId, txHash, blockNumber, explorerUrl } = result;
    this.#hooks.emit('allfeat:complete', { atsId, txHash, blockNumber, explorerUrl, ...(accessCode && { accessCode }) });
  }

  /** The page has an end-user, who needs no access code. */
  get known(): boolean {
    return !!this.#api.target.externalUserId;
  }

  /**
   * Downloads the certificate of the registration, or of the work that the access code opened. The screen stays as it is, whatever the
   * result.
   */
  async certificate(): Promise<void> {
    const { result, work, certificate, transactionId = '' } = this.state;
    // After a reload the token that started the job is gone: the transaction says whose certificate it is.
    const path = result
      ? result.workId &&
        `/v1/works/${encodeURIComponent(result.workId)}/download/certificate?transaction=${encodeURIComponent(transactionId)}`
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
      this.report(problem, 'certificate');
    }
  }

  /** A read failed. */
  fail(thrown: unknown): void {
    this.#stop();
    this.#fail(thrown, 'open');
  }

  #fail(thrown: unknown, stage: Stage): void {
    const problem = problemOf(thrown);
    const ended = thrown instanceof TransactionFailed;
    this.dispatch({ type: 'problem', problem, stage, ended });
    // A transaction that can be followed is not forgotten. One that the server does not know does not return after a reload.
    if (stage === 'track' && (!ordered(this.state) || problem.code === 'transaction.not_found')) this.#hooks.remember(undefined);
    if (this.state.screen === 'FORM') this.report(problem, Object.keys(this.state.errors)[0]!.split('.')[0]!);
    else this.#hooks.emit('allfeat:failed', detail(problem));
  }

  /** Reports a problem that is shown next to its field to the page. */
  report(problem: Problem, stage: string): void {
    this.#hooks.emit('allfeat:error', { ...detail(problem), stage });
  }

  #newApi(quiet = false): Api {
    return new Api(this.#hooks.env, this.#hooks.target(), this.tokens, (notice, seconds) => {
      if (!quiet) this.dispatch({ type: 'notice', notice, ...(seconds && { seconds }) });
    });
  }

  /** Reads the limits that the server states. Without them, the server still decides. */
  async limits(signal: AbortSignal): Promise<Limits> {
    const api = this.#newApi(true);
    try {
      const stats = await api.call(
        'GET',
        `/v1/stats?network=${encodeURIComponent(api.target.network)}`,
        { max_audio_size_bytes: 'number' },
        // Not part of the run: what the user starts meanwhile does not stop it.
        { signal },
      );
      return limitsFrom(stats);
    } catch (e) {
      const p = problemOf(e);
      if (classOf(p.code) === 'disabled' && this.state.screen === 'FORM') this.refuse(p);
      return unknown;
    }
  }
}

const partsShape = { complete: 'boolean', part_size_bytes: 'number' } as const;

/** Reads the answer about an upload in parts. */
function partsFrom(body: Shaped<typeof partsShape>): PartsAnswer {
  const list = (name: string) => (Array.isArray(body[name]) ? (body[name] as { number?: unknown; url?: unknown }[]) : []);
  return {
    complete: body.complete,
    part_size_bytes: body.part_size_bytes,
    stored: list('stored').map((p) => Number(p.number)),
    urls: list('urls').map((p) => ({ number: Number(p.number), url: String(p.url) })),
    expiresAt: Date.parse(String(body['urls_expire_at'])),
  };
}

// The details are what the server sent: their types promise no more than that.
const detail = (p: Problem) =>
  ({
    code: p.code,
    message: englishMessage(p),
    requestId: p.requestId,
    ...(p.details && { details: p.details }),
  }) as AtsProblemDetail;
