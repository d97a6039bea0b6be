// Pages work without this script. It adds matches while a person types, buttons
// that copy listings, and fewer stops for the Tab key.
const form = document.getElementById('search');
const field = document.getElementById('q');
const box = document.getElementById('matches');
const said = document.getElementById('matches-count');
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function element(name, text, more = {}) {
  const e = Object.assign(document.createElement(name), more);
  if (text) e.textContent = text;
  return e;
}

// Show only the answer to the current text of the field.
let asked = '';
async function look() {
  const q = field.value.trim();
  if (q === asked) return;
  asked = q;
  let answer = { count: 0, matches: [] };
  if (q) {
    try {
      answer = await (await fetch('/docs/search.json?q=' + encodeURIComponent(q))).json();
    } catch {
      return; // the form still works, or shows the error
    }
  }
  if (q !== asked) return;
  if (box.contains(document.activeElement)) {
    asked = ''; // A person who moves through the matches keeps them. The field searches again when it gets the focus.
    return;
  }
  const list = element('ul');
  for (const { title, page, url } of answer.matches ?? []) {
    const link = element('a', title, { href: url });
    if (page !== title) link.append(element('span', page));
    const item = element('li');
    item.append(link);
    list.append(item);
  }
  box.replaceChildren(list);
  box.hidden = !list.children.length;
  said.textContent = q && `${answer.count} ${answer.count === 1 ? 'match' : 'matches'}`;
}

function close() {
  box.hidden = true;
  asked = '';
}

field.addEventListener('input', look);
field.addEventListener('focus', look);
form.addEventListener('focusout', (e) => {
  if (!form.contains(e.relatedTarget)) close();
});
form.addEventListener('keydown', (e) => {
  if (e.key === 'Escape' && !box.hidden) {
    e.preventDefault();
    field.focus();
    close();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step || box.hidden) return;
  e.preventDefault();
  const stops = [field, ...all('a', box)];
  stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
});
box.addEventListener('click', () => close());

// The key for the search can be switched off: with speech input, people may press
// keys by mistake.
const slash = document.getElementById('slash-key');
document.getElementById('slash-note').hidden = false;
try {
  slash.checked = localStorage.getItem('docs-slash') !== 'off';
} catch {
  // Without storage the key is on, on every page.
}
const announce = () => (slash.checked ? field.setAttribute('aria-keyshortcuts', '/') : field.removeAttribute('aria-keyshortcuts'));
announce();
slash.addEventListener('change', () => {
  announce();
  try {
    localStorage.setItem('docs-slash', slash.checked ? 'on' : 'off');
  } catch {
    // The choice applies to this page only.
  }
});
document.addEventListener('keydown', (e) => {
  if (e.key !== '/' || !slash.checked || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  if (e.target.closest('input:not([type="checkbox"]), textarea, select, [contenteditable]')) return;
  e.preventDefault();
  field.focus();
  field.select();
});

for (const figure of navigator.clipboard ? all('.code') : []) {
  const button = element('button', 'Copy', { type: 'button' });
  button.addEventListener('click', async () => {
    const typed = figure.querySelector('code').cloneNode(true);
    for (const e of all('.prompt, .out', typed)) e.remove();
    await navigator.clipboard.writeText(typed.textContent);
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
  figure.append(button);
}

// A reader chooses a framework or a language once, by a click at the top. Links then lead to its page and say so, and
// pages with a section for each show this one.
const chosen = {
  get(of) {
    try {
      return localStorage.getItem('docs-' + of) ?? '';
    } catch {
      return ''; // the choice applies to this page only
    }
  },
  set(of, name) {
    try {
      localStorage.setItem('docs-' + of, name);
    } catch {
      // as above
    }
  },
};

for (const bar of all('nav.choice')) {
  for (const link of all('a', bar)) link.addEventListener('click', () => chosen.set(bar.dataset.choice, 'index' in link.dataset ? '' : `${link.textContent} ${link.pathname}`));
  // The pages of one choice have the same headings: the next page opens at the same place.
  const keep = () => {
    for (const link of all('a', bar)) link.hash = location.hash;
  };
  addEventListener('hashchange', keep);
  keep();
}
for (const [of, index] of [['framework', '/docs/frameworks'], ['language', '/docs/backends']]) {
  const [name, page] = chosen.get(of).split(' /');
  if (!page || document.querySelector(`nav.choice[data-choice="${of}"]`)) continue; // a page of the choice links to its own index
  for (const link of all(`article a[href="${index}"]`)) {
    link.href = '/' + page;
    if (!link.textContent.includes(name)) link.append(` (${name})`);
  }
}

const levelOf = (e) => Number(/^H([1-6])$/.exec(e.tagName)?.[1] ?? 7);
for (const bar of all('div.choice')) {
  const of = bar.dataset.choice;
  const buttons = all('button', bar);
  const parts = new Map(); // of each option, its section
  for (const heading of all('article h2, article h3')) {
    const button = buttons.find((b) => b.textContent === heading.textContent && !('index' in b.dataset));
    if (!button || parts.has(button)) continue;
    const part = element('section');
    if (!parts.size) heading.before(bar);
    heading.before(part);
    for (let next = heading, level = levelOf(heading); next && (next === heading || levelOf(next) > level) && next !== bar; next = part.nextElementSibling) part.append(next);
    parts.set(button, part);
  }
  const show = (button) => {
    for (const b of buttons) b.setAttribute('aria-pressed', String(b === button));
    for (const [b, part] of parts) part.hidden = parts.has(button) && b !== button;
  };
  for (const button of buttons) {
    button.addEventListener('click', () => {
      show(button);
      chosen.set(of, parts.has(button) ? `${button.textContent} ${button.dataset.page}` : '');
    });
  }
  // A link to a hidden section shows it.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (const [b, part] of parts) {
      if (target && part.hidden && part.contains(target)) {
        show(b);
        target.scrollIntoView();
      }
    }
  };
  const name = chosen.get(of).split(' /')[0];
  show(buttons.find((b) => b.textContent === name) ?? buttons.at(-1));
  bar.hidden = false;
  reveal();
  addEventListener('hashchange', reveal);
}

// A box that does not scroll needs no stop.
const boxes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute('tabindex');
  }
});
for (const e of all('pre, .scroll')) boxes.observe(e);

// The story of the API had the address of its reference. Old links to a heading of it still arrive.
const from = decodeURIComponent(location.hash.slice(1));
if (location.pathname === '/docs/api' && from && !document.getElementById(from)) location.replace('/docs/calls#' + from);
