// What names mean and where calls go, with switches: on or off, and in which order.
import {get, post} from './api.js';
import {card, empty, h, head, keyed} from './dom.js';
import {follow} from './live.js';

export function show(root) {
  const aliases = h('div.grid');
  const endpoints = h('tbody');
  const find = h('input',
    {type: 'search', placeholder: 'fast, narrator, gpt …', 'aria-label': 'Find an alias or a model',
      oninput: () => draw()});
  let found = {aliases: [], endpoints: []};
  function draw() {
    const wanted = find.value.trim().toLowerCase();
    const fits = (one) => [one.alias, one.project,
      ...one.targets.map((target) => `${target.provider}/${target.model_id}`)].some((text) => (text ?? '').toLowerCase().includes(wanted));
    keyed(aliases, found.aliases.filter(fits), (one) => `${one.alias}|${one.project}`, (one) => aliasCard(one, load));
    keyed(endpoints, found.endpoints, (one) => one.id, (one) => endpointRow(one, load));
    if (!aliases.children.length) aliases.replaceChildren(empty('No alias is like that',
      'Aliases are made in SQL or with the admin API.'));
  }
  async function load() {
    found = await get('routing').catch(() => found);
    draw();
  }
  root.append(
    h('div.page-head', {}, h('h1', {}, 'Routing'), h('span.end', {}, find),
      h('p', {}, 'A change is in force on every process within a second, and in the audit trail.')),
    aliases, h('div.gap'),
    card('Endpoints',
      h('div.scroll', {},
        h('table.stack', {}, head(['On', 'Provider', 'Address', 'Handler', 'Models', 'Region', 'Credential', 'Priority']),
          endpoints))));
  load();
  return onChange(load);
}

// Runs `load` when the configuration changed, whoever changed it.
export function onChange(load) {
  let version = null;
  return follow('work', (work) => {
    if (version !== null && version !== work.catalog) load();
    version = work.catalog;
  });
}

export function toggle(on, label, change) {
  const box = h('input',
    {type: 'checkbox', role: 'switch', checked: on, 'aria-label': label, onchange: () => change(box.checked)});
  return h('label.switch', {title: label}, box, h('i'));
}

// Does it, says what was refused, and shows how things stand.
export async function doing(work, load) {
  try {
    await work();
  } catch (error) {
    const toast = h('div.toast', {role: 'alert'}, error.message);
    document.body.append(toast);
    setTimeout(() => toast.remove(), 6000);
  }
  await load();
}

export function aliasCard(alias, load) {
  const change = (target,
    what) => doing(() => post(`aliases/${encodeURIComponent(alias.alias)}/target`,
      {project: alias.project, provider: target.provider, model_id: target.model_id, revision: alias.revision,
        ...what}),
    load);
  const weighted = alias.strategy === 'weighted';
  return h('section.card.half', {},
    h('header.card-head', {}, h('h2', {}, alias.alias),
      alias.project && h('span.tag', {}, `project ${alias.project}`),
      h('div.end', {}, h('span.tag', {}, alias.strategy.replaceAll('_', ' ')),
        h('a', {href: `#/explain?model=${encodeURIComponent(alias.alias)}`}, 'Explain'))),
    alias.description && h('p.said-by', {}, alias.description),
    h('div.targets', {}, alias.targets.map((target, at) => h(`div.target${target.active ? '' : '.off'}`, {},
      toggle(target.active, `${alias.alias}: use ${target.provider}/${target.model_id}`,
        (active) => change(target, {active})),
      h('span.muted', {title: 'position'}, weighted ? '' : target.position),
      h('span.name', {}, h('span.muted', {}, `${target.provider}/`), target.model_id),
      weighted ? weight(target, change) : h('span.steps', {},
        step('↑', 'earlier', target, alias.targets[at - 1], change),
        step('↓', 'later', target, alias.targets[at + 1], change))))));
}

function step(sign, name, target, other, change) {
  const earlier = name === 'earlier';
  return h('button',
    {type: 'button', disabled: !other || (earlier && other.position === 0),
      'aria-label': `${target.model_id}: try it ${name}`, title: `Try it ${name}`,
    onclick: () => change(target, {position: earlier ? other.position - 1 : other.position + 1})}, sign);
}

function weight(target, change) {
  const field = h('input',
    {type: 'number', min: 0, max: 1000000, step: 1, value: String(target.weight),
      'aria-label': `Weight of ${target.model_id}`, style: {width: '84px'},
      onchange: () => settle(field, (weight) => change(target, {weight}))});
  return field;
}

function endpointRow(endpoint, load) {
  const change = (what) => doing(() => post(`endpoints/${endpoint.id}`, what), load);
  const priority = h('input',
    {type: 'number', min: 0, max: 1000000, step: 1, value: String(endpoint.priority),
      'aria-label': `Priority of ${endpoint.base_url}`, style: {width: '84px'},
      onchange: () => settle(priority, (value) => change({priority: value}))});
  return h('tr', {},
    h('td', {},
      toggle(endpoint.active, `Use ${endpoint.base_url} with ${endpoint.handler_function}`,
        (active) => change({active}))),
    h('td', {}, endpoint.provider), h('td.mono.wide.whole', {}, endpoint.base_url),
      h('td.wide.whole', {}, endpoint.handler_function), h('td.mono.whole', {}, endpoint.model_pattern),
      h('td.second', {}, endpoint.region), h('td.mono.muted.less', {}, endpoint.credential ?? 'none'),
      h('td', {}, priority));
}

// A number that is finished; the field is left, so that it shows what comes of it.
function settle(field, change) {
  if (!field.checkValidity()) return;
  field.blur();
  change(Number(field.value));
}
