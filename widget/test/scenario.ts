/**
 * Runs one scenario of client/testdata/scenario.json with the widget's flow and calls, against a real server: scenario.mjs NAME. A person's
 * part is played here; there are no screens. internal/e2e/clients builds it and compares what it prints.
 */
import { readFile } from 'node:fs/promises';
import { argv, env as given } from 'node:process';
import { clock, type Env, type PutAnswer } from '../src/env.js';
import { en } from '../src/i18n/catalogues.js';
import type { AtsEventName } from '../src/events.js';
import { Flow, type Begun } from '../src/flow.js';
import type { Parts } from '../src/parts/contract.js';
import type { State } from '../src/state.js';
import { rest, restVerify } from '../../web/i18n/locales/en.json';
import * as file from '../src/file/file.js';
import * as hash from '../src/hash/hash.js';
import * as large from '../src/large/large.js';
import * as works from '../src/works/works.js';

// As when rest.ts is loaded.
Object.assign(en, rest, restVerify);

const { SERVER = '', FILES = '', ORIGIN = '', SCENARIO = '' } = given;

interface Step {
  do: 'register' | 'update';
  title: string;
  file?: string;
  rehearse?: string;
  refuse_price?: boolean;
  abort?: boolean;
  state?: { token: string; begun: Begun };
  access_code?: string;
  save?: string[];
}
type Saw = Record<string, unknown>;
interface Scenarios {
  creators: { full_name: string; email: string; roles: Record<string, boolean> }[];
  scenarios: { name: string; steps: Step[] }[];
}

const { creators, scenarios } = JSON.parse(await readFile(SCENARIO, 'utf8')) as Scenarios;
const limits = (await (await fetch(SERVER + '/v1/stats')).json()) as { parts_from_bytes?: number };
const ended = (signal: AbortSignal) => new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

const env: Env = {
  ...clock,
  online: () => true,
  untilOnline: ended,
  put: async (url, body, onProgress, signal): Promise<PutAnswer> => {
    try {
      const r = await fetch(url, { method: 'PUT', body, signal });
      onProgress(body.size);
      return { status: r.status, body: await r.text() };
    } catch {
      signal.throwIfAborted();
      return { status: 0, body: '' };
    }
  },
  socket: (url) => new WebSocket(url),
  log: (_, text) => console.error(text),
};

/** The host's backend. */
async function mint(step: Step): Promise<{ token?: string; error?: { code: string; details: unknown } }> {
  const test = step.rehearse ? 'TEST_' : '';
  const r = await fetch(SERVER + '/v1/sessions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: ORIGIN },
    body: JSON.stringify({
      secret_key: given[test + 'SECRET_KEY'],
      action_type: step.do === 'register' ? 'register' : 'update_version',
      allowed_network: 'testnet',
      rehearse: step.rehearse,
    }),
  });
  return (await r.json()) as { token: string };
}

async function carryOut(step: Step): Promise<Saw> {
  const minted = step.state ?? (await mint(step));
  if (!minted.token) return { error: (minted as Awaited<ReturnType<typeof mint>>).error?.code };
  let begun = step.state?.begun;
  let problem: Saw | undefined;
  let wake: () => void = () => {};
  const flow: Flow = new Flow({
    env,
    emit: (name: AtsEventName, detail) => {
      const { code, details } = detail as { code?: string; details?: unknown };
      if (name === 'allfeat:failed' || name === 'allfeat:error') problem = { error: code, details };
      if (name === 'allfeat:token-expired') flow.refuse({ code: 'common.auth.expired', requestId: null });
      wake();
    },
    target: () => ({
      siteKey: given[step.rehearse ? 'TEST_SITE_KEY' : 'SITE_KEY'] ?? '',
      atsUrl: SERVER,
      network: 'testnet',
      externalUserId: '',
      language: 'en',
    }),
    mode: () => (step.do === 'register' ? 'register' : 'update'),
    changed: () => wake(),
    remember: () => undefined,
    begun: () => begun,
    keep: (u) => (begun = u),
    fetchPart: (part) => Promise.resolve(({ works, hash, file, large } satisfies Parts)[part]),
    page: { focused: () => '', focus: () => undefined, dress: () => undefined, changed: () => undefined },
  });
  /** Waits until the flow is in a state, or has a problem. */
  const until = async (here: (s: State) => boolean): Promise<boolean> => {
    while (!here(flow.state) && !problem) await new Promise<void>((resolve) => (wake = resolve));
    return !problem;
  };
  flow.partsFrom = limits.parts_from_bytes ?? 0;
  const people = creators.map((c, id) => ({
    id,
    fullName: c.full_name,
    email: c.email,
    roles: { author: false, composer: false, arranger: false, adapter: false, ...c.roles },
    ipi: '',
    isni: '',
  }));
  if (step.do === 'update') {
    flow.switch('update');
    flow.tokens.set(minted.token);
    flow.dispatch({ type: 'draft', path: 'access_code', draft: { code: step.access_code! } });
    flow.open();
    if (!(await until((s) => s.step === 'song'))) return problem!;
  } else {
    flow.tokens.set(minted.token);
    flow.dispatch({ type: 'draft', path: '', draft: { title: step.title, creators: people } });
  }
  if (step.file) {
    // The same file in every run: a continued upload compares the time of its last change.
    const chosen = new File([await readFile(`${FILES}/${step.file}`)], step.file, { lastModified: 0 });
    flow.dispatch({ type: 'draft', path: 'file', draft: { file: chosen } });
  }
  flow.submit();
  if (step.abort) {
    await until((s) => s.loaded > 0 && s.screen === 'UPLOAD');
    flow.abandon();
    return problem ?? { aborted: true, state: { token: minted.token, begun } };
  }
  if (!(await until((s) => s.screen === 'CONFIRMING' && s.phase === 'review'))) return problem!;
  if (step.refuse_price) {
    flow.edit();
    return { error: 'price_refused' };
  }
  flow.confirm();
  let done = await until((s) => s.screen === 'COMPLETE');
  if (!done && flow.state.doubt) {
    // The answer was lost. A person presses Try again, which cannot order twice.
    problem = undefined;
    flow.retry();
    done = await until((s) => s.screen === 'COMPLETE');
  }
  if (!done) return problem!;
  const { result, accessCode } = flow.state;
  return { ats_id: result?.atsId, tx_hash: result?.txHash, access_code: accessCode };
}

const saved: Record<string, unknown> = { ...given };
for (const step of scenarios.find((s) => s.name === argv[2])!.steps) {
  // Replaces $names.
  const filled = JSON.parse(JSON.stringify(step), (_, v: unknown) => {
    if (typeof v !== 'string') return v;
    const whole = /^\$(\w+)$/.exec(v)?.[1];
    return whole ? saved[whole] : v.replace(/\$(\w+)/g, (__, name: string) => String(saved[name]));
  }) as Step;
  const saw = await carryOut(filled);
  for (const name of step.save ?? []) saved[name] = saw[name];
  console.log(JSON.stringify(saw));
}
process.exit();
