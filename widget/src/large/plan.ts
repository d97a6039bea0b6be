/** The parts of one upload: where each is, and what to do next. Pure: sends nothing and knows no clock. */

export interface Part {
  /** Counted from 1. */
  readonly number: number;
  readonly size: number;
  readonly status: 'missing' | 'sending' | 'stored';
  /** Bytes that have left while it is sending. */
  readonly loaded: number;
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface Plan {
  readonly size: number;
  readonly parts: readonly Part[];
  readonly online: boolean;
  readonly cancelled: boolean;
  /** Failures since something last succeeded. */
  readonly failures: number;
}

export type Happening =
  | { type: 'stored'; numbers: readonly number[] }
  | { type: 'lost'; numbers: readonly number[] }
  | { type: 'signed'; urls: readonly { number: number; url: string }[]; expiresAt: number }
  | { type: 'sending'; number: number }
  | { type: 'progress'; number: number; loaded: number }
  | { type: 'sent'; number: number }
  /** stale: its URL is not accepted any more. counts: something is wrong, and not only the connection. */
  | { type: 'failed'; number?: number; stale?: boolean; counts: boolean }
  | { type: 'online' | 'offline' | 'answered' | 'cancel' };

/** Parts on their way at the same time. Browsers open six connections to a server; the calls need some of them. */
export const parallel = 4;
/** URLs that are asked for at a time: a URL that is needed much later would expire before. */
const batch = 8;

export const planOf = (size: number, partSize: number): Plan => ({
  size,
  parts: Array.from({ length: Math.ceil(size / partSize) }, (_, i) => ({
    number: i + 1,
    size: Math.min(partSize, size - i * partSize),
    status: 'missing',
    loaded: 0,
    url: '',
    expiresAt: 0,
  })),
  online: true,
  cancelled: false,
  failures: 0,
});

export function after(p: Plan, h: Happening): Plan {
  if (p.cancelled) return p;
  const change = (numbers: readonly number[], to: (part: Part) => Part): Plan => ({
    ...p,
    parts: p.parts.map((part) => (numbers.includes(part.number) ? to(part) : part)),
  });
  const missing = (part: Part): Part => ({ ...part, status: 'missing', loaded: 0 });
  switch (h.type) {
    case 'stored':
      // A list may be older than what is on its way: it only adds.
      return change(h.numbers, (part) => (part.status === 'missing' ? { ...part, status: 'stored' } : part));
    case 'lost':
      return change(h.numbers, (part) => (part.status === 'stored' ? missing(part) : part));
    case 'signed':
      return change(
        h.urls.map((u) => u.number),
        (part) => ({ ...part, url: h.urls.find((u) => u.number === part.number)!.url, expiresAt: h.expiresAt }),
      );
    case 'sending':
      return change([h.number], (part) => (part.status === 'missing' ? { ...part, status: 'sending', loaded: 0 } : part));
    case 'progress':
      return change([h.number], (part) =>
        part.status === 'sending' ? { ...part, loaded: Math.max(part.loaded, Math.min(h.loaded, part.size)) } : part,
      );
    case 'sent':
      return { ...change([h.number], (part) => (part.status === 'sending' ? { ...part, status: 'stored' } : part)), failures: 0 };
    case 'failed': {
      const next =
        h.number === undefined
          ? p
          : change([h.number], (part) =>
              part.status === 'sending' ? { ...missing(part), ...(h.stale && { url: '', expiresAt: 0 }) } : part,
            );
      return h.counts ? { ...next, failures: p.failures + 1 } : next;
    }
    case 'answered':
      return p.failures ? { ...p, failures: 0 } : p;
    case 'online':
      return p.online ? p : { ...p, online: true };
    case 'offline':
      return p.online ? { ...p, online: false } : p;
    case 'cancel':
      return { ...p, cancelled: true, parts: p.parts.map((part) => (part.status === 'sending' ? missing(part) : part)) };
  }
}

export interface Todo {
  /** Parts that need a URL. */
  readonly sign: readonly number[];
  readonly send: readonly Part[];
  /** All parts are stored. */
  readonly complete: boolean;
}

export function todo(p: Plan, now: number): Todo {
  if (p.cancelled) return { sign: [], send: [], complete: false };
  const open = p.parts.filter((part) => part.status === 'missing');
  const busy = p.parts.filter((part) => part.status === 'sending').length;
  if (!open.length && !busy) return { sign: [], send: [], complete: true };
  if (!p.online) return { sign: [], send: [], complete: false };
  const signed = open.filter((part) => part.url && part.expiresAt > now);
  const send = signed.slice(0, Math.max(0, parallel - busy));
  // Asked for before the last one is used: nothing waits for an answer.
  const ahead = signed.length - send.length < parallel;
  const sign = ahead ? open.filter((part) => !signed.includes(part)).slice(0, batch) : [];
  return { sign: sign.map((part) => part.number), send, complete: false };
}

export const loaded = (p: Plan): number =>
  p.parts.reduce((sum, part) => sum + (part.status === 'stored' ? part.size : part.status === 'sending' ? part.loaded : 0), 0);
