// Runs one scenario of client/testdata/scenario.json with the TypeScript client, in Node, Deno or Bun: scenario.mjs NAME.
import * as fs from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import process from 'node:process';
import { Timbre, WebhookError, is, verifyWebhook } from '../dist/index.js';

const { SCENARIO, SERVER: server, FILES, BY, ORIGIN: origin, ...env } = process.env;
const { creators, scenarios } = JSON.parse(await readFile(SCENARIO, 'utf8'));
const saved = { ...env };
const network = 'testnet';
const withKey = new Timbre({ server, apiKey: env.API_KEY });

/** Replaces $names. */
const filled = (value) =>
  JSON.parse(JSON.stringify(value), (_, v) => {
    if (typeof v !== 'string') return v;
    const whole = /^\$(\w+)$/.exec(v)?.[1];
    return whole ? saved[whole] : v.replace(/\$(\w+)/g, (_, name) => saved[name]);
  });

/** The client of a register or an update. */
async function client(step, action_type) {
  const [apiKey, secretKey, siteKey] = step.rehearse
    ? [env.TEST_API_KEY, env.TEST_SECRET_KEY, env.TEST_SITE_KEY]
    : [env.API_KEY, env.SECRET_KEY, env.SITE_KEY];
  if (BY === 'key') return new Timbre({ server, apiKey });
  const { external_user_ref, rehearse } = step;
  const { token } = await new Timbre({ server, secretKey, origin }).mint({
    action_type,
    allowed_network: network,
    external_user_ref,
    rehearse,
  });
  return new Timbre({ server, token, siteKey });
}

/** The options of a register or an update. */
async function options(step) {
  const { title, external_user_ref, state } = step;
  const end = new AbortController();
  const given = { title, external_user_ref, creators, network, signal: end.signal, state: state?.saved };
  if (step.file)
    Object.assign(given, {
      file: fs.openAsBlob ? await fs.openAsBlob(`${FILES}/${step.file}`) : new Blob([await readFile(`${FILES}/${step.file}`)]),
      filename: step.file,
    });
  if (BY === 'key') given.rehearse = step.rehearse;
  if (step.refuse_price) given.onQuote = () => false;
  if (step.abort) {
    given.onState = (state) => (kept.saved = state);
    given.onProgress = ({ phase, loaded }) => phase === 'uploading' && loaded > 0 && end.abort(new Error('aborted'));
  }
  return given;
}
const kept = {};

const steps = {
  mint: ({ secret_key, origin: other }) =>
    new Timbre({ server, secretKey: secret_key, origin: other ?? origin }).mint({ action_type: 'register', allowed_network: network }),
  register: async (step) => {
    try {
      // The session of a job continues it.
      kept.client = step.state ? kept.client : await client(step, 'register');
      return await kept.client.register(await options(step));
    } catch (error) {
      if (step.abort && error.message === 'aborted') return { aborted: true, state: kept };
      throw error;
    }
  },
  update: async (step) => {
    const work = BY === 'key' ? { ats_id: step.ats_id } : { access_code: step.access_code };
    return (await client(step, 'update_version')).update({ ...work, ...(await options(step)) });
  },
  list: async ({ external_user_ref }) => {
    const titles = [];
    for await (const work of withKey.works({ external_user_ref, first: 1 })) titles.push(work.title);
    return { titles };
  },
  work: ({ ats_id }) => withKey.work(ats_id, { network }),
  versions: async ({ ats_id }) => ({ versions: (await withKey.versions(ats_id)).versions.map((v) => v.version) }),
  creators: async ({ ats_id }) => ({ names: (await withKey.creators(ats_id)).creators.map((c) => c.full_name) }),
  certificate: async ({ work_id }) => {
    const { url } = await withKey.certificate(work_id);
    return { begins: (await (await fetch(url)).text()).slice(0, 5) };
  },
  evidence: async ({ ats_id, save_as }) => {
    const text = await withKey.evidence(ats_id);
    await writeFile(`${FILES}/${save_as}`, text);
    return JSON.parse(text);
  },
  webhook: async ({ parsed, change, older_secret }) => {
    const { body, headers, secret } = JSON.parse(await readFile(`${FILES}/delivery.json`, 'utf8'));
    const other = 'whsec_' + btoa('a secret of another endpoint');
    if (change === 'header') delete headers['webhook-signature'];
    const raw = parsed ? JSON.parse(body) : change === 'body' ? body + ' ' : body;
    const secrets = older_secret ? [other, secret] : change === 'secret' ? other : secret;
    const { id, data } = await verifyWebhook(raw, headers, secrets, change === 'time' ? { now: Date.now() + 600_000 } : {});
    return { id, ...data };
  },
};

for (const step of scenarios.find((s) => s.name === process.argv[2]).steps) {
  let saw;
  try {
    saw = await steps[step.do](filled(step));
  } catch (error) {
    if (error instanceof WebhookError) saw = { error: error.reason };
    else if (is(error)) saw = { error: error.code.replace(/^client\./, ''), details: error.details, request_id: error.requestId };
    else throw error;
  }
  for (const name of step.save ?? []) saved[name] = saw[name];
  console.log(JSON.stringify(saw));
}
