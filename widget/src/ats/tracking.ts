/** Follows a transaction to its end: by socket, and by polling when the socket fails. Always ends. */
import { expect, type Api } from './api.js';
import { ProblemError, malformed, problemFrom } from './problem.js';

export interface Step {
  step: string;
  progress: number;
  description?: string;
}

export interface Result {
  atsId: number;
  txHash: string;
  blockNumber: number;
  blockHash: string;
  explorerUrl: string;
  /** The work's UUID, and its public page, if the server sends them. */
  workId?: string;
  workUrl?: string;
  accessCode?: string;
  /** The time when the network accepted it. If the server does not send it: the time of the last step. Empty when neither is known. */
  at?: string;
}

export interface TrackOptions {
  wsUrl: string;
  statusUrl: string;
  onStep: (step: Step) => void;
  signal: AbortSignal;
}

const pollEvery = 3000;
const pollFor = 120_000;
/** A socket that sends nothing for this long counts as broken. */
const silence = 60_000;

/** Thrown when the server said that the transaction has failed for good. */
export class TransactionFailed extends ProblemError {}

type Json = Record<string, unknown>;
const object = (v: unknown): Json | undefined => (typeof v === 'object' && v !== null ? (v as Json) : undefined);

const ended = (error: unknown): TransactionFailed => {
  const p = problemFrom(error)?.problem;
  return p
    ? new TransactionFailed(p.code, p.details, p.requestId)
    : new TransactionFailed('transaction.failed', typeof error === 'string' ? { reason: error } : undefined);
};

/** The failure of a result: a text with code, details and request id next to it. An older server sends all of them in one object. */
const failure = (r: Json): TransactionFailed =>
  ended(
    typeof r['error_code'] === 'string'
      ? { code: r['error_code'], message: r['error'], details: r['error_details'], request_id: r['request_id'] }
      : r['error'],
  );

/** Error frames about the socket, not about the end of the transaction: the status has the answer. */
const elsewhere = new Set<unknown>([
  'transaction.not_found',
  'transaction.store_unavailable',
  'common.rate_limited',
  'common.service_unavailable',
]);

function result(details: unknown): Result {
  const d = expect(details, { tx_hash: 'string', block_number: 'number' });
  const atsId = Number(d['ats_id']);
  if (!Number.isFinite(atsId)) throw malformed('ats_id');
  const text = (v: unknown) => (typeof v === 'string' ? v : '');
  const code = text(d['access_code']);
  const workId = text(d['work_id']);
  const workUrl = text(d['work_url']);
  return {
    atsId,
    txHash: d.tx_hash,
    blockNumber: d.block_number,
    blockHash: text(d['block_hash']),
    explorerUrl: text(d['explorer_url']),
    at: text(d['registered_at']),
    ...(workId && { workId }),
    ...(workUrl && { workUrl }),
    ...(code && { accessCode: code }),
  };
}

/** Resolves with the result of the transaction. Throws TransactionFailed when it failed, ProblemError when the result is unknown. */
export async function track(api: Api, o: TrackOptions): Promise<Result> {
  let reached = -1;
  let at = '';
  // A late subscriber receives all steps again, and so does polling: each step is passed on once.
  const onStep = (s: Json) => {
    const progress = Number(s['progress']);
    if (typeof s['step'] !== 'string' || !(progress > reached)) return;
    reached = progress;
    if (typeof s['timestamp'] === 'string') at = s['timestamp'];
    o.onStep({
      step: s['step'],
      progress,
      ...(typeof s['description'] === 'string' && { description: s['description'] }),
    });
  };
  const end = (await bySocket(api, o, onStep)) ?? (await byPolling(api, o, onStep));
  return { ...end, at: end.at || at };
}

/** Undefined when the socket failed before the end of the transaction. */
function bySocket(api: Api, o: TrackOptions, onStep: (s: Json) => void): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    o.signal.throwIfAborted();
    let idle = new AbortController();
    let socket: ReturnType<Api['env']['socket']>;
    try {
      socket = api.env.socket(api.resolve(o.wsUrl).replace(/^http/, 'ws'));
    } catch {
      resolve(undefined); // refused outright, such as ws:// from an https:// page
      return;
    }
    const stop = (act: () => void) => {
      socket.onmessage = socket.onclose = socket.onerror = null;
      o.signal.removeEventListener('abort', abort);
      idle.abort();
      try {
        socket.close();
      } catch {
        // closed already
      }
      act();
    };
    const abort = () => stop(() => reject(o.signal.reason));
    const lost = () => stop(() => resolve(undefined));
    const watch = () => {
      idle.abort();
      const mine = (idle = new AbortController());
      api.env.sleep(silence, mine.signal).then(lost, () => {});
    };
    o.signal.addEventListener('abort', abort, { once: true });
    socket.onclose = socket.onerror = lost;
    socket.onmessage = ({ data }) => {
      let frame: Json | undefined;
      try {
        frame = object(JSON.parse(String(data)));
      } catch {
        frame = undefined;
      }
      try {
        if (frame?.['type'] === 'error') {
          if (elsewhere.has(object(frame['error'])?.['code'])) lost();
          else stop(() => reject(ended(frame['error'])));
        } else if (frame?.['type'] === 'update') {
          // Documented as an error frame; an older server may send it as a result.
          if (frame['step'] === 'failed') stop(() => reject(ended(object(frame['details'])?.['error'])));
          else {
            onStep(frame);
            if (frame['step'] === 'completed') {
              const done = result(frame['details']);
              stop(() => resolve(done));
              return;
            }
            watch();
          }
        } else if (frame?.['type'] === 'connected') watch();
        else if (!frame) lost();
      } catch {
        lost(); // the frame cannot be read: the status has the same data
      }
    };
    watch();
  });
}

async function byPolling(api: Api, o: TrackOptions, onStep: (s: Json) => void): Promise<Result> {
  const until = api.env.now() + pollFor;
  let last: ProblemError;
  /** Answers that say that it has ended, but not how. The first may have come too early; after a second, no better answer comes. */
  let unclear = 0;
  for (;;) {
    try {
      const status = await api.call('GET', o.statusUrl, { is_complete: 'boolean' }, { signal: o.signal });
      if (Array.isArray(status['steps'])) for (const s of status['steps']) if (object(s)) onStep(s as Json);
      if (typeof status['current_step'] === 'string' && status['current_step'] !== 'failed')
        onStep({ ...status, step: status['current_step'] });
      if (status.is_complete) {
        unclear++;
        const end = object(status['result']);
        if (!end) throw malformed('result');
        if (end['success'] !== true) throw failure(end);
        return result(end);
      }
      last = new ProblemError('widget.network_error', { reason: 'timeout' });
    } catch (e) {
      o.signal.throwIfAborted();
      if (e instanceof TransactionFailed || !(e instanceof ProblemError)) throw e;
      if (e.problem.code === 'transaction.not_found' || unclear > 1) throw e;
      last = e;
    }
    if (api.env.now() + pollEvery > until) throw last;
    await api.env.sleep(pollEvery, o.signal);
  }
}
