/** Whether the page that the element stands in may begin a download. */

/**
 * 'no' where a frame around it has a sandbox without allow-downloads. 'unsure' where that cannot be read: the frame is
 * another site's, or the page has no origin of its own. A browser refuses such a download without a word.
 */
export function downloads(): 'yes' | 'unsure' | 'no' {
  for (let w = globalThis.window; w; w = w.parent as typeof w) {
    if (w === w.top) return w.origin === 'null' ? 'unsure' : 'yes';
    const sandbox = w.frameElement?.getAttribute('sandbox');
    if (sandbox === undefined) return 'unsure';
    if (sandbox !== null && !/(^|\s)allow-downloads(\s|$)/i.test(sandbox)) return 'no';
  }
  return 'yes';
}
