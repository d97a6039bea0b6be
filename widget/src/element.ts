/**
 * The <ats-widget> element: its public members, and the first screen. Everything after that is in rest.ts. rest.ts is fetched when a person
 * starts, or immediately where there is more to show than an empty form. Importing this file defines nothing.
 */
import { render } from 'lit/html.js';
import type { Begun, Host, Rest, Started } from './begun.js';
import { dropped, type Dropped } from './page/drop.js';
import { clock } from './env.js';
import { AtsEvent, type AtsEventDetails, type AtsEventName, type AtsMode } from './events.js';
import { fetchFile } from './parts/files.js';
import { initial, type State } from './state.js';
import { limitsOf, smallest } from './ats/limits.js';
import { lacking } from './page/needs.js';
import type { AtsState } from './public.js';
import { claimKey, draftKey, get, type Holder } from './page/place.js';
import { attributesOf, memoryOf, reflected } from './page/reflected.js';
import { card } from './screens/card.js';
import { song } from './screens/song.js';
import { shared } from './parts/shared.js';
import { Language } from './i18n/language.js';
import { styles } from './styles/styles.js';

/** A person who does one of these is about to start. */
const touches = ['pointerenter', 'pointerdown', 'focusin', 'dragenter', 'input'];

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- only overloads of a method that every element has
export interface AtsWidget {
  addEventListener<K extends AtsEventName>(
    type: K,
    listener: (this: AtsWidget, event: AtsEvent<K>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener<K extends keyof HTMLElementEventMap>(
    type: K,
    listener: (this: HTMLElement, event: HTMLElementEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/**
 * Registers a song, or a new version of one: form, upload, price, confirmation, tracking, proof.
 *
 * @attr {string} token - Session token; read, and removed from the DOM at once.
 * @attr {string} lang - Language: en, fr, es, de, pt, ja, ar; by default the language of the nearest ancestor or of the document.
 *
 * @csspart card - The card around every screen.
 * @csspart path - The list of steps at the top.
 * @csspart dropzone - The area to choose or drop a file.
 * @csspart creator - The fields of one creator.
 * @csspart button - The main button of a screen.
 * @csspart progress - Progress bars.
 * @csspart access-code - The panel with the access code.
 * @csspart test-network - The band that names the test network.
 *
 * @cssprop --ats-primary - Main colour, any CSS colour; hover, light and readable text are derived from it.
 * @cssprop --ats-primary-hover - The main button under the pointer; by default derived from --ats-primary. Readable text on it is derived.
 * @cssprop --ats-primary-light - Background of a chosen item, with text in --ats-text; by default derived from --ats-primary.
 * @cssprop --ats-text - Text.
 * @cssprop --ats-text-secondary - Secondary text.
 * @cssprop --ats-text-muted - Hints.
 * @cssprop --ats-background - Card.
 * @cssprop --ats-background-secondary - Panels in the card.
 * @cssprop --ats-border - Lines.
 * @cssprop --ats-radius - Corners of controls.
 * @cssprop --ats-radius-lg - Corners of the card.
 * @cssprop --ats-error - Error text.
 * @cssprop --ats-error-light - Error background.
 * @cssprop --ats-success - Success text.
 * @cssprop --ats-success-light - Success background.
 * @cssprop --ats-warning - Notice text.
 * @cssprop --ats-warning-light - Notice background.
 * @cssprop --ats-shadow - Shadow of buttons.
 * @cssprop --ats-shadow-lg - Shadow of the card.
 * @cssprop --ats-font-family - Font.
 * @cssprop --ats-transition - Duration and easing of transitions.
 *
 * @tag ats-widget
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- as above
export class AtsWidget extends HTMLElement implements Host {
  /** @internal */
  static readonly observedAttributes: readonly string[] = [...Object.values(reflected), 'token', 'lang'];

  /**
   * Public key of the integration (cpk_…). Required.
   * @attr site-key
   */
  declare siteKey: string;
  /**
   * Absolute URL of the ATS. Required.
   * @attr ats-url
   */
  declare atsUrl: string;
  /**
   * The network to register on, testnet or mainnet.
   * @attr
   * @type {'testnet' | 'mainnet'}
   * @default 'testnet'
   */
  declare network: string;
  /**
   * The task of the widget: register a song, register a new version, or download the end-user's files. The new version is of the song with an
   * access code, or of one of the end-user's songs. Another mode shows its empty form and forgets the token. Give the token for the new mode within 2 s, or the
   * widget asks for it. An order that has not ended stays.
   * @attr
   * @type {'register' | 'update' | 'download'}
   * @default 'register'
   */
  declare mode: AtsMode;
  /**
   * The embedding site's reference of the end-user, whose works an update and a download list, without an access code. Required in the mode
   * download.
   * @attr external-user-id
   */
  declare externalUserId: string;
  /**
   * Largest file in bytes, if below the server's limit; 0: only the server's own limit.
   * @attr max-file-size
   * @default 0
   */
  declare maxFileSize: number;

  readonly #root = this.attachShadow({ mode: 'open' });
  readonly #begun: Begun = {
    state: initial(),
    drop: undefined,
    next: false,
    token: '',
    expects: false,
    language: new Language(clock, () => this.#queue()),
    ready: '',
    used: false,
    limits: undefined,
    place: placeOf(
      this,
      () => this.#rest,
      () => (this.#made = ''),
    ),
    changed: () => this.#queue(),
  };
  #rest: Started | undefined;
  /** rest.ts is loading, or could not be loaded. */
  #fetching: 'no' | 'yes' | 'failed' = 'no';
  #queued = false;
  #shown = false;
  #dragging = false;
  /** The attributes that the first screen was drawn for. */
  #made = '';
  #watch: MutationObserver | undefined;
  /** Ends the question for the limits. */
  #asked: AbortController | undefined;

  /** @internal */
  constructor() {
    super();
    for (const type of ['focusin', 'click']) this.#root.addEventListener(type, () => (this.#begun.used = true));
    for (const type of touches) this.addEventListener(type, () => this.#fetch(), { passive: true });
    for (const type of ['dragover', 'dragleave', 'drop'] as const) this.#root.addEventListener(type, (e) => this.#drag(e as DragEvent));
    // A frame without allow-forms sends no form and fires no submit event. So the click of the button counts. Enter in a field also clicks
    // the button.
    this.#root.addEventListener('click', (e) => {
      const button = (e.target as Element).closest('button');
      if (button?.type !== 'submit' || !button.form) return;
      e.preventDefault();
      button.form.dispatchEvent(new Event('submit', { cancelable: true }));
    });
  }

  /** Write-only: reads as null. */
  get token(): string | null {
    return null;
  }
  set token(token: string | null) {
    this.setToken(token ?? '');
  }

  /** Gives a session token. It is kept in memory and never in the DOM. */
  setToken(token: string): void {
    // A page without types may give null.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-conversion -- or a number
    this.#begun.token = String(token ?? '').trim();
    this.#rest?.setToken(this.#begun.token);
  }

  /** Stops all work and returns to the empty form. Emits allfeat:token-expired with pendingAction "reset". */
  reset(): void {
    if (this.#rest) return this.#rest.reset();
    this.#empty();
    this.#emit('allfeat:token-expired', { pendingAction: 'reset' });
    this.#queue();
  }

  /** Your backend has refused a token: shows its refusal, the `error` of its answer, at once if something waits for the token. */
  refuseToken(refusal: unknown): void {
    const { code, details } = Object(refusal) as { code?: string; details?: { reason?: string } };
    // The screen has it when a call needs the token. The developer of the page reads it now.
    console.warn(`ats-widget: your backend refused a session: ${code} (${details?.reason ?? ''}). See ${this.atsUrl}/docs/errors#${code}`);
    this.#rest?.setToken(refusal);
  }

  /** The screen that the widget shows, and its ids and codes. */
  getState(): AtsState {
    return this.#rest?.getState() ?? { screen: 'FORM', ...(this.#begun.ready && !this.#begun.token && { needsToken: true }) };
  }

  /** @internal */
  attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    if (name === 'token') {
      if (value === null) return;
      this.setToken(value);
      this.removeAttribute('token');
    } else if (name === 'lang' || name === 'ats-url') this.#setLanguage();
    else if (this.#rest) this.#rest.changed(name, old, value);
    else if (this.#begun.ready && /^(mode|external-user-id)$/.test(name) && (value || '') !== (old || '')) {
      this.#empty();
      this.#begun.expects = true;
    }
    this.#queue();
  }

  /** Forgets the token and everything that was filled in. */
  #empty(): void {
    Object.assign(this.#begun, { state: initial(), drop: undefined, next: false, token: '' });
  }

  /** @internal */
  connectedCallback(): void {
    if (!lacking() && !this.#root.adoptedStyleSheets.length) this.#root.adoptedStyleSheets = [styles()];
    // A property that was set before the element was defined hides its accessor: set it again through the accessor.
    for (const name of ['token', ...Object.keys(reflected)] as 'token'[]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- only the own property hides the accessor
      delete (this as Partial<Record<typeof name, unknown>>)[name];
      this[name] = value;
    }
    this.#setLanguage();
    this.#watch = new MutationObserver(() => this.#setLanguage());
    this.#watch.observe(document.documentElement, { attributeFilter: ['lang'] });
    this.#rest?.connected();
    this.#queue();
  }

  /** @internal */
  disconnectedCallback(): void {
    this.#watch?.disconnect();
    this.#asked?.abort();
    // In another place, the limits are asked for again.
    if (!this.#begun.limits) this.#made = '';
    this.#rest?.disconnected();
  }

  #queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      // Before the first connection there is nothing to draw, and no listener for the events.
      if (!this.#shown && (!this.isConnected || this.#begun.language.waiting)) return;
      this.#shown = true;
      if (this.#rest) this.#rest.draw();
      else this.#first();
    });
  }

  /** Draws the first screen, and fetches rest.ts where there is more to show. */
  #first(): void {
    // Removed from the page; another element may have taken over.
    if (!this.isConnected) return;
    const { state, language, ready } = this.#begun;
    const made = attributesOf(this);
    if (made !== this.#made) {
      this.#made = made;
      if (this.#plain()) this.#ask(made);
      else this.#fetch();
    }
    // No empty form is drawn before a stored draft or another mode.
    if (!ready && this.#fetching === 'yes' && !this.#begun.used) return;
    const limits = this.#begun.limits?.of === made ? this.#begun.limits : undefined;
    const act = {
      file: (file: File | undefined) => file && this.#take({ file }),
      keepFile: () => {},
      clear: () => {},
    };
    const flow = {
      maxBytes: smallest(limits?.maxBytes ?? 0, this.maxFileSize),
      dispatch: ({ draft }: { draft: Partial<State> }) => {
        this.#begun.state = { ...this.#begun.state, ...draft };
        this.#queue();
      },
      next: () => {
        this.#begun.next = true;
        this.#fetch();
      },
    };
    const failed = this.#fetching === 'failed';
    const view = {
      state,
      texts: language.texts,
      formats: limits?.formats ?? [],
      dragging: this.#dragging,
      filled: false,
      failed,
      flow,
      act,
    };
    render(card(this.network, state, language.texts, song(view), ''), this.#root);
    if (ready || this.#fetching !== 'no') return;
    this.#begun.ready = 'register';
    this.#emit('allfeat:ready', { mode: 'register' });
  }

  /** The empty form is all there is to show: no error, and nothing is stored here. */
  #plain(): boolean {
    const { siteKey, atsUrl, network, mode, maxFileSize } = this;
    if (lacking() || mode !== 'register' || !siteKey || /^csk_/.test(siteKey) || !(maxFileSize >= 0)) return false;
    if (!/^(testnet|mainnet)$/.test(network) || !/^https?:\/\/./i.test(atsUrl)) return false;
    const key = claimKey(memoryOf(this), this.#begun.place);
    return !get(key) && !get(draftKey(key, mode));
  }

  /** Asks the server for its limits. rest.ts shows what a refusal means. */
  #ask(of: string): void {
    this.#asked?.abort();
    const { signal } = (this.#asked = new AbortController());
    limitsOf(this, signal).then(
      (limits) => {
        if (signal.aborted) return;
        this.#begun.limits = { of, ...limits };
        this.#queue();
      },
      () => of === this.#made && this.#fetch(),
    );
  }

  #drag(e: DragEvent): void {
    if (this.#rest) return this.#rest.drag(e);
    const drop = dropped(e, true);
    if (!drop) return;
    this.#dragging = e.type === 'dragover';
    if (drop.file || drop.wrong) this.#take(drop);
    this.#queue();
  }

  /** Shows the chosen file. rest.ts checks it. */
  #take(drop: Dropped): void {
    this.#begun.drop = drop;
    this.#begun.state = { ...this.#begun.state, file: drop.file ?? null };
    this.#fetch();
    this.#queue();
  }

  #fetch(): void {
    if (this.#rest || this.#fetching === 'yes') return;
    this.#fetching = 'yes';
    void fetchFile('rest', this.atsUrl)
      .then((file) => {
        this.#rest = new (file.use(shared) as Rest).Controller(this, this.#root, this.#begun);
        this.#rest.begin();
      })
      .catch(() => (this.#fetching = 'failed'))
      .then(() => this.#queue());
  }

  #emit<K extends AtsEventName>(name: K, detail: AtsEventDetails[K]): void {
    this.dispatchEvent(new AtsEvent(name, detail));
  }

  /** Uses the nearest lang attribute, across shadow roots. */
  #setLanguage(): void {
    if (!this.isConnected) return;
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the walk begins here
    let at: Node | null = this;
    let lang = '';
    while (at && !lang) {
      if (at instanceof Element) lang = at.getAttribute('lang') ?? '';
      at = at.parentNode ?? (at instanceof ShadowRoot ? at.host : null);
    }
    this.#begun.language.set(lang || navigator.language || 'en', this.atsUrl);
  }
}

/** Another element may take over from this one only when nothing is lost. */
const placeOf = (el: Element, rest: () => Started | undefined, gone: () => void): Holder => ({
  get isConnected() {
    return el.isConnected;
  },
  get ordering() {
    return !!rest()?.ordering;
  },
  giveWay: () => (gone(), rest()?.giveWay()),
});

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
      // eslint-disable-next-line @typescript-eslint/no-base-to-string -- as browsers do with their own properties
      else this.setAttribute(attribute, String(value));
    },
  });
}

declare global {
  interface HTMLElementTagNameMap {
    'ats-widget': AtsWidget;
  }
}
