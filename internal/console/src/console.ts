// The console works without this script. The script adds buttons that copy, and parts of a page that
// load their new content. It writes no HTML text: the page's policy refuses that.

/** Shows the buttons that copy a value, and lets them do so. */
function copying(root: ParentNode): void {
  for (const button of root.querySelectorAll<HTMLButtonElement>('button[data-copy]')) {
    button.hidden = false;
  }
}

document.addEventListener('click', (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>('button[data-copy]');
  if (!button) return;
  void navigator.clipboard.writeText(button.dataset.copy ?? '').then(() => {
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
 * Replaces the children of an element with data-live="SECONDS" by those of the same element in the page as it is now. The
 * page keeps its address. A hidden tab, or an element that has the focus, waits.
 */
function live(element: HTMLElement): void {
  let last = '';
  const wait = Math.max(1, Number(element.dataset.live) || 5) * 1000;
  const next = async (): Promise<void> => {
    if (!document.hidden && !element.contains(document.activeElement)) {
      const fresh = (await load(location.href))?.getElementById(element.id);
      const now = fresh?.innerHTML ?? last;
      const changed = last ? now !== last : fresh?.textContent !== element.textContent;
      last = now;
      if (fresh && changed) {
        element.replaceChildren(...Array.from(fresh.childNodes, (node) => document.adoptNode(node)));
        copying(element);
      }
    }
    setTimeout(() => void next(), wait);
  };
  setTimeout(() => void next(), wait);
}

copying(document);
for (const element of document.querySelectorAll<HTMLElement>('[data-live][id]')) live(element);
document.getElementById('problems')?.focus();
