// What today cost, by project and by model, and what the cache saved.
import {meter} from './charts.js';
import {empty, h, put} from './dom.js';
import {aligned, count, money, moment} from './format.js';
import {follow} from './live.js';

export function show(root) {
  const place = h('div');
  root.append(h('div.page-head', {}, h('h1', {}, 'Cost today')), place);
  return follow('cost', (cost) => put(place, ...draw(cost)));
}

const tile = (label, value, sub) => h('div.tile', {}, h('div.label', {}, label), h('div.value', {}, value),
  h('div.sub', {}, sub || '\u00a0'));

function draw(cost) {
  const sums = cost.totals;
  const answers = sums.ok + sums.cache_hits;
  return [
    h('div.tiles', {},
      tile('Spent', money(sums.cost),
        sums.unpriced_calls ? `${count(sums.unpriced_calls)} calls without a known price` : `since ${moment(cost.since)}`),
      tile('Saved by the cache', money(sums.saved_usd), `${count(sums.cache_hits)} of ${count(answers)} answers`),
      tile('Called directly', money(sums.direct_cost),
        sums.saving === null ? 'the same answers, from the preferred model' : `${(sums.saving * 100).toFixed(0)} % less was spent`),
      tile('Calls', count(sums.calls), `${count(sums.failed)} failed, ${count(sums.unknown)} unknown`),
      tile('Uncertain', money(sums.uncertain_cost), 'the most that lost calls can have cost')),
    sums.emulated && h('p.note.warn', {},
      'Some answers are the emulator’s: this is what they would have cost, nothing was spent for them.'),
    cost.groups.length === 0 ? h('section.card', {}, empty('Nothing was called today', 'Days begin at 00:00 UTC.'))
      : h('div.grid', {}, table('By project', cost.groups, (one) => one.project),
        table('By model', cost.groups, (one) => `${one.provider}/${one.model}`)),
  ];
}

function table(title, groups, nameOf) {
  const by = new Map();
  for (const one of groups) {
    const known = by.get(nameOf(one)) ?? {cost: 0, unknown: 0, calls: 0, failed: 0, tokens: 0, characters: 0,
      hits: 0, saved: 0};
    by.set(nameOf(one), {
      cost: known.cost + (one.cost ?? 0), unknown: known.unknown + one.unpriced_calls,
        calls: known.calls + one.calls, failed: known.failed + one.failed,
      tokens: known.tokens + (one.prompt_tokens ?? 0) + (one.completion_tokens ?? 0),
        characters: known.characters + (one.characters ?? 0), hits: known.hits + one.cache_hits,
        saved: known.saved + (one.saved_usd ?? 0),
    });
  }
  const rows = [...by].sort((a, b) => b[1].cost - a[1].cost || b[1].calls - a[1].calls);
  const most = Math.max(1e-12, ...rows.map(([, one]) => one.cost));
  return h('section.card', {}, h('header.card-head', {}, h('h2', {}, title)), h('div.scroll', {}, h('table.stack', {},
    h('thead', {},
      h('tr', {}, h('th', {scope: 'col'}, 'Name'), h('th', {scope: 'col'}, ''),
        ['Cost', 'Calls', 'Failed', 'Tokens', 'Characters', 'From the cache',
          'Saved'].map((name) => h('th.num', {scope: 'col'}, name)))),
    h('tbody', {}, rows.map(([name, one]) => h('tr', {},
      h('td.break', {}, name),
      h('td.whole.low', {style: {width: '22%', 'min-width': '80px'}}, meter([['running', one.cost, 'USD']], most)),
      h('td.num', {}, h('strong', {}, aligned(one.cost, 4), one.unknown > 0 && ' and more')),
      [one.calls, one.failed, one.tokens, one.characters,
        one.hits].map((value) => h('td.num.less', {}, value ? count(value) : '–')),
      h('td.num.less', {}, one.saved ? aligned(one.saved, 4) : '–')))))));
}
