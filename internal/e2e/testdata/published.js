// A widget as pages have it that were made before this one: a double of the
// published widgets, written from the public contract. It does what they do at
// the wire, faults included, so that a server that keeps the contract only half
// is noticed: addresses by concatenation, a socket without onclose, polling that
// hears 200 only, uploads three times, every 2xx read as JSON.
//
// It is driven by the same hooks as <ats-widget>. The attribute hurry divides
// its waits, so that a test need not wait two minutes.

const refresh = new Set(['session.invalid_token', 'common.auth.missing_token', 'common.auth.expired', 'common.auth.invalid_token']);
const disabled = new Set([
  'session.key_inactive', 'session.widget_not_enabled', 'session.origin_not_allowed', 'organization.not_found', 'organization.inactive',
  'organization.no_integration', 'common.auth.invalid_api_key',
]);
const inline = new Set(['work.not_found', 'access_code.not_found']);

/** What went wrong, as the events tell it. */
class Problem extends Error {
  constructor(code, message, requestId = null, details = undefined) {
    super(message);
    Object.assign(this, { code, requestId, details });
  }
}

class Published extends HTMLElement {
  #state = { screen: 'FORM' };
  #given; // resolves when a token is given
  #refreshed = -Infinity;
  #form = {};
  token = '';

  constructor() {
    super();
    this.attachShadow({ mode: 'open' });
  }

  connectedCallback() {
    this.token ||= this.getAttribute('token') ?? '';
    this.#start();
    this.#emit('ready', { mode: this.mode });
  }

  get mode() {
    return this.getAttribute('mode') ?? 'register';
  }
  get network() {
    return this.getAttribute('network') ?? 'testnet';
  }
  get externalUserId() {
    return this.getAttribute('external-user-id') ?? '';
  }
  get #base() {
    return this.getAttribute('ats-url');
  }
  getState() {
    return { ...this.#state };
  }
  setToken(token) {
    this.token = token;
    this.#given?.(true);
    // A list waits for the first token; what was refused asks again by itself.
    if (this.#state.step === 'waiting') this.#run(() => this.#list());
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(`allfeat:${name}`, { detail, bubbles: true, composed: true }));
  }
  #wait(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms / Number(this.getAttribute('hurry') ?? 1)));
  }

  // Screens.

  #show(screen, ...nodes) {
    this.#state.screen = screen;
    const card = this.#make('div', 'card', ...nodes);
    this.shadowRoot.replaceChildren(card);
  }
  #make(tag, hook, ...content) {
    const e = document.createElement(tag);
    e.dataset.ats = hook;
    e.append(...content);
    return e;
  }
  #field(hook, type = 'text') {
    const e = this.#make('input', hook);
    e.type = type;
    e.setAttribute('aria-label', hook);
    return e;
  }
  #button(hook, act) {
    const e = this.#make('button', hook, hook);
    e.addEventListener('click', () => this.#run(act));
    return e;
  }
  #value(hook) {
    const e = this.shadowRoot.querySelector(`[data-ats="${hook}"]`);
    return e?.type === 'checkbox' ? e.checked : (e?.value ?? '');
  }

  #start() {
    this.#form = {};
    if (this.mode === 'register') return this.#fillIn();
    if (this.externalUserId) {
      this.#show('FORM', 'loading');
      this.#state.step = 'waiting';
      return;
    }
    this.#show('FORM', this.#field('access_code'), this.#button('next', () => this.#open()));
  }

  #fillIn() {
    const creators = (this.#form.creators ?? []).map((c) => this.#make('p', 'kept', `${c.full_name} ${c.roles.join()}`));
    const fields = this.#form.creators ? [] : [
      this.#field('title'), this.#field('creator-0-fullName'), this.#field('creator-0-email'), this.#field('creator-0-author', 'checkbox'),
    ];
    this.#show('FORM', this.#field('file', 'file'), ...fields, ...creators, this.#button('submit', () => this.#submit()));
  }

  #fail(problem) {
    const detail = { code: problem.code, message: problem.message, requestId: problem.requestId, ...(problem.details && { details: problem.details }) };
    this.#emit('error', { ...detail, stage: this.#state.screen.toLowerCase() });
    const said = [this.#make('p', 'code', problem.code ?? ''), this.#make('p', 'message', problem.message), this.#make('p', 'request-id', problem.requestId ?? '')];
    if (inline.has(problem.code)) {
      this.#show('FORM', this.#field('access_code'), this.#button('next', () => this.#open()), ...said);
      return;
    }
    this.#emit('failed', detail);
    if (disabled.has(problem.code)) this.#show('DISABLED', ...said);
    else this.#show('FAILED', ...said, this.#button('retry', () => this.#start()));
  }

  #run(act) {
    Promise.resolve()
      .then(act)
      // Every 2xx is read as JSON; one that is none ends here, on the screen that it was.
      .catch((e) => (e instanceof Problem ? this.#fail(e) : this.#emit('error', { message: String(e) })));
  }

  // Calls.

  async #call(method, path, body, pendingAction) {
    for (let limited = 0; ; ) {
      let answer;
      try {
        answer = await fetch(this.#base + path, {
          method,
          headers: { Authorization: `Bearer ${this.token}`, 'X-Site-Key': this.getAttribute('site-key'), 'Content-Type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        });
      } catch {
        throw new Problem('widget.network_error', 'The network cannot be reached.');
      }
      if (answer.ok) return await answer.json();
      const { code, message, request_id, details } = (await answer.json()).error;
      if (answer.status === 429 && limited < 2) {
        limited++;
        // However long that is: nothing is said meanwhile.
        await this.#wait(1000 * Number(answer.headers.get('Retry-After') ?? limited));
        continue;
      }
      if (!refresh.has(code)) throw new Problem(code, message, request_id, details);
      if (performance.now() - this.#refreshed < 20_000) throw new Problem('widget.auth_retry_exhausted', message, request_id);
      const given = new Promise((resolve) => (this.#given = resolve));
      this.#emit('token-expired', { pendingAction });
      if (!(await Promise.race([given, this.#wait(60_000).then(() => false)]))) throw new Problem('widget.unknown_error', 'Session expired. Please try again.');
      this.#refreshed = performance.now();
    }
  }

  async #upload(url, file) {
    this.#emit('upload-start', { filename: file.name, size: file.size });
    for (let attempt = 1; ; attempt++) {
      const status = await new Promise((resolve) => {
        const r = new XMLHttpRequest();
        r.upload.onprogress = ({ loaded, total }) => this.#emit('upload-progress', { progress: Math.round((100 * loaded) / total), loaded, total });
        r.onload = () => resolve(r.status);
        r.onerror = () => resolve(0);
        r.open('PUT', url);
        r.send(file);
      });
      if (status >= 200 && status < 300) break;
      if (attempt === 3) throw new Problem('widget.upload_error', `Upload failed: HTTP ${status}`);
      await this.#wait(1000 * attempt);
    }
    this.#emit('upload-complete', { filename: file.name });
  }

  // Registering and updating.

  async #submit() {
    const file = this.shadowRoot.querySelector('[data-ats="file"]').files[0];
    const form = this.#form;
    const creators = form.creators?.map((c) => ({ ...c, roles: Object.fromEntries(['author', 'composer', 'arranger', 'adapter'].map((r) => [r, c.roles.includes(r)])) })) ?? [
      {
        full_name: ` ${this.#value('creator-0-fullName')} `, // they do not trim
        email: this.#value('creator-0-email'),
        roles: { author: this.#value('creator-0-author'), composer: false, arranger: false, adapter: false },
      },
    ];
    const title = this.#value('title');
    const ref = this.externalUserId ? { external_user_ref: this.externalUserId } : {};
    this.#show('UPLOAD', 'submitting');
    const to = form.code ? `/v1/access/${form.code}/versions/` : form.atsId ? `/v1/works/${form.atsId}/versions/` : '/v1/works/';
    const updates = to !== '/v1/works/';
    const ask = updates ? { creators, ...(file && { filename: file.name }) } : { title, creators, filename: file.name, network: this.network, ...ref };
    const begun = await this.#call('POST', to + (updates && file ? 'init-upload' : 'init'), ask, 'submit');
    this.#state.jobId = begun.job_id;
    if (file) await this.#upload(begun.upload_url, file);
    this.#show('CONFIRMING', 'confirming');
    const quote = await this.#call('POST', `${to}prepare`, { job_id: begun.job_id }, 'submit');
    const order = await this.#call('POST', `${to}confirm`, { job_id: begun.job_id }, 'submit');
    Object.assign(this.#state, { transactionId: order.transaction_id, workId: quote.work_id });
    this.#form.accessCode = order.access_code;
    this.#emit('confirmed', { transactionId: order.transaction_id });
    this.#show('TRACKING', 'tracking');
    this.#track(order);
  }

  #track({ ws_url, status_url }) {
    let polling = false;
    let ended = false;
    const end = (act) => {
      if (ended) return;
      ended = true;
      socket?.close();
      this.#run(act);
    };
    const refused = (message, code, requestId) => end(() => { throw new Problem(code, message, requestId); });
    const poll = async () => {
      if (polling || ended) return;
      polling = true;
      for (let n = 0; n < 40 && !ended; n++) {
        await this.#wait(3000);
        try {
          const answer = await fetch(this.#base + status_url);
          if (answer.status !== 200) continue;
          const { is_complete, result } = await answer.json();
          if (!is_complete) continue;
          if (result.success) end(() => this.#complete(result));
          else refused(result.error, 'transaction.failed', null);
        } catch {
          // The next one may be answered.
        }
      }
      refused('Transaction timed out', 'widget.network_error', null);
    };
    let socket;
    try {
      socket = new WebSocket(this.#base.replace(/^http/, 'ws') + ws_url);
    } catch {
      poll();
      return;
    }
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'error') refused(frame.error.message, frame.error.code, frame.error.request_id);
      if (frame.type !== 'update') return;
      this.#emit('step', { step: frame.step, progress: frame.progress, description: frame.description });
      if (frame.step === 'completed') end(() => this.#complete(frame.details));
    };
    socket.onerror = poll;
  }

  #complete(r) {
    Object.assign(this.#state, { atsId: r.ats_id, accessCode: r.access_code ?? this.#form.accessCode });
    const detail = { atsId: r.ats_id, txHash: r.tx_hash, blockNumber: r.block_number, explorerUrl: r.explorer_url };
    if (r.access_code) detail.accessCode = r.access_code;
    this.#emit('complete', detail);
    this.#show('COMPLETE', this.#make('p', 'access-code', this.#state.accessCode ?? ''), this.#button('certificate', () => this.#save(`/v1/works/${this.#state.workId}/download/certificate`)));
  }

  async #save(path) {
    const { url } = await this.#call('GET', path, undefined, 'download');
    this.shadowRoot.firstChild.append(this.#make('p', 'saved', url));
  }

  // What is registered already.

  async #open() {
    const code = this.#value('access_code');
    const work = await this.#call('GET', `/v1/access/${code}/work`, undefined, 'access_code');
    Object.assign(this.#form, { code, creators: work.creators });
    if (this.mode === 'update') this.#fillIn();
    else this.#detail(work.title, work.versions ?? [{ version: work.latest_version }], (v, kind) => `/v1/access/${code}/versions/${v}/download/${kind}`);
  }

  async #list() {
    this.#state.step = 'list';
    const { works } = await this.#call('GET', `/v1/works?network=${this.network}&first=50`, undefined, 'download_list');
    this.#show('FORM', ...works.map((w) => this.#button(`work-${w.ats_id}`, () => this.#choose(w))), this.#make('p', 'count', String(works.length)));
  }

  async #choose(work) {
    if (this.mode === 'update') {
      const { creators } = await this.#call('GET', `/v1/works/${work.ats_id}/creators`, undefined, 'work_select');
      Object.assign(this.#form, { atsId: work.ats_id, creators });
      this.#fillIn();
      return;
    }
    const { versions } = await this.#call('GET', `/v1/works/${work.ats_id}/versions`, undefined, 'download');
    this.#detail(work.title, versions, (v, kind) => `/v1/works/${work.id}/versions/${v}/download/${kind}`);
    const { creators } = await this.#call('GET', `/v1/works/${work.ats_id}/versions/1/creators`, undefined, 'download');
    this.shadowRoot.firstChild.append(this.#make('p', 'creators-1', creators.map((c) => c.full_name).join()));
  }

  #detail(title, versions, path) {
    this.#show(
      'FORM',
      this.#make('h3', 'work-title', title),
      ...versions.flatMap(({ version }) => ['audio', 'certificate'].map((kind) => this.#button(`${kind}-${version}`, () => this.#save(path(version, kind))))),
    );
  }
}

customElements.define('ats-widget', Published);
