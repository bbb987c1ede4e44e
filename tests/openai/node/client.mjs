// node client.mjs BASE_URL KEY: OpenAI's own client for Node, with nothing changed but base URL and key.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({baseURL, apiKey});
const messages = [{role: 'user', content: 'Name three islands'}];

const chat = await client.chat.completions.create({model: 'fast', messages});
assert.ok(chat.choices[0].message.content.length > 0);
assert.equal(chat.choices[0].finish_reason, 'stop');
assert.ok(chat._request_id.startsWith('req_'));

const schema = {
  type: 'object',
  properties: {islands: {type: 'array', items: {type: 'string'}}},
  required: ['islands'],
  additionalProperties: false,
};
const parsed = await client.chat.completions.parse({
  model: 'smart',
  messages,
  response_format: {type: 'json_schema', json_schema: {name: 'islands', strict: true, schema}},
});
assert.ok(Array.isArray(JSON.parse(parsed.choices[0].message.content).islands));

let streamed = '';
let finish = null;
const stream = await client.chat.completions.create({
  model: 'fast', messages, stream: true, stream_options: {include_usage: true},
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta.content ?? '';
  finish ??= chunk.choices[0]?.finish_reason;
  if (chunk.usage) assert.ok(chunk.usage.total_tokens > 0);
}
assert.ok(streamed.length > 0);
assert.equal(finish, 'stop');

const vectors = await client.embeddings.create({model: 'embed', input: ['a cat', 'a dog']});
assert.equal(vectors.data.length, 2);
assert.equal(vectors.data[0].embedding.length, vectors.data[1].embedding.length);
assert.ok(vectors.data[0].embedding.every(Number.isFinite));

const speech = await client.audio.speech.create({model: 'narrator', voice: 'narrator', input: 'Four.'});
assert.equal(speech.headers.get('content-type'), 'audio/mpeg');
assert.ok((await speech.arrayBuffer()).byteLength > 500);

let response = await client.responses.create({model: 'fast', input: 'Name three islands', background: true});
while (['queued', 'in_progress'].includes(response.status)) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  response = await client.responses.retrieve(response.id);
}
assert.equal(response.status, 'completed');
assert.ok(response.output_text.length > 0);

const kinds = [];
for await (const event of await client.responses.create({model: 'fast', input: 'Hi', stream: true})) kinds.push(event.type);
assert.equal(kinds[0], 'response.created');
assert.equal(kinds.at(-1), 'response.completed');
const final = await client.responses.stream({model: 'fast', input: 'Hi'}).finalResponse();
assert.ok(final.output_text.length > 0);

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert.ok(names.includes('fast'));

await assert.rejects(
  client.chat.completions.create({model: 'fast', messages, logit_bias: {1: 1}}),
  (error) => error instanceof OpenAI.BadRequestError && error.param === 'logit_bias' && error.code === 'unsupported_parameter',
);
await assert.rejects(new OpenAI({baseURL, apiKey: 'nobody'}).models.list(), OpenAI.AuthenticationError);
console.log('done');
