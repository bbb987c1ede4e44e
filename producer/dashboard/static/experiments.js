// Names that draw between models: switched on and off, and what the draw led to, each figure with how sure it is.
import {get, post} from './api.js';
import {empty, h, head, keyed, put} from './dom.js';
import {count, duration, money, plural} from './format.js';
import {figures} from './intervals.js';
import {refreshing} from './live.js';
import {aliasCard, doing, onChange, toggle} from './routing.js';

const percent = (value) => `${(value * 100).toFixed(1)} %`;
const seconds = (value) => duration(value * 1000);
const FIGURES = [
  ['Failures', ['failures'], percent, 'failures'],
  ['Cost per job', ['cost_per_job'], money, 'cost_per_job'],
  ['Latency, mean', ['latency_s', 'mean'], seconds, 'latency_s'],
  ['Latency, p95', ['latency_s', 'p95'], seconds, null],
  ['Schema met', ['schema', 'yield'], percent, 'schema_yield'],
  ['Feedback', ['feedback', 'score'], (value) => value.toFixed(3), 'score'],
  ['Answered by a failover', ['failovers'], percent, null],
];

export function show(root, {query}) {
  const running = h('div.list');
  const others = h('tbody');
  const project = h('select', {id: 'whose'});
  let aliases = [];
  let projects = [];
  const readouts = new Map();

  function draw() {
    const drawn = aliases.filter((one) => one.strategy === 'weighted');
    keyed(running, drawn.map((alias) => ({alias, readout: readouts.get(nameOf(alias)) ?? null})),
      (one) => nameOf(one.alias), (one) => experiment(one, load));
    if (!drawn.length) put(running,
      h('section.card', {},
        empty('No experiment runs', 'Switch one on below: its name then draws between its targets by weight.')));
    keyed(others,
      aliases.filter((one) => one.strategy === 'priority' && one.targets.filter((target) => target.active).length > 1),
      nameOf, (alias) => h('tr', {},
      h('td', {}, drawing(alias, load)), h('td', {}, alias.alias),
        h('td.less', {}, alias.project ?? 'all projects'),
        h('td.grow.whole.muted', {},
          alias.targets.filter((one) => one.active).map((one) => `${one.model_id} ${one.weight}`).join(', '))));
  }
  async function load() {
    const [routing, names] = await Promise.all([get('routing'), get('names')]).catch(() => [null, null]);
    if (!routing) return;
    aliases = routing.aliases;
    if (!projects.length) {
      projects = names.projects;
      project.replaceChildren(...projects.map((value) => h('option',
        {value, selected: value === (query.project ?? 'default')}, value)));
    }
    draw();
    await read();
  }
  async function read() {
    for (const alias of aliases.filter((one) => one.strategy === 'weighted')) {
      const whose = alias.project ?? project.value;
      readouts.set(nameOf(alias),
        await get(`experiments/${encodeURIComponent(alias.alias)}`, {project: whose}).catch(() => null));
    }
    draw();
  }
  project.addEventListener('change', read);
  root.append(
    h('div.page-head', {}, h('h1', {}, 'Experiments'),
      h('span.end.row', {}, h('label', {htmlFor: 'whose'}, 'Jobs of '), project),
      h('p', {},
        'The last 30 days. Bars are 95 % intervals; a word is said only when it holds over all comparisons together.')),
    running, h('div.gap'),
    h('section.card', {}, h('header.card-head', {}, h('h2', {}, 'Begin another')),
      h('div.scroll', {}, h('table.stack', {}, head(['Draw', 'Alias', 'For', 'Targets and weights']), others))));
  load();
  const stops = [onChange(load), refreshing(read, 5000)];
  return () => stops.forEach((stop) => stop());
}

const nameOf = (alias) => `${alias.alias}|${alias.project}`;

const drawing = (alias, load) => toggle(alias.strategy === 'weighted', `${alias.alias}: draw by weight`, (on) =>
  doing(() => post(`aliases/${encodeURIComponent(alias.alias)}/strategy`,
    {project: alias.project, revision: alias.revision, strategy: on ? 'weighted' : 'priority'}),
    load));

function experiment({alias, readout}, load) {
  const card = aliasCard(alias, load);
  card.classList.replace('half', 'third');
  card.querySelector('.end').prepend(drawing(alias, load));
  return h('div.grid', {}, card, h('section.card.wide', {}, !readout || !readout.variants.length
    ? empty('Nothing was drawn yet', 'Jobs of this project that ask for this name appear here from their first call on.')
    : [h('header.card-head', {}, h('h2', {}, `${plural(readout.jobs, 'job')}, ${money(readout.spent)}`),
      readout.variants.some((one) => one.emulated) && h('span.end.tag', {}, 'emulated: says nothing of providers')),
      table(readout)]));
}

function table(readout) {
  const compared = new Map(readout.comparisons.map((one) => [one.variant, one]));
  return h('div.scroll', {},
    h('table', {},
      h('thead', {},
        h('tr', {}, h('th', {scope: 'col'}, 'Figure'),
          readout.variants.map((one, at) => h('th', {scope: 'col'}, one.variant.split('/').at(-1),
            h('div.muted', {},
              `${count(one.jobs)} jobs${at === 0 && readout.variants.length > 1 ? ', the measure' : ''}`))))),
    h('tbody', {}, FIGURES.map(([label, path, say, name]) => {
      const found = readout.variants.map((one) => path.reduce((value, step) => value?.[step], one) ?? null);
      if (found.every((one) => one === null)) return null;
      const scale = figures(found);
      return h('tr', {}, h('td.nowrap', {}, label),
        readout.variants.map((one, at) => h('td', {},
          found[at] ? [h('div.nowrap', {}, say(found[at].value), ' ', verdict(compared.get(one.variant)?.[name])),
            scale(found[at], say)] : '–')));
    }))));
}

function verdict(judged) {
  if (!judged || judged.verdict === 'no difference seen') return null;
  return h(`span.badge.${judged.verdict === 'better' ? 'ok' : 'failed'}`, {}, judged.verdict);
}
