/** Whether the page around the element may start a download. */

/**
 * 'no' if a frame around the page has a sandbox without allow-downloads. 'unsure' if the sandbox cannot be read, because the frame is of
 * another site or the page has an opaque origin. A browser refuses such a download silently.
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
