/** Everything that the element does after a person has started: every screen, events and focus. Fetched when it is needed (rest.ts). */
import { render } from 'lit/html.js';
import { maxCreators, newCreator, type FieldProblems } from './form/draft.js';
import { dropped, type Dropped } from './page/drop.js';
import type { Begun, Host, Started } from './begun.js';
import { browserEnv } from './page/browser.js';
import { AtsEvent, type AtsEventDetails, type AtsEventName } from './events.js';
import { draftOf, ordered } from './machine.js';
import type { AtsScreen, AtsState } from './public.js';
import type { Purpose } from './state.js';
import { downloads } from './page/frame.js';
import type { Texts } from './i18n/texts.js';
import { smallest, unknown, type Limits } from './ats/limits.js';
import { recallDraft, recallTransaction, recallUpload, rememberDraft, rememberTransaction, rememberUpload } from './page/memory.js';
import { problemFrom } from './ats/problem.js';
import { claimKey } from './page/place.js';
import { lacking } from './page/needs.js';
import { attributesOf, memoryOf, purposeOf } from './page/reflected.js';
import { Flow, type Hooks } from './flow.js';
import { restStyles } from './styles/rest.styles.js';
import { card } from './screens/card.js';
import { fetchingText } from './screens/certificate.js';
import { complete, failed, recordOf, savedText } from './screens/end.js';
import { began, form } from './screens/form.js';
import { confirming, stepKey, tracking, uploading } from './screens/progress.js';
import { noticeText } from './screens/controls.js';
import { date, percent } from '../../web/i18n/formats.js';
import { legible } from '../../web/i18n/legible.js';
import type { View } from './screens/view.js';
import { fetchPart } from './parts/fetch.js';
import { sentenceOf } from './i18n/sentences.js';
import { styles } from './styles/styles.js';

/** How long everything continues, in ms, after the element was removed from the page. */
const detachedFor = 5000;

/** How long a screen waits, in ms, before it says that it is slow. */
const longWait = 60_000;

export class Controller implements Started {
  readonly #el: Host;
  readonly #root: ShadowRoot;
  readonly #begun: Begun;
  readonly #flow: Flow;
  /** Values that the screens show in addition to the state of the flow. */
  #look: Look = { dragging: false, copied: '', saved: false, late: false, warned: false, formats: [] };
  #slow: ReturnType<typeof setTimeout> | undefined;
  #limits = unknown;
  #configured = '';
  /** The key under which a transaction and a draft are stored. It differs for each end-user, so that no one sees another's. */
  #memoryKey = '';
  /** The browser stores what it is given. */
  #stored = true;
  /** The stored draft, as text; undefined until the storage was read. */
  #draft: string | undefined;
  #shown = '';
  #lastErrors: FieldProblems = {};
  #proposed = '';
  #nextFocus = '';
  #detached: ReturnType<typeof setTimeout> | undefined;
  /** Ends what waits outside the run of the flow, once the element left the page for good. */
  #life = new AbortController();
  #guarding = false;
  /** The dialogs around an access code that is not saved yet. */
  #dialogs: Element[] = [];
  /** The access code that the user has saved or copied. */
  #kept = '';

  constructor(el: Host, root: ShadowRoot, begun: Begun) {
    this.#el = el;
    this.#root = root;
    this.#begun = begun;
    const hooks: Hooks = {
      env: browserEnv,
      emit: (name, detail) => this.#emit(name, detail),
      target: () => ({
        siteKey: el.siteKey,
        atsUrl: el.atsUrl,
        network: el.network,
        externalUserId: el.externalUserId,
        language: this.#texts.lang,
      }),
      mode: () => this.#purpose,
      changed: () => this.#queue(),
      remember: (p) => (this.#stored = rememberTransaction(this.#memoryKey, p)),
      begun: () => recallUpload(this.#memoryKey),
      keep: (u) => rememberUpload(this.#memoryKey, u),
      fetchPart,
      page: {
        focused: () => (this.#root.activeElement as HTMLElement | null)?.dataset['ats'] ?? '',
        focus: (name) => {
          this.#nextFocus = name;
          this.#queue();
        },
        dress: (sheet) => (root.adoptedStyleSheets = [styles(), restStyles(), sheet()]),
        changed: () => this.#queue(),
      },
    };
    this.#flow = new Flow(hooks);
    this.setToken(begun.token);
    if (!lacking()) root.adoptedStyleSheets = [styles(), restStyles()];
  }

  setToken(token: unknown): void {
    const refusal = problemFrom(token);
    if (refusal) this.#flow.tokens.refuse(refusal);
    else if (typeof token === 'string') this.#flow.tokens.set(token);
  }

  /** Continues with the state of the first screen. */
  begin(): void {
    const { state, next, drop, ready, expects } = this.#begun;
    this.#flow.switch(this.#purpose, true);
    if (expects) this.#flow.tokens.expect(true);
    if (this.#flow.state.mode !== 'register') return;
    if (state.title) this.#flow.dispatch({ type: 'draft', path: '', draft: { title: state.title } });
    // The first screen is drawn already, and the focus stays where it is.
    if (ready) this.#shown = this.#where();
    if (drop) this.#take(drop);
    if (next) this.#flow.next();
  }

  /** Stops all work and returns to the empty form. Emits allfeat:token-expired with pendingAction "reset". */
  reset(): void {
    this.#flow.reset(this.#purpose);
    this.#configured = '';
    this.#queue();
  }

  getState(): AtsState {
    const { screen, jobId, transactionId, accessCode, result } = this.#flow.state;
    return {
      screen,
      ...(this.#begun.ready && this.#flow.tokens.needed && { needsToken: true }),
      ...(jobId && { jobId }),
      ...(transactionId && { transactionId }),
      ...(result && { atsId: result.atsId }),
      ...(accessCode && { accessCode }),
    };
  }

  /** An attribute has changed. */
  changed(name: string, old: string | null, value: string | null): void {
    const { ready } = this.#begun;
    // Immediately, not at the next drawing: a token that the page gives right after the change is for the new mode. Before the first screen
    // there was no previous end-user.
    if (name === 'external-user-id' && (value || '') !== (old || '') && ready) {
      if (this.#flow.leave(this.#purpose, old || '')) this.#look.copied = '';
    } else if (/^(mode|external-user-id)$/.test(name) && value !== old) {
      const { mode } = this.#flow.state;
      // A form that is left for another mode does not come back.
      if (this.#flow.switch(this.#purpose, !ready) && ready) rememberDraft(this.#memoryKey, mode, undefined);
    }
  }

  get #purpose(): Purpose {
    return purposeOf(this.#el.mode);
  }

  connected(): void {
    clearTimeout(this.#detached);
    if (this.#life.signal.aborted) {
      this.#life = new AbortController();
      // The form reads the limits again.
      if (this.#flow.state.screen === 'FORM') this.#configured = '';
      this.#flow.comeBack();
    }
    this.#guard();
  }

  disconnected(): void {
    this.#guard();
    this.#time(false);
    // An element that is moved, or removed for a moment, keeps working.
    this.#detached = setTimeout(() => {
      this.#life.abort();
      this.#flow.abandon();
    }, detachedFor);
  }

  /** Removed from the page, but still needed: it is unknown whether the server has accepted the order. */
  get ordering(): boolean {
    const { state } = this.#flow;
    return ordered(state) && !state.transactionId;
  }

  /** Another widget has taken over this one's key, and continues with what is stored. */
  giveWay(): void {
    clearTimeout(this.#detached);
    this.#life.abort();
    this.#memoryKey = this.#configured = '';
    this.#draft = undefined;
    this.#flow.giveWay(this.#purpose);
  }

  #queue(): void {
    this.#begun.changed();
  }

  draw(): void {
    // Removed from the page, and another widget has taken over.
    if (!this.#el.isConnected && !this.#memoryKey) return;
    const announce = this.#configure();
    render(this.#screen(), this.#root);
    this.#drawn();
    announce?.();
    this.#keepDraft();
  }

  #emit<K extends AtsEventName>(name: K, detail: AtsEventDetails[K]): void {
    this.#el.dispatchEvent(new AtsEvent(name, detail));
  }

  get #texts(): Texts {
    return this.#begun.language.texts;
  }

  /**
   * Checks the attributes whenever they change. A running registration keeps the attributes that it started with.
   * Returns what is to be done once the screen is drawn.
   */
  #configure(): (() => void) | undefined {
    this.#flow.maxBytes = smallest(this.#limits.maxBytes, this.#el.maxFileSize);
    const now = attributesOf(this.#el);
    if (now === this.#configured) return undefined;
    const { screen, problem } = this.#flow.state;
    const broken = (screen === 'DISABLED' || problem?.code === 'widget.configuration_error') && !ordered(this.#flow.state);
    if (this.#configured && screen !== 'FORM' && !broken) return undefined;
    this.#configured = now;
    const was = this.#memoryKey;
    const key = claimKey(memoryOf(this.#el), this.#begun.place);
    const moved = key !== was;
    if (moved) this.#draft = undefined;
    this.#memoryKey = key;
    const wrong = this.#misconfigured();
    if (wrong) return () => this.#flow.refuse({ code: 'widget.configuration_error', requestId: null, details: wrong });
    if (broken) this.#flow.dispatch({ type: 'form' });
    return () => {
      const { mode } = this.#flow.state;
      if (broken || this.#begun.ready !== mode) this.#emit('allfeat:ready', { mode: (this.#begun.ready = mode) });
      // Another mode starts a new form. A reload, or another element in the same place, does not.
      if (moved && this.#flow.state.screen === 'FORM') this.#recall(!!was);
      else this.#flow.browse();
      const { limits } = this.#begun;
      if (limits?.of === now) return this.#limit(limits);
      void this.#flow.limits(this.#life.signal).then((limits) => {
        if (this.#configured === now) this.#limit(limits);
      });
    };
  }

  #limit(limits: Limits): void {
    this.#limits = limits;
    this.#flow.partsFrom = Number(limits.stats?.parts_from_bytes) || 0;
    this.#show({ formats: limits.formats });
  }

  /** Resumes what is stored for this place: a running order, an access code that is not saved yet, or a draft. */
  #recall(elsewhere: boolean): void {
    const flow = this.#flow;
    const order = recallTransaction(this.#memoryKey, flow.state.mode);
    const draft = recallDraft(this.#memoryKey, order ? (order.version ? 'update' : 'register') : flow.state.mode);
    if (order) return flow.recall(order, draft);
    // A form that is being typed into takes precedence over the stored draft.
    if (draft && !draftOf(flow.state)) flow.restore(draft);
    flow.browse(elsewhere);
  }

  /** Stores the draft after each change, until it is registered. */
  #keepDraft(): void {
    const { state } = this.#flow;
    const done = state.screen === 'COMPLETE';
    if (!this.#memoryKey || (state.transactionId && !done)) return;
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

  /** The error of the browser or of an attribute. The console reports it too, for the page's developer. */
  #misconfigured(): { reason: string; attribute?: string; needs?: string } | undefined {
    const needs = lacking();
    if (needs) return { reason: 'browser', needs };
    const web = () => {
      try {
        return /^https?:$/.test(new URL(this.#el.atsUrl).protocol);
      } catch {
        return false;
      }
    };
    const wrong = (attribute: string, reason: string, right: string) => {
      const value = attribute === 'site-key' ? '…' : (this.#el.getAttribute(attribute) ?? '');
      browserEnv.log('error', `ats-widget: ${attribute}="${value}": ${reason}. Example: ${attribute}="${right}"`);
      return { reason, attribute };
    };
    if (!this.#el.siteKey) return wrong('site-key', 'site-key is missing', 'cpk_…');
    if (/^csk_/.test(this.#el.siteKey))
      return wrong('site-key', 'site-key is a secret key, which a page must never contain: replace that key', 'cpk_…');
    if (!this.#el.atsUrl) return wrong('ats-url', 'ats-url is missing', 'https://ats.example');
    if (!web()) return wrong('ats-url', 'ats-url is not an absolute http or https URL', 'https://ats.example');
    if (!['testnet', 'mainnet'].includes(this.#el.network)) return wrong('network', 'network is neither testnet nor mainnet', 'testnet');
    if (!['register', 'update', 'download'].includes(this.#el.mode))
      return wrong('mode', 'mode is not one of register, update, download', 'register');
    if (this.#el.mode === 'download' && !this.#el.externalUserId)
      return wrong('external-user-id', 'mode download needs an external-user-id', 'user-17');
    if (!(this.#el.maxFileSize >= 0)) return wrong('max-file-size', 'max-file-size is not a number of bytes', '104857600');
    return undefined;
  }

  /** The text of the live region: the milestones, not every step. */
  #said(): string {
    const { state: s } = this.#flow;
    const t = this.#texts.t;
    // A wait is announced once, with its full length: no one wants to hear a countdown.
    if (s.notice) return noticeText(this.#texts, s.notice, s.wait[1]);
    const library = s.screen === 'FORM' && (s.step === 'works' || s.mode === 'download') && this.#flow.library;
    if (library) return library.said(this.#texts);
    if (s.opening) return t('opening');
    if (s.screen === 'UPLOAD') {
      const quarter = Math.floor((4 * s.loaded) / (s.file?.size || 1)) / 4;
      return quarter ? percent(this.#texts, quarter) : '';
    }
    if (s.screen === 'TRACKING' && s.steps.length)
      return t(stepKey(s.steps.at(-1)!.progress)) + (this.#look.late ? ' ' + t('trackLong') : '');
    if (s.problem) return sentenceOf(this.#texts, s.problem, browserEnv.now());
    if (this.#look.warned) return t('unsaved');
    if (this.#look.copied) return t('copied');
    if (this.#look.saved && !s.certificate) return savedText(this.#texts);
    return s.certificate ? fetchingText(s.certificate, this.#texts, browserEnv.now()) : '';
  }

  #screen() {
    const { state: s } = this.#flow;
    const screens: Partial<Record<AtsScreen, (v: View) => unknown>> = {
      FORM: form,
      UPLOAD: uploading,
      CONFIRMING: confirming,
      TRACKING: tracking,
      COMPLETE: complete,
    };
    return card(this.#el.network, s, this.#texts, (screens[s.screen] ?? failed)(this.#view()), this.#said());
  }

  #view(): View {
    const flow = this.#flow;
    const view: View = {
      state: flow.state,
      texts: this.#texts,
      flow,
      now: browserEnv.now(),
      ...this.#look,
      filled: !!draftOf(flow.state),
      legible,
      began,
      works: flow.works && (() => flow.works?.form(view, flow.library)),
      act: {
        // When the dialog was cancelled, the chosen file stays.
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
        again: () => (this.#losing && !this.#look.warned ? this.#show({ warned: true }) : this.reset()),
      },
    };
    return view;
  }

  /** A file that is dropped anywhere on the widget is taken if a file is expected. The browser never opens it. */
  drag(e: DragEvent): void {
    const wanted = !!this.#root.querySelector('[data-ats="dropzone"]');
    const drop = dropped(e, wanted);
    if (!drop) return;
    const inside = e.relatedTarget instanceof Node && this.#root.contains(e.relatedTarget);
    const dragging = wanted && (e.type === 'dragover' || (e.type === 'dragleave' && inside));
    if (dragging !== this.#look.dragging) this.#show({ dragging });
    this.#take(drop);
  }

  #take({ wrong, file }: Dropped): void {
    if (wrong) this.#flow.refuseDrop(wrong);
    else if (file) this.#flow.choose(file);
  }

  async #copy(text: string, from: HTMLElement): Promise<void> {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // The clipboard is not allowed here, or the page is not secure: use the older way.
      const area = document.createElement('textarea');
      area.value = text;
      area.className = 'hide';
      this.#root.append(area);
      area.select();
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- it has no successor there
      done = document.execCommand('copy');
      area.remove();
      from.focus();
    }
    if (!done) return;
    this.#keep(text);
    this.#show({ copied: text });
  }

  /** Saves the access code and the registration that it belongs to as a text file. */
  #save(): void {
    const { title, result, accessCode } = this.#flow.state;
    const t = this.#texts.t;
    const at = Date.parse(result?.at ?? '');
    const lines = [
      [t('testNet'), this.#el.network === 'mainnet' ? '' : t('testText')],
      [t('title'), legible(title.trim())],
      [t('number'), result ? String(result.atsId) : ''],
      [t('date'), at ? `${date(this.#texts, at)}\r\n${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC` : ''],
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
    // If the code cannot be saved, it does not count as saved.
    if (downloads() !== 'no') this.#keep(accessCode);
    this.#show({ saved: true, copied: '' });
    const revoke = () => URL.revokeObjectURL(url);
    browserEnv.sleep(60_000, this.#life.signal).then(revoke, revoke);
  }

  /** The copied text may be another text of the screen, not the access code. */
  #keep(text: string | undefined): void {
    if (text && text === this.#flow.state.accessCode) {
      this.#kept = text;
      this.#look.warned = false;
      this.#flow.codeKept();
    }
    this.#queue();
  }

  /** A key of the current heading. A screen that is being fetched has another heading than the screen itself. */
  #where(): string {
    const { state: s, library, works } = this.#flow;
    return [s.screen, s.screen === 'FORM' && [s.step, !!(s.own ? library : works)], s.screen === 'CONFIRMING' && s.phase].join();
  }

  /** After each drawing, moves the focus to where the user has to look next. */
  #drawn(): void {
    const s = this.#flow.state;
    this.#guard();
    // Reset the input: otherwise choosing the removed file again would not fire a change event.
    const input = this.#root.querySelector<HTMLInputElement>('#file');
    if (input && !s.file) input.value = '';
    const now = this.#where();
    const moved = this.#begun.used && now !== this.#shown;
    // A field of the page that is being typed into keeps the focus. When a focused control was removed with its screen, the body has the
    // focus.
    const active = document.activeElement;
    const free = !active || active === document.body || this.#el.matches(':focus-within');
    this.#shown = now;
    const errors = s.errors !== this.#lastErrors && Object.keys(s.errors).length > 0 && !this.#typing(s.errors);
    this.#lastErrors = s.errors;
    if (moved) Object.assign(this.#look, { copied: '', saved: false, warned: false });
    // Typing into a field with a proposed title replaces the proposal.
    const title = this.#root.querySelector<HTMLInputElement>('#title');
    if (s.proposed !== this.#proposed && title?.value === s.proposed && title.matches(':focus')) title.select();
    this.#proposed = s.proposed;
    this.#time(s.screen === 'TRACKING' && this.#el.isConnected);
    let to: HTMLElement | null | undefined;
    if (this.#nextFocus) to = this.#root.querySelector<HTMLElement>(`[data-ats="${this.#nextFocus}"]`);
    else if (errors) to = this.#root.querySelector<HTMLElement>('[aria-invalid="true"]');
    else if (moved) to = this.#root.querySelector('h2');
    this.#nextFocus = '';
    if (!free) return;
    to?.focus();
    if (moved && !errors) this.#root.querySelector('h2')?.scrollIntoView?.({ block: 'nearest' });
  }

  /** After a while, a waiting screen says that it takes longer. */
  #time(waits: boolean): void {
    if (waits === !!this.#slow) return;
    clearTimeout(this.#slow);
    this.#slow = waits ? setTimeout(() => this.#show({ late: true }), longWait) : undefined;
    if (!waits) this.#look.late = false;
  }

  /** When errors only become fewer, someone is typing: the focus stays where it is. */
  #typing(errors: FieldProblems): boolean {
    const before = new Set(Object.keys(this.#lastErrors));
    return before.size > 0 && Object.keys(errors).length < before.size && Object.keys(errors).every((k) => before.has(k));
  }

  /** There is an access code that is not saved yet. */
  get #losing(): boolean {
    const { screen, accessCode = '' } = this.#flow.state;
    // The next page resumes an order, unless the browser stores nothing.
    return (screen === 'COMPLETE' || (screen === 'TRACKING' && !this.#stored)) && accessCode !== '' && accessCode !== this.#kept;
  }

  /** Warns before the page is closed while a transfer or an order is running, or while an access code is not saved. */
  #guard(): void {
    const { screen, phase } = this.#flow.state;
    const losing = this.#losing;
    const busy = this.#el.isConnected && (losing || screen === 'UPLOAD' || (screen === 'CONFIRMING' && phase === 'confirming'));
    if (losing !== this.#dialogs.length > 0 || !this.#el.isConnected) {
      for (const dialog of this.#dialogs) dialog.removeEventListener('cancel', this.#stay);
      this.#dialogs = losing && this.#el.isConnected ? dialogsAround(this.#el) : [];
      for (const dialog of this.#dialogs) dialog.addEventListener('cancel', this.#stay);
    }
    if (busy === this.#guarding) return;
    this.#guarding = busy;
    if (busy) addEventListener('beforeunload', this.#warn);
    else removeEventListener('beforeunload', this.#warn);
  }

  #warn = (e: BeforeUnloadEvent): void => e.preventDefault();

  /** The first key press that would close a dialog shows a warning; the second closes it. */
  #stay = (e: Event): void => {
    if (this.#look.warned || e.target !== e.currentTarget) return;
    e.preventDefault();
    this.#show({ warned: true });
  };
}

type Look = { -readonly [K in 'dragging' | 'copied' | 'saved' | 'late' | 'warned' | 'formats']: View[K] };

/** The dialogs that contain an element, across shadow roots. */
function dialogsAround(element: Element): Element[] {
  const found: Element[] = [];
  for (let at: Node | null = element; at; at = at.parentNode ?? (at instanceof ShadowRoot ? at.host : null))
    if (at instanceof Element && at.localName === 'dialog') found.push(at);
  return found;
}
