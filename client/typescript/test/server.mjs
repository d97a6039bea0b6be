import { Timbre } from '../dist/index.js';

export const creators = [{ full_name: 'Ada Example', email: 'ada@songs.example', roles: { author: true } }];
export const bytes = (n, first = 1) => new Uint8Array(n).fill(first, 0, 1);

/** A server and its store, as far as a registration sees them. before and after see each call; one that throws cuts it off. */
export class Server {
  jobs = new Map();
  keys = new Map();
  log = [];
  price = 87;
  partSize = 1 << 20;
  partsFrom = 8 << 20;
  parallel = 0;
  most = 0;
  upload = 'put';
  before = () => undefined;
  after = () => undefined;
  sizeOf = async (body) => (await new Response(body).arrayBuffer()).byteLength;

  fetch = async (url, init) => {
    init.signal?.throwIfAborted();
    const path = new URL(url).pathname;
    const call = `${init.method} ${path.replace(/\/store\/.*/, '/store')}`;
    this.log.push(call);
    this.most = Math.max(this.most, ++this.parallel);
    try {
      const early = await this.before(call);
      if (early) return early;
      init.signal?.throwIfAborted();
      const body = typeof init.body === 'string' ? JSON.parse(init.body) : init.body;
      const answer = this.answer(call, path, body, init);
      const { status, ...rest } = (await answer) ?? {};
      await this.after(call);
      return new Response(JSON.stringify(rest), { status: status ?? 200 });
    } finally {
      this.parallel--;
    }
  };

  refuse = (status, code, details) => ({ status, error: { code, message: code, details, request_id: 'req_1' } });

  async answer(call, path, body, init) {
    const job = this.jobs.get(body?.job_id);
    if (/\/works\/(prepare|confirm|parts)/.test(path) && job?.transaction) {
      return this.refuse(409, 'transaction.already_confirmed', { transaction_id: job.transaction });
    }
    switch (call) {
      case 'POST /v1/works/init': {
        const key = init.headers['Idempotency-Key'];
        let id = this.keys.get(key);
        if (!id) this.keys.set(key, (id = `job-${this.jobs.size + 1}`));
        if (!this.jobs.has(id)) this.jobs.set(id, { parts: new Map() });
        return this.upload === 'none' ? { job_id: id, upload: 'none' } : { job_id: id, upload_url: `http://ats.example/store/${id}` };
      }
      case 'POST /v1/works/upload':
        return { job_id: body.job_id, upload_url: `http://ats.example/store/${body.job_id}` };
      case 'GET /v1/stats':
        return { parts_from_bytes: this.partsFrom };
      case 'PUT /store': {
        const [, , id, part] = path.split('/');
        const size = await this.sizeOf(body);
        const to = this.jobs.get(id);
        if (part) to.parts.set(Number(part), size);
        else to.size = size;
        return {};
      }
      case 'POST /v1/works/parts': {
        job.total ??= body.size_bytes;
        const part_count = Math.ceil(job.total / this.partSize);
        const stored = [...job.parts].map(([number, size_bytes]) => ({ number, size_bytes }));
        const sizeOf = (n) => (n < part_count ? this.partSize : job.total - this.partSize * (part_count - 1));
        const urls = (body.numbers ?? []).map((n) => ({
          number: n,
          size_bytes: sizeOf(n),
          url: `http://ats.example/store/${body.job_id}/${n}`,
        }));
        return { complete: !!job.size, size_bytes: job.total, part_size_bytes: this.partSize, part_count, stored, urls };
      }
      case 'POST /v1/works/parts/complete':
        if ([...job.parts.values()].reduce((a, b) => a + b, 0) !== job.total)
          return this.refuse(409, 'registration.upload_missing', { reason: 'parts_missing' });
        job.size = job.total;
        return {};
      case 'POST /v1/works/prepare':
        if (this.upload === 'none') job.hash = body.media_sha256;
        else if (!job.size) return this.refuse(409, 'registration.upload_missing');
        return {
          job_id: body.job_id,
          total_price_credits: this.price,
          expires_at: new Date((this.now ?? Date.now()) + 300_000).toISOString(),
        };
      case 'POST /v1/works/confirm':
        job.transaction = `tx-of-${body.job_id}`;
        return { transaction_id: job.transaction, status_url: '', ws_url: '', access_code: 'atc_1' };
    }
    if (path.startsWith('/v1/transactions/')) {
      return { current_step: 'completed', progress: 100, result: { success: true, ats_id: 7, access_code: 'atc_1', tx_hash: '0x1' } };
    }
    throw new Error(`no answer to ${call}`);
  }

  register(more = {}, options = {}) {
    return new Timbre({ server: 'http://ats.example', apiKey: 'k', fetch: this.fetch, retries: 1, ...options }).register({
      title: 'Blue Morning',
      creators,
      network: 'testnet',
      file: bytes(1000),
      ...more,
    });
  }

  count = (call) => this.log.filter((c) => c === call).length;
}
