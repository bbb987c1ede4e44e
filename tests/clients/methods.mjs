// node methods.mjs CLIENT KEY URL LATER: every method of the JavaScript client once; what came of them as one object.
import {createHmac} from 'node:crypto';
import {openAsBlob, writeFileSync} from 'node:fs';
import {inspect} from 'node:util';
import {pathToFileURL} from 'node:url';

const [client, key, url, later] = process.argv.slice(2);
const {ApiError, FactoryClient, FactoryError, JobFailed, NotConfigured, SignatureInvalid, Timeout, Unreachable, answerOf,
  isOver, verifyWebhook} = await import(pathToFileURL(client));
const factory = new FactoryClient({url, apiKey: key, retryForMs: 15_000});
const came = {};

const all = async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};
const thrown = (work) => Promise.resolve().then(work).then(() => null, (error) => error);
const lines = (count) => Array.from({length: count}, (_, n) => ({model: 'fast', prompt: `Line ${n}`, key: `line-${n}`}));

const result = await factory.generate({model: 'fast', prompt: 'Name an island', maxOutputTokens: 50});
came.generate = [typeof result.content, typeof result.cost, result.usage.total_tokens > 0];
const failed = await thrown(() => factory.generate({model: 'fast', prompt: 'too late', deadline_s: 0.000001}));
came.failed = [failed instanceof JobFailed, failed.job.status, failed.retryable];

const job = await factory.submit({model: 'fast', prompt: 'A line'}); // put off with 429, then cut off
const events = await all(factory.events(job)); // cut off in the middle
came.events = [events.map((event) => event.sequence), events.at(-1).type];
const done = await factory.wait(job.id);
came.wait = [done.status, isOver(done), answerOf(done).cost === done.cost, (await factory.job(job)).id === job.id];
came.retry = (await factory.wait(await factory.retry(job))).status;
const waiting = await factory.submit({model: 'fast', prompt: 'Later', runAt: later});
const late = await thrown(() => factory.wait(waiting, {timeoutMs: 200}));
came.late = [late instanceof Timeout, late.found.status];
const left = AbortSignal.timeout(200);
const aborted = await thrown(() => factory.wait(waiting, {signal: left}));
came.aborted = [aborted.name, (await thrown(() => all(factory.events(waiting, {signal: AbortSignal.timeout(200)})))).name];
came.cancel = (await factory.cancel(waiting)).status;
const page = await factory.jobs({status: 'completed', limit: 1});
came.jobs = [page.data.length, typeof page.next_cursor, (await all(factory.eachJob({limit: 2}))).length];

writeFileSync('jobs.jsonl', lines(3).map((line) => JSON.stringify(line)).join('\n'));
const batch = await factory.batch(await openAsBlob('jobs.jsonl'), {maxCostUsd: 1.5}); // put off with 503
came.batch = [(await all(factory.events(batch))).at(-1).type, (await factory.batchWait(batch)).counts.completed];
came.getBatch = (await factory.getBatch(batch.id)).status;
came.results = (await all(factory.results(batch))).map((one) => [one.key, one.status, typeof one.job_id]); // cut off
came.batchJobs = (await all(factory.batchJobs(batch))).map((one) => one.calls[0].outcome);
async function* slowly() {
  yield* lines(2);
}
const named = await factory.batch(slowly(), {metadata: {book: 'The Lamp'}});
came.named = [named.metadata, named.total, (await factory.batch(new Set(lines(1)))).total];
came.cancelBatch = (await factory.cancelBatch(await factory.batch([{model: 'fast', prompt: 'x', runAt: later}]))).counts.cancelled;
const partly = await factory.batchWait(await factory.batch([...lines(1), {model: 'fast', promt: 'x'}], {onError: 'skip', name: 'Partly'}));
came.partly = [partly.name, partly.counts.completed, (await all(factory.batchErrors(partly))).map((one) => one.line)];
const over = await factory.batchWait(await factory.batch([{model: 'fast', prompt: 'too late', deadline_s: 0.000001}]));
came.again = (await factory.retryFailed(over)).retry_of === over.id;
const again = await thrown(() => factory.retryFailed(batch)); // all of it completed: there is nothing to try again
came.retryFailed = [again instanceof ApiError, again.status];
await factory.delete(waiting);
await factory.deleteBatch(over);
came.deleted = [typeof (await factory.getBatch(over)).content_deleted_at, (await thrown(() => factory.retryFailed(over))).status];
const quote = await factory.quote(lines(2), {lines: true});
came.quote = [quote.totals.jobs, quote.fits, quote.lines.length];

const sound = await factory.speak('The lamp is lit.', {model: 'narrator', voice: 'grandmother', format: 'mp3'}); // cut off
came.speak = [sound instanceof Uint8Array, sound.length > 1000];
came.voices = (await factory.voices()).some((voice) => voice.voice === 'grandmother');
const usage = await factory.usage({by: 'model'});
came.usage = [usage.by, typeof usage.total_cost];
came.request = Array.isArray((await factory.request('GET', '/v1/jobs', {query: {limit: 1}})).data);

const refused = await thrown(() => factory.batch([{model: 'fast', prompt: 'x'}, {model: 'fast', promt: 'x'}]));
came.refused = [refused instanceof ApiError, refused.status, refused.code, refused.problems.some((one) => one.line === 2)];
came.nobody = (await thrown(() => new FactoryClient({url: 'http://127.0.0.1:9', retryForMs: 300}).voices())) instanceof Unreachable;
came.nowhere = [{}, {url: 'factory.example'}, {url: 'http://user:pass@factory'}].map((how) => {
  try {
    return new FactoryClient(how).url;
  } catch (error) {
    return error instanceof NotConfigured;
  }
});
const shown = inspect([factory, refused, failed, late], {depth: 9, showHidden: true});
came.secret = shown.includes(key) || JSON.stringify(factory).includes(key);

const digits = '0.12345678901234567890';
const odd = await new FactoryClient({
  url: 'http://x',
  fetch: async () => new Response(`{"cost": ${digits}, "n": "\\"cost\\": 0.11111111111111111111", "small_usd": 0.5, "shiny": {"x": [1]}}`),
}).request('GET', '/v1/odd');
came.exact = [odd.cost_exact, odd, 'small_usd_exact' in odd];
came.html = (await thrown(() => new FactoryClient({url: 'http://x', fetch: async () => new Response('<html>')}).voices())) instanceof FactoryError;

const secret = 'whsec_' + Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const body = JSON.stringify({type: 'job.completed', data: {title: '灯台'}});
const sign = (id, at) => createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${id}.${at}.${body}`).digest('base64');
const good = {'webhook-id': 'msg_1', 'webhook-timestamp': '1000', 'webhook-signature': `v1,AAAA v1,${sign('msg_1', 1000)}`};
const verify = (headers, sent = body, whose = secret, now = 1_000_000) =>
  verifyWebhook(headers, sent, whose, {now}).then((event) => event.data.title, (error) => error instanceof SignatureInvalid && 'refused');
came.webhook = [
  await verify(good), await verify(new Headers(good), new TextEncoder().encode(body)), await verify(good, body, secret, 1_301_000),
  await verify(good, body + ' '), await verify(good, body, 'whsec_AAAA'), await verify(good, body, '?'), await verify({}),
  await verify({...good, 'webhook-id': 'msg_2'}), await verify({...good, 'webhook-signature': 'v1,ü v1,?'}),
];
console.log(JSON.stringify(came));
