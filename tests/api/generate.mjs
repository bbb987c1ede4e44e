// node generate.mjs URL KEY: the two requests of a story platform, with fetch alone.
const [url, key] = process.argv.slice(2);

async function generate(body) {
  const answer = await fetch(`${url}/v1/generate`, {
    method: 'POST',
    headers: {'content-type': 'application/json', 'x-api-key': key},
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  console.log(JSON.stringify(await answer.json()));
}

await generate({model: 'fast', prompt: 'Generate a story chapter', project: 'nicestory'});
await generate({
  model: 'smart',
  prompt: 'Generate a story chapter',
  project: 'nicestory',
  responseFormat: {
    type: 'json_schema',
    json_schema: {
      name: 'story_entities',
      schema: {type: 'object', properties: {characters: {type: 'array'}, locations: {type: 'array'}}},
    },
  },
});
