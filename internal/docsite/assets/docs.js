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
