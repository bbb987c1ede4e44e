// All batches, the newest first, with how far they are.
import {get} from './api.js';
import {meter} from './charts.js';
import {empty, h, head, keyed, put} from './dom.js';
import {aligned, badge, between, count, duration, short, since} from './format.js';
import {refreshing} from './live.js';

export const ORDER = ['completed', 'failed', 'expired', 'cancelled', 'in_progress', 'queued', 'waiting'];
export const progress = (batch,
  name) => meter(ORDER.map((state) => [state, batch.counts[state] ?? 0, state.replaceAll('_', ' ')]), batch.total,
  name);
export const overOf = (batch) => ['completed', 'failed', 'expired',
  'cancelled'].reduce((sum, state) => sum + (batch.counts[state] ?? 0), 0);

export function show(root) {
  const trail = [];
  let before = null;
  const rows = h('tbody');
  const none = h('div');
  const older = h('button',
    {type: 'button', onclick: () => { trail.push(before); before = older.next; stop.run(); }}, 'Older');
  const newer = h('button', {type: 'button', onclick: () => { before = trail.pop() ?? null; stop.run(); }}, 'Newer');
  const stop = refreshing(async () => {
    const page = await get('batches', {before}).catch((error) => ({data: [], next: null, error}));
    keyed(rows, page.data, (batch) => batch.id, draw);
    put(none,
      page.data.length === 0 && (page.error ? empty('Batches cannot be read',
        page.error.message) : empty('No batches yet',
        'Stories and files of jobs make them: factory batch examples/jobs.jsonl')));
    older.next = page.next;
    older.disabled = !page.next;
    newer.disabled = before === null;
  });
  root.append(
    h('div.page-head', {}, h('h1', {}, 'Batches')),
    h('section.card', {},
      h('div.scroll', {},
        h('table.stack', {}, head(['State', 'Batch', 'Project', 'Progress'], ['Jobs', 'Cost', 'Took', 'Made']), rows)),
      none),
    h('div.pager', {}, newer, older),
  );
  return stop;
}

function draw(batch) {
  return h('tr', {},
    h('td', {}, badge(batch.status)),
    h('td', {}, h('a', {href: `#/batches/${batch.id}`, title: batch.id}, batch.name ?? `…${short(batch.id)}`)),
    h('td.second', {}, batch.project),
    h('td.whole.low', {style: {'min-width': '140px'}}, progress(batch)),
    h('td.num', {}, `${count(overOf(batch))} of ${count(batch.total)}`),
    h('td.num.less', {}, batch.finished_at || batch.cost ? aligned(batch.cost, 4) : '–'),
    h('td.num.less', {},
      batch.finished_at ? duration(between(batch.created_at, batch.finished_at)) : since(batch.created_at, 'for')),
    h('td.num.less', {}, since(batch.created_at)));
}
