/**
 * The entry of ats-widget-large.js: sends a large file in parts. A part that fails is sent again, and the others stay. The server knows
 * which parts are stored, so an upload continues after anything that ended it.
 */
import { within } from '../ats/abort.js';
import { longestRetryAfter } from '../ats/api.js';
import { ProblemError, classOf, problemOfBody } from '../ats/problem.js';
import type { LargeUpload } from '../parts/contract.js';
import { after, loaded, planOf, todo, type Happening, type Part, type Plan } from './plan.js';

/** The most failures in a row, in which nothing succeeds. */
const patience = 10;
/** The longest wait between two tries, in ms. */
const longestWait = 30_000;
/** An "offline" of the browser is not believed for longer, in ms. */
const offlineDoubt = 120_000;
/** How often the server may say that parts are missing which it had taken. */
const losses = 3;
/** The speed is that of so many ms. */
const paceOver = 10_000;
/** The bytes of the first and of the last piece of a file that are compared. */
const compared = 1 << 20;

/** Sends all parts, and makes one file of them. Throws a ProblemError, or the signal's reason. */
export async function send(o: LargeUpload): Promise<void> {
  const { api, signal, file } = o;
  const env = api.env;
  let fatal: unknown;
  let wake = () => {};
  let pause: Promise<void> | undefined;
  let signing = false;
  let lost = 0;
  /** Something was sent while the browser said that it is offline. */
  let doubted = false;
  const pace = paceOf(file.size);

  const first = await patiently(o, () => o.parts({ size_bytes: file.size }));
  if (first.complete) {
    o.onProgress(file.size);
    return;
  }
  let plan: Plan = planOf(file.size, first.part_size_bytes);
  const tell = (h: Happening) => {
    plan = after(plan, h);
    wake();
  };
  const report = () => {
    const at = loaded(plan);
    o.onProgress(at, pace(env.now(), at));
  };
  const fails = (e: unknown) => {
    fatal ??= e;
    wake();
  };
  const wait = (ms: number) => {
    // A call that failed meanwhile has taken the notice away.
    api.notice('retry');
    if (pause) return;
    pause = until(o, ms)
      .catch(() => {})
      .then(() => {
        pause = undefined;
        api.notice('');
        wake();
      });
  };
  tell({ type: 'stored', numbers: first.stored });
  report();

  const sign = async (numbers: readonly number[]) => {
    signing = true;
    try {
      const answer = await o.parts({ numbers });
      // If this machine's clock puts a deadline in the past, the deadline is ignored: the store decides.
      const expiresAt = answer.expiresAt > env.now() ? answer.expiresAt : Infinity;
      // The list of stored parts is not used here: a store may keep a part whose connection broke. It is sent again.
      tell({ type: 'signed', urls: answer.urls, expiresAt });
      tell({ type: 'answered' });
    } catch (e) {
      const ms = plan.failures < patience ? retryable(e, plan.failures) : undefined;
      if (ms === undefined) fails(e);
      else {
        tell({ type: 'failed', counts: env.online() });
        wait(ms);
      }
    } finally {
      signing = false;
      wake();
    }
  };

  const put = async (part: Part) => {
    tell({ type: 'sending', number: part.number });
    const from = (part.number - 1) * first.part_size_bytes;
    const piece = file.slice(from, from + part.size);
    const answer = await env.put(
      api.resolve(part.url),
      piece,
      (n) => {
        plan = after(plan, { type: 'progress', number: part.number, loaded: n });
        report();
      },
      signal,
    );
    if (answer.status >= 200 && answer.status < 300) {
      doubted = !env.online();
      tell({ type: 'sent', number: part.number });
      report();
      return;
    }
    doubted &&= !!answer.status;
    const stale = answer.status === 403 || answer.status === 410;
    // Without an answer it is the connection, unless the file itself cannot be read any more.
    if (!answer.status && !(await readable(piece))) throw new ProblemError('widget.upload_error', { reason: 'unreadable' });
    const refusal = problemOfBody(answer.body);
    if (refusal && /inline|disabled/.test(classOf(refusal.problem.code)) && !stale) throw refusal;
    const full = answer.status === 507 || refusal?.problem.details?.['reason'] === 'storage_full';
    if (full) throw refusal ?? new ProblemError('common.service_unavailable', { reason: 'storage_full' });
    const counts = answer.status > 0 || env.online();
    // Many stores refuse an expired URL without the headers for other origins: then the page sees no answer.
    tell({ type: 'failed', number: part.number, stale: stale || !answer.status, counts });
    report();
    if (plan.failures > patience)
      throw new ProblemError('widget.upload_error', {
        status: answer.status,
        ...(refusal && { code: refusal.problem.code, request_id: refusal.problem.requestId }),
      });
    const asked = (answer.retryAfter ?? 0) * 1000;
    // A new URL is asked for at once; a store that refuses that one too is given time.
    if (counts && (!stale || plan.failures > 2)) wait(Math.max(Math.min(asked, longestRetryAfter * 1000), waitOf(plan.failures)));
  };

  for (;;) {
    signal.throwIfAborted();
    if (fatal) throw fatal as Error;
    plan = after(plan, { type: env.online() || doubted ? 'online' : 'offline' });
    const next = todo(plan, env.now());
    if (next.complete) {
      try {
        await patiently(o, () => o.complete());
        report();
        return;
      } catch (e) {
        if (!(e instanceof ProblemError && e.problem.code === 'registration.upload_missing') || lost++ >= losses) throw e;
        // The store lost parts, or the whole upload. The size begins it again.
        const { stored } = await patiently(o, () => o.parts({ size_bytes: file.size }));
        tell({ type: 'lost', numbers: plan.parts.map((part) => part.number).filter((n) => !stored.includes(n)) });
        continue;
      }
    }
    const changed = new Promise<void>((resolve) => (wake = resolve));
    if (!plan.online) {
      const since = env.now();
      api.notice('offline');
      await until(o, offlineDoubt, changed);
      // Parts on their way fail one by one. If nothing happens for long, perhaps the browser is wrong.
      if (!env.online() && env.now() - since < offlineDoubt) continue;
      api.notice('');
      plan = after(plan, { type: 'online' });
    }
    const now = pause ? undefined : todo(plan, env.now());
    if (now?.sign.length && !signing) void sign(now.sign);
    for (const part of now?.send ?? []) put(part).catch(fails);
    await until(o, offlineDoubt, changed);
  }
}

/** Waits for ms, but not longer than until the browser is online again, or until one of others ends. */
async function until({ api, signal }: LargeUpload, ms: number, ...others: Promise<void>[]): Promise<void> {
  await within(signal, 0, (own) => {
    const all = [api.env.untilOnline(own), api.env.sleep(ms, own)];
    for (const one of all) one.catch(() => {});
    return Promise.race([...all, ...others]);
  });
}

const waitOf = (failures: number): number => Math.min(1000 * 2 ** Math.max(0, failures - 1), longestWait);

/** How long to wait before a call is made again, in ms; undefined when repeating it does not help. */
function retryable(e: unknown, failures: number): number | undefined {
  if (!(e instanceof ProblemError)) return undefined;
  const { code, details } = e.problem;
  if (details?.['reason'] === 'storage_full') return undefined;
  const passing =
    /^(widget\.(network_error|malformed_response)|common\.(internal|service_unavailable|rate_limited|auth\.(jwks|backend)_unavailable)|session\.rate_limited|transaction\.store_unavailable)$/;
  return passing.test(code) ? waitOf(failures + 1) : undefined;
}

/** Repeats a call by the same rules as a part. */
async function patiently<T>(o: LargeUpload, call: () => Promise<T>): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await call();
    } catch (e) {
      o.signal.throwIfAborted();
      const ms = retryable(e, failures);
      if (ms === undefined || failures >= patience) throw e;
      const online = o.api.env.online();
      if (online) failures++;
      o.api.notice(online ? 'retry' : 'offline');
      await until(o, online ? ms : offlineDoubt);
      o.api.notice('');
    }
  }
}

async function readable(piece: Blob): Promise<boolean> {
  try {
    await piece.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Returns the speed in bytes per second and the time left in seconds, once both are known. */
function paceOf(size: number): (now: number, at: number) => { speed: number; left: number } | undefined {
  let seen: [number, number][] = [];
  return (now, at) => {
    // After a failure fewer bytes are on their way: the speed is measured again.
    if (seen.length && (at < seen.at(-1)![1] || now < seen.at(-1)![0])) seen = [];
    seen.push([now, at]);
    while (seen.length > 2 && now - seen[1]![0] >= paceOver) seen.shift();
    const [since, from] = seen[0]!;
    const speed = now - since >= 2000 ? ((at - from) * 1000) / (now - since) : 0;
    return speed > 0 ? { speed, left: (size - at) / speed } : undefined;
  };
}

/**
 * Tells files apart: the SHA-256 of the size, the time and the first and last MiB. '' where the browser computes no hash or cannot read the
 * file.
 */
export async function print(file: File): Promise<string> {
  try {
    const ends = [file.slice(0, compared), file.slice(Math.max(0, file.size - compared))];
    const bytes = await new Blob([`${file.size} ${file.lastModified} `, ...ends]).arrayBuffer();
    return hex(await crypto.subtle.digest('SHA-256', bytes));
  } catch {
    return '';
  }
}

/** The SHA-256 of a text, or ''. */
export async function textPrint(text: string): Promise<string> {
  try {
    return hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  } catch {
    return '';
  }
}

const hex = (bytes: ArrayBuffer): string => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, '0')).join('');
