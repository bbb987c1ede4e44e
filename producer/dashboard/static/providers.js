// Who can be called, how it goes, what rests and why, and how near the limits are.
import {chart, meter, minuteBars} from './charts.js';
import {card, empty, h, head, keyed, put} from './dom.js';
import {clock, count, duration, words} from './format.js';
import {follow} from './live.js';

const GAUGES = [
  ['requests', 'requests_per_minute', 'Requests a minute'],
  ['tokens', 'tokens_per_minute', 'Tokens a minute'],
  ['running', 'concurrency', 'At once'],
];

export function stateOf(provider) {
  const used = provider.endpoints.filter((one) => one.active);
  const dead = used.filter((one) => one.rest || one.lacks);
  const rests = provider.rests.filter((one) => !one.over);
  if (!provider.active) return ['off', 'switched off'];
  if (!used.length) return ['off', 'no endpoint'];
  if (dead.length === used.length) return dead.some((one) => one.rest) ? ['open',
    'credential rests'] : ['off', 'no key'];
  if (rests.some((one) => one.scope === 'breaker')) return ['open', 'breaker open'];
  if (rests.length) return ['rests', 'rests in part'];
  return ['ok', 'well'];
}

export function show(root) {
  const cards = h('div.grid');
  const limits = h('div');
  root.append(h('div.page-head', {}, h('h1', {}, 'Providers')), cards, h('div.gap'), card('Limits in use', limits));
  const stops = [
    follow('providers', (all) => keyed(cards, all, (one) => one.id, draw)),
    follow('limits', (all) => drawLimits(limits, all)),
  ];
  return () => stops.forEach((stop) => stop());
}

function draw(provider) {
  const [state, label] = stateOf(provider);
  const good = provider.calls.reduce((sum, one) => sum + one.ok, 0);
  const bad = provider.calls.reduce((sum, one) => sum + one.failed, 0);
  return h('section.card.half', {},
    h('header.card-head', {}, h('h2', {}, provider.name), h('span.end', {}, h(`span.badge.${state}`, {}, label))),
    chart((width) => minuteBars(provider.calls, 30, width)),
    h('p.said-by', {},
      good + bad ? `${count(good)} answered, ${count(bad)} failed in 30 minutes` : 'not called for 30 minutes'),
    provider.rests.length > 0 && h('div.list', {}, provider.rests.map(rest)),
    h('h3', {}, 'Endpoints'),
    addresses(provider.endpoints),
    Object.keys(provider.latency_ms).length > 0 && [h('h3', {}, 'Median latency, last minutes'),
      latencies(provider.latency_ms)]);
}

// Endpoints at the same address beside each other, by what they are called for.
function addresses(endpoints) {
  const by = new Map();
  for (const one of endpoints) {
    const name = `${one.base_url} ${one.region}`;
    by.set(name, [...(by.get(name) ?? []), one]);
  }
  return h('div.list', {}, [...by.values()].map((all) => h('div.stackrow', {},
    h('div.row', {}, h('span.mono.break', {}, all[0].base_url), h('span.end.tag', {}, all[0].region)),
    h('span.muted', {}, [...new Set(all.map((one) => words(one.handler.split('.').at(-1))))].sort().join(', ')),
    !all.some((one) => one.active) && h('span.badge.off', {}, 'switched off'),
    [...new Set(all.map((one) => one.lacks).filter(Boolean))].map((lacks) => h('span.badge.off', {}, lacks)),
    all[0].rest && rest(all[0].rest))));
}

function rest(one) {
  const state = one.over ? 'unknown' : one.scope === 'breaker' ? 'open' : 'rests';
  const what = {breaker: 'breaker open', route: 'rests', credential: 'credential rests'}[one.scope] ?? one.scope;
  return h('div.stackrow', {},
    h('div.row', {}, h(`span.badge.${state}`, {}, one.over ? 'about to be tried' : what),
      h('span', {}, one.model ?? ''), h('span.end.muted', {}, one.over ? '' : `until ${clock(one.until)}`)),
    h('span.muted', {}, `${one.kind.replaceAll('_', ' ')}: ${one.reason}`));
}

function latencies(found) {
  const most = Math.max(...Object.values(found));
  return h('div.list', {}, Object.entries(found).sort((a, b) => a[1] - b[1]).map(([model, ms]) => h('div.stackrow', {},
    h('div.row', {}, h('span', {}, model), h('span.end', {}, duration(ms))), meter([['running', ms, 'ms']], most))));
}

function drawLimits(place, all) {
  if (!all.length) {
    put(place,
      empty('No limit is set',
        'Limits of projects, providers and endpoints appear here, and what providers say of theirs.'));
    return;
  }
  const rows = all.map((one) => h('tr', {}, h('td.break.whole', {}, one.scope),
    GAUGES.map(([used, limit, name]) => gauge(one[used], one.limits[limit] ?? one.said[limit], name)),
    said(one.said)));
  put(place,
    h('div.scroll', {},
      h('table.stack', {}, head(['Scope', ...GAUGES.map(([, , name]) => name), 'The provider said']),
        h('tbody', {}, rows))));
}

function said(all) {
  const shown = Object.entries(all).filter(([, value]) => value).map(([name,
    value]) => `${name.replaceAll('_', ' ')} ${name.endsWith('_ms') ? duration(value) : count(value)}`).join(', ');
  return h(`td.muted${shown ? '.whole' : '.less'}`, {data: {name: 'The provider said'}}, shown || '–');
}

function gauge(used, limit, name) {
  if (!limit) return h(`td.muted.left${used ? '.whole' : '.less'}`, {data: {name}}, used ? count(used) : '–');
  const share = used / limit;
  return h('td.left.whole', {data: {name}},
    h('div.stackrow', {}, h('span.nowrap', {}, `${count(used)} of ${count(limit)}`),
      meter([[share > 0.9 ? 'open' : share > 0.7 ? 'rests' : 'ok', Math.min(used, limit), 'used']], limit)));
}
