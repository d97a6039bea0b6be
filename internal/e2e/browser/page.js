// The tests add this script to every page before its own scripts. It listens on the document
// and finds the widgets. It changes nothing.
(() => {
  if (globalThis.e2e) return;
  const events = [];
  const violations = [];
  const warnings = [];
  const names = ['ready', 'upload-start', 'upload-progress', 'upload-complete', 'confirmed', 'step', 'complete', 'failed', 'token-expired', 'error'];
  for (const name of names) {
    // Heard at the document, so that only what bubbles out of every shadow root counts.
    document.addEventListener(`allfeat:${name}`, (e) => {
      const from = e.composedPath()[0];
      events.push({ name, detail: JSON.parse(JSON.stringify(e.detail)), bubbles: e.bubbles, composed: e.composed, from: from.id || '' });
    });
  }
  const { warn } = console;
  console.warn = (...said) => {
    warnings.push(said.join(' '));
    warn.apply(console, said);
  };
  document.addEventListener('securitypolicyviolation', (e) => violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));

  /** Every element below root, shadow roots included, that the selector names. */
  function all(selector, root = document) {
    const found = [...root.querySelectorAll(selector)];
    for (const e of root.querySelectorAll('*')) if (e.shadowRoot) found.push(...all(selector, e.shadowRoot));
    return found;
  }
  const widget = (i = 0) => all('ats-widget')[i];
  const inside = (w, selector) => w?.shadowRoot?.querySelector(selector) ?? null;
  /** The element of a widget that carries data-ats=name. */
  const hook = (name, i = 0) => inside(widget(i), `[data-ats="${name}"]`);
  const text = (name, i = 0) => hook(name, i)?.textContent.trim() ?? '';
  const state = (i = 0) => widget(i)?.getState?.() ?? {};

  /** Returns the element with the focus, through every shadow root. */
  function active() {
    let e = document.activeElement;
    while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    return e;
  }
  const nameOf = (e) => (e ? e.dataset?.ats || e.id || e.localName : '');
  const focus = () => nameOf(active());

  // A headless browser under load may draw no frame for long: then time passes all the same.
  const later = setTimeout.bind(globalThis);
  const frame = () => Promise.race([new Promise((resolve) => requestAnimationFrame(resolve)), new Promise((resolve) => later(resolve, 250))]);

  /** Where a mouse would press the element, once it stands still; says what is in the way instead. */
  async function place(find, ms) {
    const end = performance.now() + ms;
    for (let found; ; await frame()) {
      find()?.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });
      // A scrolled element has its final position only after it was drawn.
      await frame();
      const before = spot(find());
      await frame();
      found = spot(find());
      if (!found.problem && found.x === before.x && found.y === before.y) return found;
      if (performance.now() > end) return { problem: found.problem ?? 'does not stand still' };
    }
  }

  function spot(e) {
    if (!e) return { problem: 'is not there' };
    const r = e.getBoundingClientRect();
    if (r.width < 1 || r.height < 1) return { problem: 'has no size' };
    const x = r.x + r.width / 2;
    const y = r.y + r.height / 2;
    let top = document.elementFromPoint(x, y);
    while (top?.shadowRoot) {
      const deeper = top.shadowRoot.elementFromPoint(x, y);
      if (!deeper || deeper === top) break;
      top = deeper;
    }
    const takes = top && (e.contains(top) || top.contains(e) || top.closest('label')?.control === e);
    return takes ? { x, y } : { problem: `is covered by ${top ? top.outerHTML.slice(0, 120) : 'nothing'}` };
  }

  /** Resolves to true when the condition holds, looked at before every frame, and to false after ms. */
  function until(condition, ms) {
    return new Promise((resolve) => {
      const end = performance.now() + ms;
      const look = () => {
        if (condition()) resolve(true);
        else if (performance.now() > end) resolve(false);
        else frame().then(look);
      };
      look();
    });
  }

  /** Everything that a reader of the DOM can get at, shadow roots included. */
  function serialized(root = document) {
    let out = root === document ? document.documentElement.outerHTML : root.innerHTML;
    for (const e of root.querySelectorAll('*')) {
      if (e.shadowRoot) out += serialized(e.shadowRoot);
      if ('value' in e) out += String(e.value);
    }
    return out;
  }

  Object.defineProperty(globalThis, 'e2e', { value: { events, violations, warnings, all, widget, hook, text, state, active, nameOf, focus, place, until, serialized } });
})();
