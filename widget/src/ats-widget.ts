/** The <ats-widget> element: attributes, events and focus. Importing it defines nothing; define.ts does. */
import { html, nothing, render } from 'lit/html.js';
import { maxCreators, newCreator, type FieldProblems } from './draft.js';
import { browserEnv } from './env.js';
import { AtsEvent, type AtsEventDetails, type AtsEventName, type Mode } from './events.js';
import { ordered, type Purpose, type Screen } from './flow.js';
import { sentenceOf, type Texts } from './i18n.js';
import { claimKey, recallTransaction, rememberTransaction } from './memory.js';
import { Registration } from './registration.js';
import { fetchPart } from './second.js';
import { fetchingText } from './screens/certificate.js';
import { complete, failed, recordOf } from './screens/end.js';
import { form } from './screens/form.js';
import { confirming, stepKey, tracking, uploading } from './screens/progress.js';
import { noticeText, type View } from './screens/view.js';
import { Speaker } from './speaker.js';
import { styles } from './styles.js';

export interface WidgetState {
  screen: Screen;
  jobId?: string;
  transactionId?: string;
  atsId?: number;
  accessCode?: string;
}

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
  #look = { dragging: false, copied: '', formats: [] as readonly string[] };
  readonly #speaker = new Speaker(browserEnv, () => this.#queue());
  #serverMax = 0;
  #queued = false;
  #configured = '';
  /** Where a transaction is remembered: another end-user never meets it. */
  #memoryKey = '';
  /** Another mode was taken up, for which the page has not been asked a token yet. */
  #switched = false;
  /** The mode that allfeat:ready was last emitted for. */
  #ready = '' as Mode | '';
  #shown = '';
  #lastErrors: FieldProblems = {};
  #nextFocus = '';
  #watch: MutationObserver | undefined;
  #detached: ReturnType<typeof setTimeout> | undefined;
  #guarding = false;
  /** The access code that the user has saved or copied. */
  #kept = '';
  /** Set once the user has touched the widget: before that it takes the focus from nobody. */
  #used = false;

  constructor() {
    super();
    for (const type of ['focusin', 'click']) this.#root.addEventListener(type, () => (this.#used = true));
    this.#flow = new Registration({
      env: browserEnv,
      emit: (name, detail) => this.#emit(name, detail),
      target: () => ({
        siteKey: this.siteKey,
        atsUrl: this.atsUrl,
        network: this.network,
        externalUserId: this.externalUserId,
      }),
      changed: () => this.#queue(),
      remember: (p) => rememberTransaction(this.#memoryKey, p),
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
      if (this.#flow.leave(this.#purpose, old || '')) {
        this.#look.copied = '';
        this.#switched = true;
      }
    } else if (/^(mode|external-user-id)$/.test(name) && value !== old && this.#flow.switch(this.#purpose, !this.#ready)) this.#switched = true;
    this.#queue();
  }

  get #purpose(): Purpose {
    return /^(update|download)$/.test(this.mode) ? this.mode : 'register';
  }

  connectedCallback(): void {
    if (!this.#root.adoptedStyleSheets.length) this.#root.adoptedStyleSheets = [styles()];
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
    // Being moved, or taken out for a moment, interrupts nothing.
    this.#detached = setTimeout(() => this.#flow.abandon(), detachedFor);
  }

  /** Draws once for all changes of a turn. */
  #queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      // Before the first connection there is no page to draw for, nor to hear the events.
      if (!this.#shown && (!this.isConnected || this.#speaker.waiting)) return;
      const announce = this.#configure();
      render(this.#screen(), this.#root);
      this.#drawn();
      announce?.();
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
    this.#memoryKey = claimKey([this.atsUrl, this.siteKey, this.network, this.id, this.externalUserId].join(' '), this);
    const reason = this.#misconfigured();
    if (reason)
      return () => this.#flow.refuse({ code: 'widget.configuration_error', requestId: null, details: { reason } });
    if (broken) this.#flow.dispatch({ type: 'form' });
    return () => {
      const { mode } = this.#flow.state;
      const first = !this.#ready;
      if (broken || this.#ready !== mode) this.#emit('allfeat:ready', { mode: (this.#ready = mode) });
      if (this.#switched && !first) this.#emit('allfeat:token-expired', { pendingAction: 'reset' });
      this.#switched = false;
      const before = this.#flow.state.screen === 'FORM' && recallTransaction(this.#memoryKey);
      if (before) this.#flow.recall(before);
      else this.#flow.browse(!!was && was !== this.#memoryKey);
      void this.#flow.limits().then(({ maxBytes, formats }) => {
        if (this.#configured !== now) return;
        this.#serverMax = maxBytes;
        this.#show({ formats: [...new Set(formats.map(shortFormat))] });
      });
    };
  }

  #show(look: Partial<{ dragging: boolean; copied: string; formats: readonly string[] }>): void {
    Object.assign(this.#look, look);
    this.#queue();
  }

  #misconfigured(): string {
    if (!this.siteKey) return 'site-key is missing';
    if (!this.atsUrl) return 'ats-url is missing';
    try {
      if (!/^https?:$/.test(new URL(this.atsUrl).protocol)) throw 0;
    } catch {
      return 'ats-url is not an absolute http or https address';
    }
    if (!['testnet', 'mainnet'].includes(this.network)) return 'network is neither testnet nor mainnet';
    if (!['register', 'update', 'download'].includes(this.mode)) return 'mode is not one of register, update, download';
    if (this.mode === 'download' && !this.externalUserId) return 'mode download needs an external-user-id';
    if (!(this.maxFileSize >= 0)) return 'max-file-size is not a number of bytes';
    return '';
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
    if (s.screen === 'TRACKING' && s.steps.length) return t(stepKey(s.steps.at(-1)!.progress));
    if (s.problem) return sentenceOf(this.#texts, s.problem, browserEnv.now());
    if (this.#look.copied) return t('copied');
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
    return html`
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
        ${s.problem || s.mode === 'download' ? nothing : this.#path()} ${(screens[s.screen] ?? failed)(this.#view())}
        <p class="hide" role="status" data-ats="live">${this.#said()}</p>
      </div>
    `;
  }

  #path() {
    const t = this.#texts.t;
    const names = [t('stepSong'), t('by'), t('stepPrice'), t('stepProof')];
    const { screen, step } = this.#flow.state;
    const at = screen === 'FORM' ? (step === 'creators' ? 1 : 0) : screen === 'UPLOAD' || screen === 'CONFIRMING' ? 2 : 3;
    return html`<ol class="path" part="path">
      ${names.map(
        (name, i) =>
          html`<li class=${i < at || screen === 'COMPLETE' ? 'past' : ''} aria-current=${i === at ? 'step' : nothing}>${name}</li>`,
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
        drag: (dragging) => {
          if (dragging !== this.#look.dragging) this.#show({ dragging });
        },
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
        again: () => this.reset(),
      },
    };
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
    const lines = [
      [t('title'), title.trim()],
      [t('number'), result ? String(result.atsId) : ''],
      [t('date'), result?.at ?? ''],
      [t('code'), accessCode ?? ''],
      [t('transaction'), result?.txHash ?? ''],
      [t('view'), result ? recordOf(result) : ''],
    ];
    const text = lines.filter(([, value]) => value).map(([name, value]) => `${name}\r\n${value}\r\n`);
    const url = URL.createObjectURL(new Blob([text.join('\r\n')], { type: 'text/plain;charset=utf-8' }));
    const a = document.createElement('a');
    a.href = url;
    a.download = `access-code${result ? `-${result.atsId}` : ''}.txt`;
    a.click();
    this.#keep(accessCode);
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  /** What was copied may be another text of the screen. */
  #keep(text: string | undefined): void {
    if (text && text === this.#flow.state.accessCode) this.#kept = text;
    this.#guard();
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
    if (moved) this.#look.copied = '';
    let to: HTMLElement | null | undefined;
    if (this.#nextFocus) to = this.#root.querySelector<HTMLElement>(`[data-ats="${this.#nextFocus}"]`);
    else if (errors) to = this.#root.querySelector<HTMLElement>('[aria-invalid="true"]');
    else if (moved) to = this.#root.querySelector('h2');
    this.#nextFocus = '';
    if (!free) return;
    to?.focus();
    if (moved && !errors) this.#root.querySelector('h2')?.scrollIntoView?.({ block: 'nearest' });
  }

  /** Errors that only became fewer are someone typing: the focus stays where it is. */
  #typing(errors: FieldProblems): boolean {
    const before = new Set(Object.keys(this.#lastErrors));
    return before.size > 0 && Object.keys(errors).length < before.size && Object.keys(errors).every((k) => before.has(k));
  }

  /** Warns before the page is left while something is on its way, or with it an access code that nobody has kept. */
  #guard(): void {
    const { screen, phase, accessCode = '' } = this.#flow.state;
    const losing = screen === 'COMPLETE' && accessCode !== '' && accessCode !== this.#kept;
    const busy = this.isConnected && (losing || screen === 'UPLOAD' || (screen === 'CONFIRMING' && phase === 'confirming'));
    if (busy === this.#guarding) return;
    this.#guarding = busy;
    if (busy) addEventListener('beforeunload', this.#warn);
    else removeEventListener('beforeunload', this.#warn);
  }

  #warn = (e: BeforeUnloadEvent): void => e.preventDefault();
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

