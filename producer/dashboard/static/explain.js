// Where a request would go now, and why.
import {get, post} from './api.js';
import {empty, h, head, put} from './dom.js';
import {duration, moment} from './format.js';

export function show(root, {query}) {
  const model = h('input',
    {id: 'model', required: true, value: query.model ?? 'fast', autocomplete: 'off', spellcheck: false});
  model.setAttribute('list', 'models');
  const names = h('datalist', {id: 'models'});
  const project = h('select', {id: 'project'}, h('option', {value: ''}, 'What all share'));
  const kind = h('select', {id: 'kind'}, ['text', 'speech', 'embedding'].map((value) => h('option', {value}, value)));
  const prompt = h('textarea', {id: 'prompt', rows: 3}, 'Generate a story chapter');
  const place = h('div', {'aria-live': 'polite'});
  async function ask(event) {
    event?.preventDefault();
    const words = kind.value === 'text' ? {prompt: prompt.value} : {input: prompt.value};
    try {
      put(place,
        ...draw(await post('explain',
          {model: model.value, kind: kind.value, ...words, ...(project.value ? {project: project.value} : {})})));
    } catch (error) {
      put(place, h('p.note.bad', {role: 'alert'}, error.message));
    }
  }
  get('names').then((known) => {
    names.append(...known.aliases.map((value) => h('option', {value})));
    project.append(...known.projects.map((value) => h('option', {value}, value)));
  }, () => {});
  const field = (label, node) => h('label', {}, label, node);
  root.append(
    h('div.page-head', {}, h('h1', {}, 'Explain'),
      h('p', {}, 'Where a request would go now, in which order, and why. Nothing is called.')),
    h('section.card', {},
      h('form', {onsubmit: ask},
        h('div.filters', {}, field('Model or alias', model), names, field('Kind', kind), field('Project', project)),
        h('div.filters', {}, h('label.grow', {}, 'Text', prompt)),
        h('button.primary', {type: 'submit'}, 'Explain'))),
    h('div.gap'), place);
  ask();
}

function draw(plan) {
  return [h('div.grid', {},
    h('section.card', {},
      h('header.card-head', {}, h('h2', {}, `${plan.model}: in this order`),
        h('div.end', {}, h('span.tag', {}, plan.strategy), h('span.tag', {}, `${plan.prompt_tokens} prompt tokens`))),
      plan.routes.length ? h('div.targets', {},
        plan.routes.map((route, at) => line(String(at + 1), 'ok', route))) : empty('No route is open now',
        'Below is why.')),
    plan.resting.length > 0 && h('section.card', {}, h('header.card-head', {}, h('h2', {}, 'At rest')),
      h('div.targets', {},
        plan.resting.map((route) => line('·', 'rests', route, `until ${moment(route.rests_until)}`)))),
    plan.exclusions.length > 0 && h('section.card', {},
      h('header.card-head', {}, h('h2', {}, 'No route for this request')),
      h('div.scroll', {},
        h('table.stack', {}, head(['Model', 'Reason', 'Endpoint']),
          h('tbody', {},
            plan.exclusions.map((one) => h('tr', {}, h('td.whole.nowrap', {}, one.model), h('td.whole.left', {}, one.reason),
              h('td.whole.mono.muted.break', {}, one.endpoint ?? ''))))))))];
}

function line(sign, state, route, more) {
  return h('div.target', {}, h('strong', {}, sign), h(`span.badge.${state}`, {}, ''),
    h('div.name', {}, h('span.muted', {}, `${route.provider}/`), route.model,
      h('div.muted', {}, [route.reason, more].filter(Boolean).join(', ')), h('div.mono.muted', {}, route.endpoint)),
    h('span.num.muted', {}, route.latency_ms ? duration(route.latency_ms) : ''));
}
