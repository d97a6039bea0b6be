/** The <ats-widget> element: attributes, events and focus. Importing it defines nothing; define.ts does. */
import { html, nothing, render } from 'lit/html.js';
import { maxCreators, newCreator, type FieldProblems } from './draft.js';
import { browserEnv } from './env.js';
import { AtsEvent, type AtsEventDetails, type AtsEventName, type Mode } from './events.js';
import { draftOf, ordered, type Purpose, type Screen } from './flow.js';
import { downloads } from './frame.js';
import { sentenceOf, type Texts } from './i18n.js';
import { claimKey, recallDraft, recallTransaction, rememberDraft, rememberTransaction } from './memory.js';
import { Registration } from './registration.js';
import { fetchPart } from './second.js';
import { fetchingText } from './screens/certificate.js';
import { complete, failed, recordOf, savedText } from './screens/end.js';
import { form } from './screens/form.js';
import { confirming, stepKey, tracking, uploading } from './screens/progress.js';
import { lacking } from './needs.js';
import { legible, noticeText, type View } from './screens/view.js';
import { Speaker } from './speaker.js';
import { styles } from './styles.js';

export interface WidgetState {
  screen: Screen;
  jobId?: string;
  transactionId?: string;
  atsId?: number;
  accessCode?: string;
}

/** A wait is long after this, in ms. */
const longWait = 60_000;

/** An upload goes on this long, in ms, in an element that was taken out of the page. */
const detachedFor = 5000;

/** Properties that stand in an attribute. */
const reflected = {
  siteKey: 'site-key',
  atsUrl: 'ats-url',
  network: 'network',
  mode: 'mode',
  externalUserId: 'external-user-id',
  maxFileSize: 'max-file-size',
} as const;

export class AtsWidget extends HTMLElement {
  static readonly observedAttributes: readonly string[] = [...Object.values(reflected), 'token', 'lang'];

  declare siteKey: string;
  /** Absolute address of the ATS. */
  declare atsUrl: string;
  declare network: string;
  declare mode: Mode;
  declare externalUserId: string;
  /** Bytes; 0: only the server's own limit. */
  declare maxFileSize: number;

  readonly #root = this.attachShadow({ mode: 'open' });
  readonly #flow: Registration;
  /** What the screens show beside the state of the flow. */
  #look: Look = { dragging: false, copied: '', warned: false, saved: false, late: false, formats: [] };
  #slow: ReturnType<typeof setTimeout> | undefined;
  readonly #speaker = new Speaker(browserEnv, () => this.#queue());
  #serverMax = 0;
  #queued = false;
  #configured = '';
  /** Where a transaction and a draft are remembered: another end-user never meets them. */
  #memoryKey = '';
  /** The browser keeps what it is given. */
  #stored = true;
  /** The draft that is kept there, as text; undefined before one was looked for. */
  #draft: string | undefined;
  /** The mode that allfeat:ready was last emitted for. */
  #ready = '' as Mode | '';
  #shown = '';
  #lastErrors: FieldProblems = {};
  #proposed = '';
  #nextFocus = '';
  #watch: MutationObserver | undefined;
  #detached: ReturnType<typeof setTimeout> | undefined;
  #guarding = false;
  /** The dialogs around an access code that nobody has kept. */
  #dialogs: Element[] = [];
  /** The access code that the user has saved or copied. */
  #kept = '';
  /** Set once the user has touched the widget: before that it takes the focus from nobody. */
  #used = false;

  constructor() {
    super();
    for (const type of ['focusin', 'click']) this.#root.addEventListener(type, () => (this.#used = true));
    for (const type of ['dragover', 'dragleave', 'drop'] as const) this.#root.addEventListener(type, (e) => this.#drag(e as DragEvent));
    // A frame without allow-forms sends no form and says nothing, not even that one was to be sent: the button says it. Enter
    // in a field presses that button too.
    this.#root.addEventListener('click', (e) => {
      const button = (e.target as Element).closest('button');
      if (button?.type !== 'submit' || !button.form) return;
      e.preventDefault();
      button.form.dispatchEvent(new Event('submit', { cancelable: true }));
    });
    this.#flow = new Registration({
      env: browserEnv,
      emit: (name, detail) => this.#emit(name, detail),
      target: () => ({
        siteKey: this.siteKey,
        atsUrl: this.atsUrl,
        network: this.network,
        externalUserId: this.externalUserId,
        language: this.#texts.lang,
      }),
      mode: () => this.#purpose,
      changed: () => this.#queue(),
      remember: (p) => (this.#stored = rememberTransaction(this.#memoryKey, p)),
      fetchPart,
      page: {
        focused: () => (this.#root.activeElement as HTMLElement | null)?.dataset['ats'] ?? '',
        focus: (name) => {
          this.#nextFocus = name;
          this.#queue();
        },
        dress: (sheet) => (this.#root.adoptedStyleSheets = [styles(), sheet()]),
        changed: () => this.#queue(),
      },
    });
  }

  /** Write-only: what was set can be used by the widget and read by no one. */
  get token(): string | null {
    return null;
  }
  set token(token: string | null) {
    this.setToken(token ?? '');
  }

  /** Gives the widget a session token. It is kept in memory and never stands in the DOM. */
  setToken(token: string): void {
    this.#flow.tokens.set(String(token ?? '').trim());
  }

  /** Stops whatever runs and returns to the empty form. Emits allfeat:token-expired with pendingAction "reset". */
  reset(): void {
    this.#flow.reset(this.#purpose);
    this.#configured = '';
    this.#queue();
  }

  getState(): WidgetState {
    const { screen, jobId, transactionId, accessCode, result } = this.#flow.state;
    return {
      screen,
      ...(jobId && { jobId }),
      ...(transactionId && { transactionId }),
      ...(result && { atsId: result.atsId }),
      ...(accessCode && { accessCode }),
    };
  }

  attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    if (name === 'token') {
      if (value === null) return;
      this.setToken(value);
      this.removeAttribute('token');
    } else if (name === 'lang' || name === 'ats-url') this.#speak();
    // At once, not with the next drawing: a token that the page gives in the same breath is one for the new mode.
    // Before the first screen there was no one to be left.
    else if (name === 'external-user-id' && (value || '') !== (old || '') && this.#ready) {
      if (this.#flow.leave(this.#purpose, old || '')) this.#look.copied = '';
    } else if (/^(mode|external-user-id)$/.test(name) && value !== old) {
      const { mode } = this.#flow.state;
      // The form that is left for another mode is left for good.
      if (this.#flow.switch(this.#purpose, !this.#ready) && this.#ready) rememberDraft(this.#memoryKey, mode, undefined);
    }
    this.#queue();
  }

  get #purpose(): Purpose {
    return /^(update|download)$/.test(this.mode) ? this.mode : 'register';
  }

  connectedCallback(): void {
    if (!lacking() && !this.#root.adoptedStyleSheets.length) this.#root.adoptedStyleSheets = [styles()];
    // What was set on the element before it was defined hides the accessors: it is set again through them.
    for (const name of ['token', ...Object.keys(reflected)] as 'token'[]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Partial<Record<typeof name, unknown>>)[name];
      this[name] = value;
    }
    clearTimeout(this.#detached);
    this.#speak();
    this.#watch = new MutationObserver(() => this.#speak());
    this.#watch.observe(document.documentElement, { attributeFilter: ['lang'] });
    this.#guard();
    this.#queue();
  }

  disconnectedCallback(): void {
    this.#watch?.disconnect();
    this.#guard();
    this.#time(false);
    // Being moved, or taken out for a moment, interrupts nothing.
    this.#detached = setTimeout(() => this.#flow.abandon(), detachedFor);
  }

  /** Out of the page, and not to be disturbed: whether the server has taken the order is not known yet. */
  get ordering(): boolean {
    const { state } = this.#flow;
    return ordered(state) && !state.transactionId;
  }

  /** Another widget has taken this one's place, and goes on with what is kept. */
  giveWay(): void {
    clearTimeout(this.#detached);
    this.#memoryKey = this.#configured = '';
    this.#draft = undefined;
    this.#flow.giveWay(this.#purpose);
  }

  /** Draws once for all changes of a turn. */
  #queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      // Before the first connection there is no page to draw for, nor to hear the events.
      if (!this.#shown && (!this.isConnected || this.#speaker.waiting)) return;
      // Out of the page, and another is in its place.
      if (!this.isConnected && !this.#memoryKey) return;
      const announce = this.#configure();
      render(this.#screen(), this.#root);
      this.#drawn();
      announce?.();
      this.#keepDraft();
    });
  }

  #emit<K extends AtsEventName>(name: K, detail: AtsEventDetails[K]): void {
    this.dispatchEvent(new AtsEvent(name, detail));
  }

  get #texts(): Texts {
    return this.#speaker.texts;
  }

  /** Takes up the language that stands nearest, across shadow roots. */
  #speak(): void {
    if (!this.isConnected) return;
    let at: Node | null = this;
    let lang = '';
    while (at && !lang) {
      if (at instanceof Element) lang = at.getAttribute('lang') ?? '';
      at = at.parentNode ?? (at instanceof ShadowRoot ? at.host : null);
    }
    this.#speaker.speak(lang || navigator.language || 'en', this.atsUrl);
  }

  /**
   * Checks the attributes, each time that they have become others; a running registration keeps those it began with.
   * Returns what is to be done once the screen stands.
   */
  #configure(): (() => void) | undefined {
    const limits = [this.#serverMax, this.maxFileSize].filter((n) => n > 0);
    this.#flow.maxBytes = limits.length ? Math.min(...limits) : 0;
    const now = Object.values(reflected).map((name) => this.getAttribute(name)).join('\n');
    if (now === this.#configured) return undefined;
    const { screen, problem } = this.#flow.state;
    const broken = (screen === 'DISABLED' || problem?.code === 'widget.configuration_error') && !ordered(this.#flow.state);
    if (this.#configured && screen !== 'FORM' && !broken) return undefined;
    this.#configured = now;
    const was = this.#memoryKey;
    const key = claimKey([this.atsUrl, this.siteKey, this.network, this.id, this.externalUserId].join(' '), this);
    const moved = key !== was;
    if (moved) this.#draft = undefined;
    this.#memoryKey = key;
    const wrong = this.#misconfigured();
    if (wrong) return () => this.#flow.refuse({ code: 'widget.configuration_error', requestId: null, details: wrong });
    if (broken) this.#flow.dispatch({ type: 'form' });
    return () => {
      const { mode } = this.#flow.state;
      if (broken || this.#ready !== mode) this.#emit('allfeat:ready', { mode: (this.#ready = mode) });
      // Another mode is a new form; the same place after a reload, or another element in it, is not.
      if (moved && this.#flow.state.screen === 'FORM') this.#recall(!!was);
      else this.#flow.browse();
      void this.#flow.limits().then(({ maxBytes, formats }) => {
        if (this.#configured !== now) return;
        this.#serverMax = maxBytes;
        this.#show({ formats: [...new Set(formats.map(shortFormat))] });
      });
    };
  }

  /** Takes up what was left here: an order that goes on, an access code that nobody has kept, or what was filled in. */
  #recall(elsewhere: boolean): void {
    const flow = this.#flow;
    const order = recallTransaction(this.#memoryKey, flow.state.mode);
    const draft = recallDraft(this.#memoryKey, order ? (order.version ? 'update' : 'register') : flow.state.mode);
    if (order) return flow.recall(order, draft);
    // What is being typed goes before what was.
    if (draft && !draftOf(flow.state)) flow.restore(draft);
    flow.browse(elsewhere);
  }

  /** Keeps what was filled in, as soon as it has changed, until it is registered. */
  #keepDraft(): void {
    const { state } = this.#flow;
    const over = state.screen === 'COMPLETE';
    if (!this.#memoryKey || (state.transactionId && !over)) return;
    const draft = draftOf(state);
    const text = draft ? JSON.stringify(draft) : '';
    if (text === this.#draft) return;
    this.#draft = text;
    rememberDraft(this.#memoryKey, state.mode, draft);
  }

  #show(look: Partial<Look>): void {
    Object.assign(this.#look, look);
    this.#queue();
  }

  /** What is wrong with the browser or an attribute; said to whoever builds the page, too. */
  #misconfigured(): { reason: string; attribute?: string; needs?: string } | undefined {
    const needs = lacking();
    if (needs) return { reason: 'browser', needs };
    const web = () => {
      try {
        return /^https?:$/.test(new URL(this.atsUrl).protocol);
      } catch {
        return false;
      }
    };
    const wrong = (attribute: string, reason: string, right: string) => {
      const value = attribute === 'site-key' ? '…' : (this.getAttribute(attribute) ?? '');
      browserEnv.tell('error', `ats-widget: ${attribute}="${value}": ${reason}. Right: ${attribute}="${right}"`);
      return { reason, attribute };
    };
    if (!this.siteKey) return wrong('site-key', 'site-key is missing', 'cpk_…');
    if (/^csk_/.test(this.siteKey)) return wrong('site-key', 'site-key is a secret key, which no page may know: replace that key', 'cpk_…');
    if (!this.atsUrl) return wrong('ats-url', 'ats-url is missing', 'https://ats.example');
    if (!web()) return wrong('ats-url', 'ats-url is not an absolute http or https address', 'https://ats.example');
    if (!['testnet', 'mainnet'].includes(this.network)) return wrong('network', 'network is neither testnet nor mainnet', 'testnet');
    if (!['register', 'update', 'download'].includes(this.mode)) return wrong('mode', 'mode is not one of register, update, download', 'register');
    if (this.mode === 'download' && !this.externalUserId) return wrong('external-user-id', 'mode download needs an external-user-id', 'user-17');
    if (!(this.maxFileSize >= 0)) return wrong('max-file-size', 'max-file-size is not a number of bytes', '104857600');
    return undefined;
  }

  /** What the live region says: the milestones, not every tick. */
  #said(): string {
    const { state: s } = this.#flow;
    const t = this.#texts.t;
    // A wait is said once, as long as it was: nobody wants to hear a countdown.
    if (s.notice) return noticeText(this.#texts, s.notice, s.wait[1]);
    const shelf = s.screen === 'FORM' && (s.step === 'works' || s.mode === 'download') && this.#flow.shelf;
    if (shelf) return shelf.said(this.#texts);
    if (s.opening) return t('opening');
    if (s.screen === 'UPLOAD') {
      const quarter = Math.floor((4 * s.loaded) / (s.file?.size || 1)) / 4;
      return quarter ? this.#texts.percent(quarter) : '';
    }
    if (s.screen === 'TRACKING' && s.steps.length) return t(stepKey(s.steps.at(-1)!.progress)) + (this.#look.late ? ' ' + t('trackLong') : '');
    if (s.problem) return sentenceOf(this.#texts, s.problem, browserEnv.now());
    if (this.#look.warned) return t('unsaved');
    if (this.#look.copied) return t('copied');
    if (this.#look.saved && !s.certificate) return savedText(this.#texts);
    return s.certificate ? fetchingText(s.certificate, this.#texts, browserEnv.now()) : '';
  }

  #screen() {
    const { state: s } = this.#flow;
    const screens: Partial<Record<Screen, (v: View) => unknown>> = {
      FORM: form,
      UPLOAD: uploading,
      CONFIRMING: confirming,
      TRACKING: tracking,
      COMPLETE: complete,
    };
    return html`<div class="frame">
      <div
        class="card"
        part="card"
        lang=${this.#texts.lang}
        dir=${this.#texts.dir}
        role="group"
        aria-label=${this.#texts.t(s.mode === 'update' ? 'updHeading' : s.mode === 'download' ? 'songs' : 'heading')}
        data-ats="card"
        data-screen=${s.screen}
      >
        ${this.network === 'mainnet'
          ? nothing
          : html`<p class="ribbon" part="test-network" data-ats="test-network"><b>${this.#texts.t('testNet')}</b> ${this.#texts.t('testText')}</p>`}
        <div class="body">${s.problem || s.mode === 'download' ? nothing : this.#path()} ${(screens[s.screen] ?? failed)(this.#view())}</div>
        <p class="hide" role="status" data-ats="live">${this.#said()}</p>
      </div>
    </div>`;
  }

  #path() {
    const t = this.#texts.t;
    const { screen, step, phase, stays } = this.#flow.state;
    // There is no price before it was asked for: until then the step is what leads to it.
    const third = screen === 'UPLOAD' && !stays ? 'stepUpload' : screen === 'UPLOAD' || (screen === 'CONFIRMING' && phase === 'preparing') ? 'stepCheck' : 'stepPrice';
    const names = [t('stepSong'), t('by'), t(third), t('stepProof')];
    const at = screen === 'FORM' ? (step === 'creators' ? 1 : 0) : screen === 'UPLOAD' || screen === 'CONFIRMING' ? 2 : 3;
    return html`<ol class="path" part="path">
      ${names.map(
        (name, i) =>
          html`<li class=${i < at || screen === 'COMPLETE' ? 'past' : ''} aria-current=${i === at ? 'step' : nothing}><span>${name}</span></li>`,
      )}
    </ol>`;
  }

  #view(): View {
    const flow = this.#flow;
    return {
      state: flow.state,
      texts: this.#texts,
      flow,
      now: browserEnv.now(),
      ...this.#look,
      act: {
        // When the dialog was cancelled, what was chosen before stays.
        file: (file) => file && flow.choose(file),
        copy: (text, from) => void this.#copy(text, from),
        save: () => this.#save(),
        certificate: () => {
          this.#look.copied = '';
          void flow.certificate();
        },
        addCreator: () => {
          const list = flow.state.creators;
          if (list.length >= maxCreators) return;
          const id = Math.max(...list.map((c) => c.id)) + 1;
          flow.dispatch({ type: 'draft', path: '', draft: { creators: [...list, newCreator(id)] } });
          this.#nextFocus = `creator-${list.length}-fullName`;
        },
        removeCreator: (index) => {
          const creators = flow.state.creators.filter((_, i) => i !== index);
          flow.dispatch({ type: 'draft', path: 'creators', draft: { creators } });
          this.#nextFocus = `creator-${Math.min(index, creators.length - 1)}-fullName`;
        },
        keepFile: () => {
          flow.unchoose();
          this.#nextFocus = 'file';
        },
        clear: () => {
          flow.empty();
          this.#nextFocus = 'file';
        },
        again: () => this.reset(),
      },
    };
  }

  /** A file that is dropped anywhere on the widget is taken where one is wanted, and never opened by the browser. */
  #drag(e: DragEvent): void {
    const data = e.dataTransfer;
    if (!data?.types.includes('Files')) return;
    e.preventDefault();
    const wanted = !!this.#root.querySelector('[data-ats="dropzone"]');
    if (!wanted) data.dropEffect = 'none';
    const inside = e.relatedTarget instanceof Node && this.#root.contains(e.relatedTarget);
    const dragging = wanted && (e.type === 'dragover' || (e.type === 'dragleave' && inside));
    if (dragging !== this.#look.dragging) this.#show({ dragging });
    if (e.type !== 'drop' || !wanted) return;
    const folder = [...data.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
    const [file] = data.files;
    if (folder) this.#flow.refuseDrop('folder');
    else if (data.files.length > 1) this.#flow.refuseDrop('several');
    else if (file) this.#flow.choose(file);
  }

  async #copy(text: string, from: HTMLElement): Promise<void> {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // Not allowed here, or not a secure page: the older way.
      const area = document.createElement('textarea');
      area.value = text;
      area.className = 'hide';
      this.#root.append(area);
      area.select();
      done = document.execCommand('copy');
      area.remove();
      from.focus();
    }
    if (!done) return;
    this.#keep(text);
    this.#show({ copied: text });
  }

  /** Saves the access code with what it belongs to as a text file. */
  #save(): void {
    const { title, result, accessCode } = this.#flow.state;
    const t = this.#texts.t;
    const at = Date.parse(result?.at ?? '');
    const lines = [
      [t('testNet'), this.network === 'mainnet' ? '' : t('testText')],
      [t('title'), legible(title.trim())],
      [t('number'), result ? String(result.atsId) : ''],
      [t('date'), at ? `${this.#texts.date(at)}\r\n${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC` : ''],
      [t('code'), accessCode ?? ''],
      [t('useAt'), `${t('useText')}\r\n${location.origin}`],
      [t('transaction'), result?.txHash ?? ''],
      [t('view'), result ? recordOf(result) : ''],
    ];
    const text = lines.filter(([, value]) => value).map(([name, value]) => `${name}\r\n${value}\r\n`);
    const url = URL.createObjectURL(new Blob([text.join('\r\n')], { type: 'text/plain;charset=utf-8' }));
    const a = document.createElement('a');
    a.href = url;
    a.download = `access-code${result ? `-${result.atsId}` : ''}.txt`;
    a.click();
    // Where it cannot be saved it is not kept.
    if (downloads() !== 'no') this.#keep(accessCode);
    this.#show({ saved: true, copied: '' });
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  /** What was copied may be another text of the screen. */
  #keep(text: string | undefined): void {
    if (text && text === this.#flow.state.accessCode) {
      this.#kept = text;
      this.#look.warned = false;
      this.#flow.codeKept();
    }
    this.#queue();
  }

  /** After each drawing: the focus goes where the user has to look next. */
  #drawn(): void {
    const s = this.#flow.state;
    this.#guard();
    // Choosing a file that was taken away would else be no change to the browser.
    const input = this.#root.querySelector<HTMLInputElement>('#file');
    if (input && !s.file) input.value = '';
    // The heading of a screen that is being fetched is not that of the screen.
    const { shelf, second } = this.#flow;
    const now = [s.screen, s.screen === 'FORM' && [s.step, !!(s.own ? shelf : second)], s.screen === 'CONFIRMING' && s.phase].join();
    const moved = this.#used && now !== this.#shown;
    // A field of the page that is being typed into keeps the focus; what was removed with its screen left it to the body.
    const active = document.activeElement;
    const free = !active || active === document.body || this.matches(':focus-within');
    this.#shown = now;
    const errors = s.errors !== this.#lastErrors && Object.keys(s.errors).length > 0 && !this.#typing(s.errors);
    this.#lastErrors = s.errors;
    if (moved) Object.assign(this.#look, { copied: '', saved: false, warned: false });
    // What is typed into a proposal takes its place.
    const title = this.#root.querySelector<HTMLInputElement>('#title');
    if (s.proposed !== this.#proposed && title?.value === s.proposed && title.matches(':focus')) title.select();
    this.#proposed = s.proposed;
    this.#time(s.screen === 'TRACKING');
    let to: HTMLElement | null | undefined;
    if (this.#nextFocus) to = this.#root.querySelector<HTMLElement>(`[data-ats="${this.#nextFocus}"]`);
    else if (errors) to = this.#root.querySelector<HTMLElement>('[aria-invalid="true"]');
    else if (moved) to = this.#root.querySelector('h2');
    this.#nextFocus = '';
    if (!free) return;
    to?.focus();
    if (moved && !errors) this.#root.querySelector('h2')?.scrollIntoView?.({ block: 'nearest' });
  }

  /** After a while the screen that waits says something else. */
  #time(waits: boolean): void {
    if (waits === !!this.#slow) return;
    clearTimeout(this.#slow);
    this.#slow = waits ? setTimeout(() => this.#show({ late: true }), longWait) : undefined;
    if (!waits) this.#look.late = false;
  }

  /** Errors that only became fewer are someone typing: the focus stays where it is. */
  #typing(errors: FieldProblems): boolean {
    const before = new Set(Object.keys(this.#lastErrors));
    return before.size > 0 && Object.keys(errors).length < before.size && Object.keys(errors).every((k) => before.has(k));
  }

  /** Warns before the page is left while something is on its way, or with it an access code that nobody has kept. */
  #guard(): void {
    const { screen, phase, accessCode = '' } = this.#flow.state;
    // An order that is followed is taken up again by the next page, unless nothing can be kept for it.
    const losing = (screen === 'COMPLETE' || (screen === 'TRACKING' && !this.#stored)) && accessCode !== '' && accessCode !== this.#kept;
    const busy = this.isConnected && (losing || screen === 'UPLOAD' || (screen === 'CONFIRMING' && phase === 'confirming'));
    if (losing !== this.#dialogs.length > 0 || !this.isConnected) {
      for (const dialog of this.#dialogs) dialog.removeEventListener('cancel', this.#stay);
      this.#dialogs = losing && this.isConnected ? dialogsAround(this) : [];
      for (const dialog of this.#dialogs) dialog.addEventListener('cancel', this.#stay);
    }
    if (busy === this.#guarding) return;
    this.#guarding = busy;
    if (busy) addEventListener('beforeunload', this.#warn);
    else removeEventListener('beforeunload', this.#warn);
  }

  #warn = (e: BeforeUnloadEvent): void => e.preventDefault();

  /** The key that closes a dialog is answered with a warning, once; the second time it closes. */
  #stay = (e: Event): void => {
    if (this.#look.warned || e.target !== e.currentTarget) return;
    e.preventDefault();
    this.#show({ warned: true });
  };
}

interface Look {
  /** A file is being dragged over the widget. */
  dragging: boolean;
  /** The text that was copied last. */
  copied: string;
  /** The access code was about to be left. */
  warned: boolean;
  /** It was saved as a file. */
  saved: boolean;
  /** The screen has been waiting for long. */
  late: boolean;
  formats: readonly string[];
}

/** The dialogs that an element stands in, across shadow roots. */
function dialogsAround(element: Element): Element[] {
  const found: Element[] = [];
  for (let at: Node | null = element; at; at = at.parentNode ?? (at instanceof ShadowRoot ? at.host : null))
    if (at instanceof Element && at.localName === 'dialog') found.push(at);
  return found;
}

for (const [name, attribute] of Object.entries(reflected)) {
  const fallback = name === 'network' ? 'testnet' : name === 'mode' ? 'register' : '';
  Object.defineProperty(AtsWidget.prototype, name, {
    configurable: true,
    enumerable: true,
    get(this: AtsWidget) {
      const value = this.getAttribute(attribute) || fallback;
      return name === 'maxFileSize' ? Number(value) : value;
    },
    set(this: AtsWidget, value: unknown) {
      if (value === null || value === undefined) this.removeAttribute(attribute);
      else this.setAttribute(attribute, String(value));
    },
  });
}

/** audio/x-wav as WAV, and "Ogg Vorbis" as Ogg: what people call it. The server knows the rest. */
const shortFormat = (format: string): string =>
  format.replace(/^\w+\/(?:x-)?(.*)/, (_, name: string) => name.toUpperCase()).split(' ')[0]!;

