// One batch: how far it is, and its jobs as a graph of what comes after what.
import {get} from './api.js';
import {ORDER, overOf, progress} from './batches.js';
import {card, empty, h, put} from './dom.js';
import {badge, between, count, duration, moment, money, since, words} from './format.js';
import {graph} from './graph.js';
import {refreshing} from './live.js';

export function show(root, {id}) {
  const place = h('div');
  root.append(place);
  let over = false;
  let last = '';
  return refreshing(async () => {
    if (over) return;
    try {
      const batch = await get(`batches/${id}`);
      const said = JSON.stringify(batch);
      if (said !== last) draw(place, batch);
      last = said;
      over = batch.finished_at !== null;
    } catch (error) {
      if (!last) put(place, empty('There is no such batch', error.message));
    }
  }, 1000);
}

function draw(place, batch) {
  const scrolled = place.querySelector('.graph')?.scrollLeft ?? 0;
  const asked = new Set(batch.nodes.flatMap((one) => one.after));
  const tied = batch.nodes.filter((one) => one.after.length || asked.has(one.id));
  const alone = batch.nodes.filter((one) => !one.after.length && !asked.has(one.id));
  const picture = [tied.length > 0 && h('div.scroll.graph', {tabIndex: 0}, graph(tied)),
    tied.length > 0 && alone.length > 0 && h('p.said-by', {}, 'After nothing, and nothing after them:'),
    alone.length > 0 && mosaic(alone)];
  place.replaceChildren(h('div', {},
    h('div.page-head', {}, h('a', {href: '#/batches'}, '‹ Batches'), h('h1', {}, batch.name ?? 'Batch'),
      badge(batch.status), h('p.mono', {}, batch.id)),
    batch.error && h('p.note.bad', {role: 'alert'},
      typeof batch.error === 'string' ? batch.error : batch.error.message ?? JSON.stringify(batch.error)),
    h('div.grid', {},
      card(`${count(overOf(batch))} of ${count(batch.total)} over`, progress(batch, 'div.meter.tall'),
        h('p.legend', {style: {margin: '10px 0 16px'}},
          ORDER.filter((state) => batch.counts[state]).map((state) => h('span', {}, h(`i.${state}`),
            `${count(batch.counts[state])} ${words(state)}`))),
        facts(batch)),
      h('section.card', {},
        h('header.card-head', {}, h('h2', {}, 'Jobs'), h('a.end', {href: `#/jobs?batch=${batch.id}`}, 'As a list')),
        batch.nodes.length ? picture : empty('No jobs yet', 'Its lines are being read.'),
        batch.nodes.length < batch.total && batch.nodes.length > 0 && h('p.said-by', {},
          `The first ${count(batch.nodes.length)} of ${count(batch.total)} are drawn.`)))));
  const next = place.querySelector('.graph');
  if (next) next.scrollLeft = scrolled;
}

function facts(batch) {
  const rows = [
    ['Project', batch.project],
    ['Cost', batch.cost === null ? 'unknown' : money(batch.cost)],
    ['Ceiling', batch.max_cost_usd === null ? 'none' : money(batch.max_cost_usd)],
    ['Made', moment(batch.created_at)],
    ['Took', batch.finished_at ? duration(between(batch.created_at, batch.finished_at)) : since(batch.created_at, 'for')],
    batch.refused > 0 && ['Lines refused', count(batch.refused)],
  ];
  return h('dl.facts', {}, rows.filter(Boolean).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

function mosaic(nodes) {
  return h('div.mosaic', {},
    nodes.map((one) => h(`a.${one.state}`,
      {href: `#/jobs/${one.id}`, title: `${one.key ?? `line ${one.line}`}: ${words(one.state)}`,
        'aria-label': `${one.key ?? `line ${one.line}`}: ${words(one.state)}`})));
}
