/** The limits that a server states, for the first screen. This file does not explain refusals. */
import { within } from './abort.js';
export interface Limits {
  /** In bytes; 0 when unknown. */
  readonly maxBytes: number;
  /** Names as people use them: WAV, Ogg. */
  readonly formats: readonly string[];
  /** The server's answer. Files of at least so many bytes are sent in parts. */
  readonly stats?: { readonly parts_from_bytes?: unknown };
}

export const unknown: Limits = { maxBytes: 0, formats: [] };

/** The longest time that a page waits for the limits, in ms. */
const timeout = 30_000;

/** Rejects when the server refuses the page. A server that cannot be reached has no limits. */
export async function limitsOf(o: { atsUrl: string; siteKey: string; network: string }, parent: AbortSignal): Promise<Limits> {
  const headers = { 'Content-Type': 'application/json', 'X-Site-Key': o.siteKey };
  const url = `${o.atsUrl.replace(/\/+$/, '')}/v1/stats?network=${o.network}`;
  const answer = await within(parent, timeout, async (signal) => {
    const r = await fetch(url, { headers, credentials: 'omit', cache: 'no-store', signal });
    return { status: r.status, stats: (r.ok ? await r.json() : {}) as object };
  }).catch(() => ({ status: 0, stats: {} }));
  // A busy server only leaves the limits unknown.
  if (/^4(?!29)/.test(String(answer.status))) throw new Error('refused');
  return limitsFrom(answer.stats);
}

export const limitsFrom = (stats: { max_audio_size_bytes?: unknown; supported_formats?: unknown; parts_from_bytes?: unknown }): Limits => ({
  maxBytes: Number(stats.max_audio_size_bytes) || 0,
  stats,
  formats: Array.isArray(stats.supported_formats)
    ? [...new Set(stats.supported_formats.filter((f) => typeof f === 'string').map(short))]
    : [],
});

/** The smallest of the limits that are set; 0 when none is set. */
export const smallest = (...limits: number[]): number => {
  const set = limits.filter((n) => n > 0);
  return set.length ? Math.min(...set) : 0;
};

/** audio/x-wav as WAV, and "Ogg Vorbis" as Ogg. The server knows the other names. */
const short = (format: string): string => format.replace(/^\w+\/(?:x-)?(.*)/, (_, name: string) => name.toUpperCase()).split(/[\s,]/)[0]!;
