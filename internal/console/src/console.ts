// The console works without this script. The script adds buttons that copy, and parts of a page that
// load their new content. It writes no HTML text: the page's policy refuses that.

import { passkeys } from './passkey';

/** Shows the buttons that copy a value, and lets them do so. */
function copying(root: ParentNode): void {
  for (const button of root.querySelectorAll<HTMLButtonElement>('button[data-copy], button[data-copies]')) {
    button.hidden = false;
  }
}

document.addEventListener('click', (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>('button[data-copy], button[data-copies]');
  if (!button) return;
  void navigator.clipboard
    .writeText(button.dataset.copy ?? document.getElementById(button.dataset.copies ?? '')?.textContent ?? '')
    .then(() => {
      const label = button.getAttribute('aria-label') ?? '';
      button.classList.add('done');
      button.setAttribute('aria-label', button.dataset.done ?? label);
      setTimeout(() => {
        button.classList.remove('done');
        button.setAttribute('aria-label', label);
      }, 2000);
    });
});

/** Loads a page as a document. A document from a request runs no script. */
function load(address: string): Promise<Document | null> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.responseType = 'document';
    request.onload = () => resolve(request.status === 200 ? request.responseXML : null);
    request.onerror = () => resolve(null);
    request.open('GET', address);
    request.send();
  });
}

/**
 * Refreshes an element with data-live="SECONDS" again and again, until the page of now has no data-live there. It says its
 * news in the element that data-said names. A hidden tab, or an element that has the focus, waits.
 */
function live(element: HTMLElement): void {
  const said = document.getElementById(element.dataset.said ?? '');
  const shown = (): void => {
    for (const on of element.querySelectorAll<HTMLElement>('[data-live-on]')) on.hidden = false;
  };
  const next = async (): Promise<void> => {
    if (!document.hidden && (await refresh(element))) {
      if (said) said.textContent = element.dataset.news ?? '';
      shown();
    }
    later();
  };
  const later = (): void => {
    const seconds = Number(element.dataset.live);
    if (seconds > 0) setTimeout(() => void next(), seconds * 1000);
  };
  shown();
  later();
}

/** Replaces the children of an element by those of the same element in the page as it is now. Reports a change. */
async function refresh(element: HTMLElement): Promise<boolean> {
  const fresh = (await load(location.href))?.getElementById(element.id);
  if (!fresh || element.contains(document.activeElement) || fresh.textContent === element.textContent) return false;
  element.dataset.news = fresh.dataset.news ?? '';
  if (!fresh.dataset.live) delete element.dataset.live;
  // The list of children shrinks with each node that leaves it, so it is copied first.
  element.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
  copying(element);
  return true;
}

/**
 * Refreshes an element with data-events="URL" after each event of that address, and says its news in the element that data-said
 * names. A hidden tab holds no connection.
 */
function events(element: HTMLElement): void {
  const said = document.getElementById(element.dataset.said ?? '');
  const on = document.querySelector<HTMLElement>('[data-live-on]');
  let source: EventSource | null = null;
  let busy = false;
  let again = false;
  const change = async (): Promise<void> => {
    again = busy;
    if (busy) return;
    busy = true;
    do {
      again = false;
      if ((await refresh(element)) && said) said.textContent = element.dataset.news ?? '';
    } while (again);
    busy = false;
  };
  const open = (): void => {
    source?.close();
    source = null;
    if (document.hidden || !element.dataset.events) return;
    source = new EventSource(element.dataset.events);
    source.onopen = () => {
      if (on) on.hidden = false;
      void change(); // what happened since the page was loaded
    };
    source.addEventListener('changed', () => void change());
    source.addEventListener('ended', () => {
      source?.close();
      delete element.dataset.events;
      if (on) on.hidden = true;
      if (said) {
        said.textContent = said.dataset.ended ?? '';
        said.classList.remove('unseen');
      }
    });
  };
  document.addEventListener('visibilitychange', open);
  open();
}

/** The part of <ats-widget> that a page of the console uses. */
interface Widget extends HTMLElement {
  setToken(token: string): void;
}

/** The events of the widget. */
const widgetEvents = ['ready', 'upload-start', 'upload-complete', 'confirmed', 'step', 'complete', 'failed', 'token-expired', 'error'];

/** Gives a widget with data-session the sessions that the form .session asks for, and lists its events. */
function session(widget: Widget): void {
  const form = widget.closest('main')?.querySelector<HTMLFormElement>('form.session');
  const said = document.getElementById('session-said');
  const list = document.getElementById('events');
  if (!form) return;
  const token = async (): Promise<void> => {
    const answer = await fetch(form.action, {
      method: 'POST',
      body: new URLSearchParams(new FormData(form) as unknown as Record<string, string>),
    });
    const body = answer.ok ? ((await answer.json()) as { token?: string }) : {};
    if (body.token) widget.setToken(body.token);
    if (said) said.textContent = body.token ? '' : (said.dataset.refused ?? '');
  };
  widget.addEventListener('allfeat:ready', () => void token());
  widget.addEventListener('allfeat:token-expired', () => void token());
  for (const name of widgetEvents) {
    widget.addEventListener('allfeat:' + name, (event) => {
      const line = document.createElement('li');
      line.textContent = 'allfeat:' + name + ' ' + JSON.stringify((event as CustomEvent).detail ?? null);
      list?.append(line);
      if (list && list.childElementCount > 50) list.firstElementChild?.remove();
    });
  }
}

/** Shows the values of a form with data-theme on the widget of the page, and as CSS. */
function theming(form: HTMLFormElement): void {
  const css = document.getElementById('css');
  const widget = document.querySelector<HTMLElement>('ats-widget');
  const show = (): void => {
    const rules = new Map<string, string>();
    for (const field of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>('[data-property]')) {
      const property = field.dataset.property ?? '';
      let value = field instanceof HTMLSelectElement ? (field.selectedOptions[0]?.dataset.css ?? '') : field.value;
      if (field.dataset.unit) value = /^\d{1,2}$/.test(value) ? value + field.dataset.unit : '';
      if (value === field.dataset.default) value = '';
      if (value) rules.set(property, value);
      widget?.style.setProperty(property, value);
    }
    const scheme = rules.get('color-scheme');
    rules.delete('color-scheme');
    const lines = [...(scheme ? [['color-scheme', scheme]] : []), ...rules].map(([name, value]) => `  ${name}: ${value};\n`);
    if (css) css.textContent = `ats-widget {\n${lines.join('')}}\n`;
  };
  form.addEventListener('input', show);
  show();
}

copying(document);
passkeys(document);
for (const part of document.querySelectorAll<HTMLElement>('[data-script]')) part.hidden = false;
for (const widget of document.querySelectorAll<Widget>('ats-widget[data-session]')) session(widget);
for (const form of document.querySelectorAll<HTMLFormElement>('form[data-theme]')) theming(form);
document.querySelector('[data-narrow]')?.addEventListener('change', (event) => {
  document.getElementById('stage')?.classList.toggle('narrow', (event.target as HTMLInputElement).checked);
});
for (const element of document.querySelectorAll<HTMLElement>('[data-events][id]')) events(element);
for (const element of document.querySelectorAll<HTMLElement>('[data-live][id]')) live(element);
document.getElementById('problems')?.focus();
