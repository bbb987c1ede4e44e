/**
 * The client of the AI Provider Factory, for Node 18 and newer and for browsers. It needs nothing but `fetch`.
 *
 * What comes back is the API's own JSON. Every call takes `{signal}`; what may be sent twice (reads, and submits, which
 * carry an Idempotency-Key) is sent again after a lost connection or 408, 429, 502, 503, 504, with growing pauses.
 */

const OVER = new Set(['completed', 'failed', 'cancelled', 'expired']);
const AGAIN = new Set([408, 429, 502, 503, 504]);
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
const WAIT_S = 30;
const PAGE = 500;
const EVENTS_SILENCE_MS = 60_000; // four of the server's heartbeats

/** Everything that this client throws on purpose. */
export class FactoryError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No address of a factory, or none that can be one. */
export class NotConfigured extends FactoryError {}

/** No whole answer within the time for it. A submit may have arrived: repeat it with the same `idempotencyKey`. */
export class Unreachable extends FactoryError {}

/** What came is not what was promised. */
export class Corrupted extends FactoryError {}

/** A webhook that is not to be believed: answer 400 and do nothing. */
export class SignatureInvalid extends FactoryError {}

/** The API said no: `status`, `code`, `problems`, `requestId`, `retryAfterMs`. */
export class ApiError extends FactoryError {
  constructor(message, {status, code = null, problems = [], requestId = null, retryAfterMs = null}) {
    super(message);
    Object.assign(this, {status, code, problems, requestId, retryAfterMs});
  }
}

/** The job ended without an answer: `kind`, `provider`, `retryable`, `job`. */
export class JobFailed extends FactoryError {
  constructor(job) {
    const kind = job.error?.kind ?? job.status;
    const retryable = Boolean(job.error?.retryable);
    super(
      `job ${job.id} is ${job.status}: ${kind}: ${job.error?.message ?? 'no reason'}` +
        (retryable ? '; retry(job) may succeed' : ''),
    );
    Object.assign(this, {job, kind, provider: job.error?.provider ?? null, retryable});
  }
}

/** What was waited for is not over; it goes on. `found` is the Job or the Batch as it stood at last. */
export class Timeout extends FactoryError {
  constructor(found) {
    super(`${found.id} is still ${found.status}: it goes on; wait for it again, or cancel it`);
    this.found = found;
  }
}

/** Jobs, batches, events and narrations of a factory. */
export class FactoryClient {
  #url;
  #key;
  #fetch;
  #retryForMs;

  /** `url` and `apiKey` default to FACTORY_URL and FACTORY_API_KEY where there is an environment. */
  constructor({url, apiKey, fetch = globalThis.fetch, retryForMs = 60_000} = {}) {
    const environment = globalThis.process?.env ?? {};
    const found = url ?? environment.FACTORY_URL;
    if (!found) throw new NotConfigured('where is the factory? Give {url}, or set FACTORY_URL');
    if (!/^https?:\/\/[^/]/.test(found)) {
      throw new NotConfigured('FACTORY_URL is not the address of an API, such as http://127.0.0.1:8400');
    }
    if (/^https?:\/\/[^/]*@/.test(found)) throw new NotConfigured('FACTORY_URL must not carry a user: fetch takes none');
    this.#url = String(found).replace(/\/+$/, '');
    this.#key = apiKey ?? environment.FACTORY_API_KEY;
    this.#fetch = (...how) => fetch(...how);
    this.#retryForMs = retryForMs;
  }

  get url() {
    return this.#url;
  }

  /** Submit a Request and wait for its answer: the Result. Throws JobFailed, Timeout. */
  async generate(request, {timeoutMs, idempotencyKey, signal} = {}) {
    const deadline = new Deadline(timeoutMs);
    const call = await post('/v1/generate', JSON.stringify(request), {idempotencyKey, waitS: deadline.shareS(WAIT_S)});
    const answer = await this.#ask(call, {signal, retryForMs: timeoutMs});
    if (answer.status !== 202) return answer.json();
    return answerOf(await this.#waitFor(answer.json(), 'jobs', deadline, signal));
  }

  /** Submit a Request without waiting for its answer: the Job. */
  async submit(request, {idempotencyKey, signal} = {}) {
    return this.#json(await post('/v1/jobs', JSON.stringify(request), {idempotencyKey}), signal);
  }

  /** The Job as it is now. */
  async job(job, {signal} = {}) {
    return this.#json(get(place('jobs', job)), signal);
  }

  /** The Job once it is over, well or not: `answerOf(job)` gives its Result. Throws Timeout. */
  async wait(job, {timeoutMs, signal} = {}) {
    const deadline = new Deadline(timeoutMs);
    return this.#waitFor(await this.job(job, {signal}), 'jobs', deadline, signal);
  }

  /** Delete what it was asked and answered, for good; its costs stay. ApiError 409 while it is not over. */
  async delete(job, {signal} = {}) {
    await this.#ask(remove(place('jobs', job)), {signal});
  }

  /** Stop a job: `cancelled`, or `cancelling` while its call is being aborted. ApiError 409 when it is over. */
  async cancel(job, {signal} = {}) {
    return this.#json({method: 'POST', path: place('jobs', job, '/cancel')}, signal);
  }

  /** A new job that asks the same as this one, which must be over. */
  async retry(job, {signal} = {}) {
    return this.#json({method: 'POST', path: place('jobs', job, '/retry')}, signal);
  }

  /** What happens to a Job (by its id, too) or a Batch, until it is over; goes on by itself where it broke. */
  async *events(of, {after = 0, signal} = {}) {
    const path = place(of?.object === 'job_batch' ? 'job-batches' : 'jobs', of, '/events');
    let seen = after;
    let restMs = 1000;
    const call = () => ({
      ...get(path),
      headers: {accept: 'text/event-stream', ...(seen ? {'last-event-id': String(seen)} : {})},
      silenceMs: EVENTS_SILENCE_MS,
    });
    const tries = this.#tries(signal);
    for (;;) {
      let fault = null;
      let data = [];
      try {
        for await (const line of linesOf(this.#pieces(call(), signal), /\r\n|\n|\r(?!$)/)) {
          tries.progressed();
          const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
          if (name === 'data' && line) data.push(value);
          if (name === 'retry' && /^\d+$/.test(value)) restMs = Number(value);
          if (line || !data.length) continue;
          const event = parse(data.join('\n'));
          data = [];
          if (event.sequence <= seen && !isLast(event)) continue;
          seen = event.sequence;
          yield event;
          if (isLast(event)) return;
        }
      } catch (error) {
        if (!isPassing(error)) throw error;
        fault = error;
      }
      await tries.pause(fault, restMs);
    }
  }

  /**
   * Submit many jobs: Requests from an array or any iterable, or JSONL as a string, bytes or a Blob (in Node
   * `await fs.openAsBlob(path)`, which is not read into memory).
   */
  async batch(jobs, {name, metadata, maxCostUsd, onError, idempotencyKey, signal} = {}) {
    const query = {name, max_cost_usd: maxCostUsd, on_error: onError};
    const {body, type} = await orderOf(jobs, metadata);
    return this.#json(await post('/v1/job-batches', body, {type, query, idempotencyKey}), signal);
  }

  /** The Batch as it is now. */
  async getBatch(batch, {signal} = {}) {
    return this.#json(get(place('job-batches', batch)), signal);
  }

  /** The Batch once every job of it is over. Throws Timeout. */
  async batchWait(batch, {timeoutMs, signal} = {}) {
    const deadline = new Deadline(timeoutMs);
    return this.#waitFor(await this.getBatch(batch, {signal}), 'job-batches', deadline, signal);
  }

  /** Delete what all its jobs were asked and answered, for good; counts and costs stay. ApiError 409 while it is not over. */
  async deleteBatch(batch, {signal} = {}) {
    await this.#ask(remove(place('job-batches', batch)), {signal});
  }

  /** Stop every job of it that is not over. */
  async cancelBatch(batch, {signal} = {}) {
    return this.#json({method: 'POST', path: place('job-batches', batch, '/cancel')}, signal);
  }

  /** A new batch of all jobs that did not complete. */
  async retryFailed(batch, {idempotencyKey, signal} = {}) {
    return this.#json(await post(place('job-batches', batch, '/retry-failed'), '', {idempotencyKey}), signal);
  }

  /** What became of each line of a batch, in their order, as it comes. */
  async *results(batch, {status, signal} = {}) {
    for await (const line of this.#lines(get(place('job-batches', batch, '/results'), {status}), signal)) {
      yield 'job_id' in line ? line : {...line, job_id: line.id};
    }
  }

  /** What was wrong with lines that made no job, in their order: `{line, problems}`; see `onError`. */
  async *batchErrors(batch, {signal} = {}) {
    let cursor = 0;
    do {
      const page = await this.#json(get(place('job-batches', batch, '/errors'), {cursor, limit: 1000}), signal);
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** Whole Jobs with their calls, in the order of the lines, as they come. */
  batchJobs(batch, {signal} = {}) {
    return this.#lines(get(place('job-batches', batch, '/results'), {jobs: true}), signal);
  }

  /** The narration of a text as bytes: `speak('Hello', {model: 'narrator', voice: 'grandmother', format: 'mp3'})`. */
  async speak(text, fields = {}, {timeoutMs, idempotencyKey, signal} = {}) {
    const deadline = new Deadline(timeoutMs);
    const made = await this.submit({kind: 'speech', input: text, ...fields}, {idempotencyKey, signal});
    return this.download(await this.#waitFor(made, 'jobs', deadline, signal), {signal});
  }

  /** The narration of a job that is over, as bytes that are those that its Job names. */
  async download(job, {signal} = {}) {
    const known = typeof job === 'string' ? await this.job(job, {signal}) : job;
    const pieces = [];
    for await (const piece of this.audio(known, {signal})) pieces.push(piece);
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    const wanted = answerOf(known).audio?.sha256;
    const crypto = await webCrypto();
    if (wanted && crypto.subtle && hex(await crypto.subtle.digest('SHA-256', bytes)) !== wanted) {
      throw new Corrupted(`the audio of job ${known.id} came with other bytes than its job names: fetch it again`);
    }
    return bytes;
  }

  /** The same, piece by piece; a broken download goes on where it broke. */
  async *audio(job, {signal} = {}) {
    const path = place('jobs', job, '/audio');
    const tries = this.#tries(signal);
    let there = 0;
    let tag = null;
    for (;;) {
      const range = there ? {range: `bytes=${there}-`, ...(tag ? {'if-range': tag} : {})} : {};
      try {
        const opened = (response) => {
          if (there && response.status !== 206) throw new Corrupted(`${path} changed while it came: fetch it again`);
          tag = response.headers.get('etag');
        };
        for await (const piece of this.#pieces({...get(path), headers: range, silenceMs: 60_000, opened}, signal)) {
          tries.progressed();
          there += piece.length;
          yield piece;
        }
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await tries.pause(error);
      }
    }
  }

  /** What was spent: `usage({by: 'model,day', since: '2026-11-01T00:00:00Z'})`. */
  async usage(query = {}, {signal} = {}) {
    return this.#json(get('/v1/usage', query), signal);
  }

  /** What `batch` of these would cost; with `lines`, what each of them would. */
  async quote(jobs, {maxCostUsd, lines, signal} = {}) {
    const {body, type} = await orderOf(jobs);
    const query = {max_cost_usd: maxCostUsd, lines};
    const call = await post('/v1/job-batches/quote', body, {type, query});
    return this.#json(call, signal);
  }

  /** The voices that requests may name, at every provider. */
  async voices({signal} = {}) {
    return (await this.#json(get('/v1/voices'), signal)).data;
  }

  /** A page of jobs, the newest first: `{data, next_cursor}`. Filters: `status`, `kind`, `batch_id`, `cursor`, `limit`. */
  async jobs(filters = {}, {signal} = {}) {
    return this.#json(get('/v1/jobs', filters), signal);
  }

  /** Jobs of all pages, the newest first. */
  async *eachJob(filters = {}, {signal} = {}) {
    let cursor;
    do {
      const page = await this.jobs({limit: PAGE, ...filters, cursor}, {signal});
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** The JSON of any other path of the API. */
  async request(method, path, {body, query, idempotencyKey, signal} = {}) {
    if (method === 'GET') return this.#json(get(path, query), signal);
    const content = body === undefined ? '' : JSON.stringify(body);
    const call = await post(path, content, {query, idempotencyKey});
    return this.#json({...call, method, repeatable: idempotencyKey !== undefined}, signal);
  }

  async #json(call, signal) {
    return (await this.#ask(call, {signal})).json();
  }

  /** The whole answer, if it is a good one. */
  async #ask(call, {signal, retryForMs}) {
    const tries = this.#tries(signal, retryForMs);
    for (;;) {
      try {
        return await this.#send(call, signal, async (response) => {
          const text = await response.text();
          return {status: response.status, json: () => parse(text)};
        });
      } catch (error) {
        if (!call.repeatable || !isPassing(error)) throw error;
        await tries.pause(error);
      }
    }
  }

  async #waitFor(found, kind, deadline, signal) {
    while (!isOver(found)) {
      const leftMs = deadline.leftMs;
      if (leftMs === 0) throw new Timeout(found);
      const [waitS, begun] = [deadline.shareS(WAIT_S), Date.now()];
      const call = {...get(place(kind, found), {wait: waitS}), silenceMs: (30 + waitS) * 1000};
      found = (await this.#ask(call, {signal, retryForMs: leftMs})).json();
      // Something on the way may not let us wait.
      if (!isOver(found) && Date.now() - begun < waitS * 500) await rest(Math.min(500, waitS * 1000), signal);
    }
    return found;
  }

  /** The lines of an answer, each once; when it breaks, those that were given are passed over. */
  async *#lines(call, signal) {
    const tries = this.#tries(signal);
    let given = 0;
    for (;;) {
      let passed = 0;
      try {
        for await (const line of linesOf(this.#pieces(call, signal), /\n/)) {
          if (!line) continue;
          const numbered = /^\{"line":(\d+)/.exec(line);
          passed = numbered ? Number(numbered[1]) : passed + 1;
          if (passed <= given) continue;
          given = passed;
          tries.progressed();
          yield parse(line);
        }
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await tries.pause(error);
      }
    }
  }

  /** The bytes of an answer as they come. */
  async *#pieces(call, signal) {
    const watch = new Watch(signal, call.silenceMs);
    try {
      const response = await this.#open(call, watch);
      call.opened?.(response);
      const reader = response.body.getReader();
      try {
        for (;;) {
          watch.heard();
          const {done, value} = await reader.read().catch((error) => this.#lost(error, watch));
          if (done) return;
          yield value;
        }
      } finally {
        reader.cancel().catch(() => {});
      }
    } finally {
      watch.end();
    }
  }

  async #send(call, signal, read) {
    const watch = new Watch(signal, call.silenceMs ?? 60_000);
    try {
      const response = await this.#open(call, watch);
      return await read(response).catch((error) => this.#lost(error, watch));
    } finally {
      watch.end();
    }
  }

  /** A response that is no refusal. */
  async #open(call, watch) {
    const headers = {...call.headers, ...(this.#key ? {authorization: `Bearer ${this.#key}`} : {})};
    const how = {method: call.method, headers, body: call.body, redirect: 'manual', signal: watch.signal};
    const response = await this.#fetch(this.#url + call.path, how).catch((error) => this.#lost(error, watch));
    if (response.ok) return response;
    throw faultOf(response, await response.text().catch((error) => this.#lost(error, watch)));
  }

  #lost(error, watch) {
    if (watch.leftByCaller) throw watch.reason;
    const reason = watch.silent ? 'it is silent' : (error.cause?.code ?? error.cause?.message ?? error.message);
    throw new Unreachable(`${this.url} cannot be reached (${reason}); does the factory run there?`, {cause: error});
  }

  #tries(signal, atMostMs = Infinity) {
    return new Tries(Math.min(this.#retryForMs, atMostMs), signal);
  }
}

/** The Result of a Job. Throws JobFailed where there is none. */
export function answerOf(job) {
  if (job.status !== 'completed' || !job.result) throw new JobFailed(job);
  return job.result;
}

/** Whether nothing will change any more at a Job or a Batch. */
export function isOver(found) {
  return OVER.has(found.status) || (found.object === 'job_batch' && Boolean(found.finished_at));
}

/**
 * The event of a webhook, `{type, timestamp, data}`, as Standard Webhooks signs it. `headers` are a Headers or a plain
 * object, `body` the text or the bytes as they came, `secret` the endpoint's `whsec_…`. Throws SignatureInvalid. The
 * same `webhook-id` may come twice: remember what you have done.
 */
export async function verifyWebhook(headers, body, secret, {toleranceS = 300, now = Date.now()} = {}) {
  const said = new Headers(headers);
  const [id, at, signatures] = ['id', 'timestamp', 'signature'].map((name) => {
    const value = said.get(`webhook-${name}`);
    if (value === null) throw new SignatureInvalid(`the header webhook-${name} is missing`);
    return value;
  });
  if (!/^\d+$/.test(at) || Math.abs(now / 1000 - Number(at)) > toleranceS) {
    throw new SignatureInvalid('webhook-timestamp is too old or too new: is this clock right?');
  }
  const text = typeof body === 'string' ? new TextEncoder().encode(body) : new Uint8Array(body);
  const signed = await new Blob([`${id}.${at}.`, text]).arrayBuffer();
  const {subtle} = await webCrypto();
  const key = await subtle.importKey('raw', base64(secret.replace(/^whsec_/, ''), true), hmac, false, ['verify']);
  for (const one of signatures.split(' ').filter((each) => each.startsWith('v1,'))) {
    const given = base64(one.slice(3));
    if (given && (await subtle.verify('HMAC', key, given, signed))) return parse(new TextDecoder().decode(text));
  }
  throw new SignatureInvalid('no signature fits: is the secret that of this endpoint, and the body untouched?');
}

const hmac = {name: 'HMAC', hash: 'SHA-256'};

/** Bytes; of what is no base64 null, or an error where it should be a secret. */
function base64(text, secret = false) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    if (secret) throw new SignatureInvalid('the secret is none: it looks like whsec_ and base64');
    return null;
  }
}

/** The tries of one thing: pauses that grow, and an end. */
class Tries {
  #forMs;
  #signal;

  constructor(forMs, signal) {
    this.#forMs = forMs;
    this.#signal = signal;
    this.progressed();
  }

  progressed() {
    this.until = Date.now() + this.#forMs;
    this.ceilingMs = FIRST_PAUSE_MS;
  }

  /** Never before the time that the server named. Throws the fault once the time is up. */
  async pause(fault, atLeastMs = 0) {
    const pauseMs = Math.max(Math.random() * this.ceilingMs, fault?.retryAfterMs ?? 0, atLeastMs);
    this.ceilingMs = Math.min(LONGEST_PAUSE_MS, this.ceilingMs * 2);
    if (fault && Date.now() + pauseMs > this.until) throw fault;
    await rest(pauseMs, this.#signal);
  }
}

/** A time that a caller gives, or none. */
class Deadline {
  constructor(timeoutMs) {
    this.until = timeoutMs === undefined ? Infinity : Date.now() + timeoutMs;
  }

  get leftMs() {
    return Math.max(0, this.until - Date.now());
  }

  shareS(mostS) {
    return Math.min(mostS, this.leftMs / 1000);
  }
}

/** Ends a call when its caller leaves, or when nothing was heard for a while. */
class Watch {
  #controller = new AbortController();
  #signal;
  #silenceMs;
  #timer;
  #leave;
  silent = false;

  constructor(signal, silenceMs = 60_000) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#silenceMs = silenceMs;
    this.#leave = () => this.#controller.abort(signal.reason);
    signal?.addEventListener('abort', this.#leave, {once: true});
    this.heard();
  }

  get signal() {
    return this.#controller.signal;
  }

  get leftByCaller() {
    return Boolean(this.#signal?.aborted);
  }

  get reason() {
    return this.#signal.reason;
  }

  heard() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.silent = true;
      this.#controller.abort();
    }, this.#silenceMs);
  }

  end() {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#leave);
  }
}

function rest(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const leave = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal?.addEventListener('abort', leave, {once: true});
  });
}

/** A job that failed at its providers has the same statuses, but is an answer. */
function isPassing(error) {
  return error instanceof Unreachable || (error instanceof ApiError && AGAIN.has(error.status));
}

function isLast(event) {
  const word = event.type.slice(event.type.lastIndexOf('.') + 1);
  return OVER.has(word) || Boolean(event.batch_id && event.data?.finished_at);
}

function faultOf(response, text) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    body = {};
  }
  if (body.job) return new JobFailed(parse(text).job);
  const redirects = response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400);
  const message = redirects
    ? `the address redirects to ${response.headers.get('location') ?? 'another'}: set FACTORY_URL to that`
    : (body.detail ?? `the answer was HTTP status ${response.status}, without a reason`);
  return new ApiError(message, {
    status: response.status,
    code: body.code,
    problems: body.problems,
    requestId: response.headers.get('x-request-id'),
    retryAfterMs: retryAfterMs(response.headers),
  });
}

/** Seconds, or a date by the server's own clock. */
function retryAfterMs(headers) {
  const said = headers.get('retry-after');
  if (said === null) return null;
  if (/^\d+$/.test(said)) return Number(said) * 1000;
  const span = Date.parse(said) - Date.parse(headers.get('date') ?? new Date().toUTCString());
  return Number.isNaN(span) ? null : Math.max(0, span);
}

function get(path, query = {}) {
  return {method: 'GET', path: withQuery(path, query), repeatable: true};
}

function remove(path) {
  return {method: 'DELETE', path, repeatable: true, silenceMs: 600_000};
}

async function post(path, body, {type = 'application/json', query = {}, idempotencyKey, waitS} = {}) {
  const headers = {'content-type': type, 'idempotency-key': idempotencyKey ?? (await newKey())};
  if (waitS !== undefined) headers.prefer = `wait=${Math.floor(waitS)}`;
  const silenceMs = (60 + (waitS ?? 0)) * 1000;
  return {method: 'POST', path: withQuery(path, query), headers, body, repeatable: true, silenceMs};
}

function place(kind, named, part = '') {
  return `/v1/${kind}/${encodeURIComponent(named?.id ?? named)}${part}`;
}

function withQuery(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** JSONL has no place for metadata: with it, the same lines travel as one JSON object. */
async function orderOf(jobs, metadata) {
  const whole = typeof jobs === 'string' || jobs instanceof Blob || jobs instanceof Uint8Array;
  if (whole && metadata === undefined) return {body: jobs, type: 'application/jsonl'};
  const lines = [];
  const given = whole ? (await new Blob([jobs]).text()).split('\n').filter((line) => line.trim()) : jobs;
  for await (const job of given) lines.push(typeof job === 'string' ? job : JSON.stringify(job));
  if (metadata === undefined) return {body: new Blob([lines.join('\n')]), type: 'application/jsonl'};
  return {body: `{"metadata":${JSON.stringify(metadata)},"jobs":[${lines.join(',')}]}`, type: 'application/json'};
}

/** Lines of text out of pieces of bytes. */
async function* linesOf(pieces, end) {
  const decoder = new TextDecoder();
  let held = '';
  for await (const piece of pieces) {
    const lines = (held + decoder.decode(piece, {stream: true})).split(end);
    held = lines.pop();
    yield* lines;
  }
  if (held) yield held;
}

/** Money whose digits a number cannot hold has them beside it, as text: `job.cost`, and then `job.cost_exact`. */
function parse(text) {
  if (!/\d[\d.]{16}/.test(text)) return readJson(text);
  const marked = text.replace(/"((?:[^"\\]|\\.)*)"(?:\s*:\s*(-?\d[\d.]*)(?![\d.eE]))?/g, (all, name, digits) =>
    digits && /(cost|_usd)$/.test(name) && digits.replace(/^[-0.]+|\./g, '').length > 15
      ? `${all},"\\u0000${name}":"${digits}"`
      : all,
  );
  return readJson(marked, function note(name, value) {
    if (name[0] !== '\0') return value;
    Object.defineProperty(this, `${name.slice(1)}_exact`, {value});
    return undefined;
  });
}

function readJson(text, reviver) {
  try {
    return JSON.parse(text, reviver);
  } catch (error) {
    throw new FactoryError("the answer is not a factory's: is FACTORY_URL the address of its API?", {cause: error});
  }
}

async function newKey() {
  return hex((await webCrypto()).getRandomValues(new Uint8Array(16)).buffer);
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Node 18 has no global one. */
async function webCrypto() {
  return globalThis.crypto ?? (await import('node:crypto')).webcrypto;
}
