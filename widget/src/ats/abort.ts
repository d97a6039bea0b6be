/** Aborts one operation early. AbortSignal.any and AbortSignal.timeout do the same, but some supported browsers lack them. */

/** Runs act with a signal that aborts when parent aborts, after ms, and when act has returned. */
export async function within<T>(parent: AbortSignal | undefined, ms: number, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  parent?.throwIfAborted();
  const own = new AbortController();
  const stop = () => own.abort(parent?.reason);
  parent?.addEventListener('abort', stop);
  const timer = ms > 0 ? setTimeout(() => own.abort(new DOMException('timeout', 'TimeoutError')), ms) : undefined;
  try {
    return await act(own.signal);
  } finally {
    clearTimeout(timer);
    parent?.removeEventListener('abort', stop);
    own.abort();
  }
}
