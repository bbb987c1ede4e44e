// What happens now: lines, workers, providers, money.
import {get} from './api.js';
import {chart, lines, meter, minuteBars} from './charts.js';
import {empty, h, keyed, put} from './dom.js';
import {coarse, count, duration, money, plural, short, since, words} from './format.js';
import {follow} from './live.js';
import {stateOf} from './providers.js';

const SPANS = [[15, '15 min'], [60, '1 h'], [360, '6 h'], [1440, '24 h'], [2880, '48 h']];
const POOLS = ['text', 'speech'];
const NAMED_WITHIN_MS = 2000;

export function show(root) {
  const notes = h('div');
  const tiles = h('div.tiles');
  const queue = queueCard();
  const workers = h('div.list');
  const wanted = h('div.end.muted');
  const demand = h('div.said-by');
  const providers = h('div.list');
  const cost = h('div.list');
  root.append(
    h('div.page-head', {}, h('h1', {}, 'Overview')),
    notes, tiles,
    h('div.grid', {},
      queue.node,
      h('section.card.wide', {}, h('header.card-head', {}, h('h2', {}, 'Workers and what they run'), wanted),
        workers, demand),
      h('section.card.third', {},
        h('header.card-head', {}, h('h2', {}, 'Providers'), h('a.end', {href: '#/providers'}, 'All')), providers),
      h('section.card', {}, h('header.card-head', {}, h('h2', {}, 'Cost today'), h('a.end', {href: '#/cost'}, 'All')), cost),
    ),
  );
  const seen = {};
  const stops = ['work', 'fleet', 'providers', 'cost', 'alerts'].map((name) => follow(name, (value) => {
    seen[name] = value;
    if (name === 'work' || name === 'alerts' || name === 'fleet') drawNotes(notes, seen);
    if (name === 'work' || name === 'cost') drawTiles(tiles, seen);
    if (name === 'work') queue.now(value);
    if (name === 'work' || name === 'fleet') drawWorkers(workers, seen);
    if (name === 'fleet') drawDemand(wanted, demand, value);
    if (name === 'providers') drawProviders(providers, value);
    if (name === 'cost') drawCost(cost, value);
  }));
  return () => { stops.forEach((stop) => stop()); queue.stop(); };
}

function drawNotes(place, {work, fleet, alerts = []}) {
  const waits = Object.values(work?.pools ?? {}).some((one) => one.ready);
  put(place,
    fleet?.workers?.length === 0 && waits && !work.paused && h('p.note.warn', {},
      'Jobs wait and no worker runs. Start one: ', h('code', {}, 'factory worker'), '.'),
    fleet && !fleet.workers && h('p.note.warn', {},
      'Redis does not answer. Jobs are still accepted and kept; who runs what cannot be shown.'),
    work?.paused && h('p.note.warn', {}, 'Everything is paused: no job is started until ',
      h('code', {}, 'factory resume'), '.'),
    work?.paused_projects?.length > 0 && h('p.note.warn', {}, `Paused: ${work.paused_projects.join(', ')}.`),
    alerts.slice(0,
      5).map((one) => h('p.note.bad', {role: 'alert'}, h('strong', {}, `${one.kind.replaceAll('_', ' ')}: `),
        one.subject, ' ', h('span', {}, one.message), ' ',
      h('span.muted', {}, since(one.raised_at), one.times > 1 && ` · ${count(one.times)} times`))));
}

const tile = (label, value, sub) => h('div.tile', {}, h('div.label', {}, label), h('div.value', {}, value),
  h('div.sub', {}, sub || '\u00a0'));

function drawTiles(place, {work, cost}) {
  const pools = Object.values(work?.pools ?? {});
  const sum = (name) => pools.reduce((all, one) => all + one[name], 0);
  const oldest = pools.map((one) => one.oldest_at).filter(Boolean).sort()[0];
  const each = (name) => Object.entries(work?.pools ?? {}).map(([pool, one]) => `${count(one[name])} ${pool}`).join(' · ');
  put(place,
    tile('Waiting in line', count(sum('ready')), each('ready')),
    tile('Running', count(sum('running')), each('running')),
    tile('Oldest in line', oldest ? since(oldest, 'for') : 'none', oldest ? 'since it was queued' : 'nothing waits'),
    tile('Cost today', cost ? money(cost.totals.cost) : '–',
      cost && (cost.totals.emulated ? 'with answers of the emulator' : `${count(cost.totals.calls)} calls since 00:00 UTC`)),
    tile('Saved by the cache', cost ? money(cost.totals.saved_usd) : '–',
      cost && plural(cost.totals.cache_hits, 'answer', 'answers') + ' found'),
  );
}

function queueCard() {
  let minutes = 60;
  let data = null;
  let work = null;
  const draw = (name, show, tick) => (width) => (data ? lines({
    series: POOLS.map((pool) => ({name: pool, cls: `s-${pool}`, points: pointsOf(pool, name)})),
    from: begin(), to: Date.now(), gapMs: Math.max(25000, data.step_s * 2500), show, tick,
  }, width) : h('div'));
  // A house that is new shows what there is, five minutes at least.
  const begin = () => Math.max(Date.now() - minutes * 60000,
    Math.min(Date.now() - 300000, ...data.data.map((one) => Date.parse(one.at))));
  const pointsOf = (pool, name) => {
    const points = data.data.filter((one) => one.pool === pool).map((one) => [Date.parse(one.at), one[name] ?? 0]);
    const now = work?.pools?.[pool];
    if (now) points.push([Date.now(),
      name === 'oldest_s' ? (now.oldest_at ? (Date.now() - Date.parse(now.oldest_at)) / 1000 : 0) : now[name]]);
    return points;
  };
  const charts = [
    ['Waiting in line', chart(draw('ready', (value) => count(Math.round(value))))],
    ['Running', chart(draw('running', (value) => count(Math.round(value))))],
    ['Oldest in line', chart(draw('oldest_s', (value) => duration(value * 1000), (value) => coarse(value * 1000)))],
  ];
  const redraw = () => charts.forEach(([, one]) => one.redraw());
  const load = async () => {
    data = await get('samples', {minutes}).catch(() => data);
    redraw();
  };
  const choice = h('div.choice', {role: 'group', 'aria-label': 'Time shown'});
  const choose = () => choice.replaceChildren(...SPANS.map(([value, label]) => h('button',
    {type: 'button', 'aria-pressed': String(value === minutes), onclick: () => { minutes = value; choose(); load(); }},
    label)));
  choose();
  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, 10000);
  const node = h('section.card', {},
    h('header.card-head', {}, h('h2', {}, 'The line over time'),
      h('div.legend', {}, POOLS.map((pool) => h('span', {}, h(`i.s-${pool}`), pool))), h('div.end', {}, choice)),
    h('div.grid', {}, charts.map(([label, one]) => h('div.third', {}, h('p.muted', {}, label), one))));
  return {node, stop: () => clearInterval(timer), now: (value) => { work = value; redraw(); }};
}

function drawWorkers(place, seen) {
  const {work, fleet} = seen;
  if (!work || !fleet) return;
  const jobs = new Map(work.running.map((job) => [job.id, job]));
  const rows = (fleet.workers ?? []).map((worker) => {
    const its = worker.jobs.map((id) => jobs.get(id)).filter(Boolean);
    its.forEach((job) => jobs.delete(job.id));
    const {host, pid, pools, slots, lag_ms: lag, state, full} = worker;
    return {name: worker.name, host, pid, pools, slots, lag: Math.round(lag / 5) * 5, state, full,
      busy: worker.jobs.length, started_at: new Date(worker.started_at * 1000).toISOString(), jobs: its};
  });
  const nobodys = unnamed(jobs, place, seen);
  if (nobodys.length) rows.push({name: 'nobody', host: 'No worker that is known', pid: null, jobs: nobodys});
  if (!rows.length) {
    put(place, empty('No worker runs', 'Start one with: factory worker'));
    return;
  }
  keyed(place, rows, (one) => one.name, workerRow);
}

// Of jobs that no worker names, those that none has named for a while: Postgres tells of a job that was just taken
// before its worker does.
function unnamed(jobs, place, seen) {
  const now = Date.now();
  seen.unnamed = new Map([...jobs.keys()].map((id) => [id, seen.unnamed?.get(id) ?? now]));
  if (jobs.size) seen.again ??= setTimeout(() => {
    seen.again = null;
    if (place.isConnected) drawWorkers(place, seen);
  }, NAMED_WITHIN_MS);
  return [...jobs.values()].filter((job) => now - seen.unnamed.get(job.id) >= NAMED_WITHIN_MS);
}

// Why so many workers: the figures behind the number, by pool.
function drawDemand(wanted, place, fleet) {
  put(wanted, `The work asks for ${plural(fleet.wanted, 'worker')}`);
  put(place,
    Object.entries(fleet.pools).map(([pool, one]) => h('div', {},
      `${pool}: ${plural(one.slots, 'slot')}, ${one.reason}`,
    one.predicted_slots !== null && one.predicted_slots > one.reactive_slots && ` (${count(one.reactive_slots)} now, ${count(one.predicted_slots)} expected)`)));
}

function workerRow(one) {
  return h('div.stackrow', {},
    h('div.row', {}, h('strong', {}, one.pid ? `${one.host} · ${one.pid}` : one.host),
      one.pid && h('span.muted', {}, one.pools.join(' and ')),
        one.state === 'leaving' && h('span.badge.rests', {}, 'leaving'),
        one.full && h('span.badge.open', {}, `short of CPU, ${one.lag} ms late`),
      h('span.end.muted', {},
        one.pid ? `${count(one.busy)} of ${count(one.slots)} slots · up ` : plural(one.jobs.length, 'job'),
        one.pid && since(one.started_at, 'for'))),
    one.pid && meter([['running', one.busy, 'slots in use']], one.slots),
    one.jobs.length > 0 && h('div.slots', {},
      one.jobs.slice(0, 30).map((job) => h('a.slot', {href: `#/jobs/${job.id}`, title: `${job.project} · ${job.asked}`},
      h(`span.badge.${job.state}`, {title: words(job.state)}), job.key ?? short(job.id),
        h('span.muted', {}, job.model ?? job.asked), since(job.started_at, 'for')))),
    one.jobs.length > 30 && h('span.muted', {}, `and ${one.jobs.length - 30} more`));
}

function drawProviders(place, providers) {
  keyed(place, providers, (one) => one.id, (one) => {
    const [state, label] = stateOf(one);
    return h('div.stackrow', {},
      h('div.row', {}, h('a', {href: '#/providers'}, one.name), h('span.end'), h(`span.badge.${state}`, {}, label)),
      chart((width) => minuteBars(one.calls, 30, width, 24)));
  });
}

function drawCost(place, cost) {
  const by = new Map();
  for (const one of cost.groups) {
    const known = by.get(one.project) ?? {cost: 0, calls: 0, saved: 0, unknown: false};
    by.set(one.project,
      {cost: known.cost + (one.cost ?? 0), calls: known.calls + one.calls,
        saved: known.saved + (one.saved_usd ?? 0), unknown: known.unknown || one.cost === null});
  }
  const rows = [...by].sort((a, b) => b[1].cost - a[1].cost).slice(0, 8);
  const most = Math.max(1e-12, ...rows.map(([, one]) => one.cost));
  if (!rows.length) {
    put(place, empty('Nothing was spent today', 'Days begin at 00:00 UTC.'));
    return;
  }
  put(place, rows.map(([project, one]) => h('div.stackrow', {},
    h('div.row', {}, h('span', {}, project), h('span.end.muted', {}, plural(one.calls, 'call')),
      h('strong', {}, money(one.cost), one.unknown && ' and more')),
    meter([['running', one.cost, 'USD']], most))));
}
