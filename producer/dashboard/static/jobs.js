// All jobs, the newest first, narrowed by filters that stay in the address.
import {get} from './api.js';
import {empty, h, head, keyed, put} from './dom.js';
import {aligned, badge, between, duration, short, since} from './format.js';
import {refreshing} from './live.js';

const GROUPS = {
  '': ['Any state', []],
  open: ['Not over', ['waiting', 'queued', 'in_progress', 'cancelling']],
  running: ['Running', ['in_progress', 'cancelling']],
  queued: ['Queued', ['queued']],
  waiting: ['Waiting for others', ['waiting']],
  completed: ['Completed', ['completed']],
  failed: ['Failed or expired', ['failed', 'expired']],
  cancelled: ['Cancelled', ['cancelled']],
};
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function show(root, {query}) {
  const asked = {state: '', project: '', kind: '', model: '', batch: '', ...query};
  const trail = [];
  let before = null;
  const rows = h('tbody');
  const none = h('div');
  const said = h('p.said', {role: 'alert', hidden: true});
  const older = h('button', {type: 'button', onclick: () => { trail.push(before); before = older.next; turn(); }}, 'Older');
  const newer = h('button', {type: 'button', onclick: () => { before = trail.pop() ?? null; turn(); }}, 'Newer');
  const where = h('span');

  async function load() {
    const state = GROUPS[asked.state]?.[1] ?? [];
    try {
      const page = await get('jobs', {...asked, state, before});
      keyed(rows, page.data, (job) => job.id, draw);
      put(none, page.data.length === 0 && (page.next ? empty('None among the newest', 'Older looks further back.') : Object.values(asked).some(Boolean)
        ? empty('No job is like that', 'Other filters may show more.')
        : empty('No jobs yet', 'Submit one: factory submit --model fast --prompt "Name three islands"')));
      older.next = page.next;
      older.disabled = !page.next;
      newer.disabled = before === null;
      where.textContent = before === null ? 'The newest, live' : `Page ${trail.length + 1}`;
      said.hidden = true;
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
  }
  const stop = refreshing(load);
  const turn = () => { stop.run(); root.scrollIntoView(); };
  const filter = (name, value) => {
    asked[name] = value;
    before = null;
    trail.length = 0;
    const kept = Object.entries(asked).filter(([, one]) => one);
    history.replaceState(null, '', `#/jobs${kept.length ? `?${new URLSearchParams(kept)}` : ''}`);
    stop.run();
  };
  root.append(
    h('div.page-head', {}, h('h1', {}, 'Jobs')),
    filters(asked, filter),
    said,
    h('section.card', {},
      h('div.scroll', {},
        h('table.stack', {},
          head(['State', 'Job', 'Project', 'Asked for', 'Answered by'], ['Cost', 'Waited', 'Took', 'Made']), rows)),
      none),
    h('div.pager', {}, newer, older, where),
  );
  return stop;
}

function draw(job) {
  const took = job.state === 'queued' ? '–' : job.finished_at ? duration(between(job.started_at,
    job.finished_at)) : since(job.started_at, 'for');
  const waited = job.started_at ? duration(between(job.created_at,
    job.started_at)) : job.finished_at ? '–' : since(job.created_at,
    'for');
  return h('tr', {},
    h('td', {}, badge(job.state)),
    h('td', {}, h('a.mono', {href: `#/jobs/${job.id}`, title: job.id}, job.key ?? `…${short(job.id)}`)),
    h('td.second.low', {}, job.project),
    h('td.second', {}, job.asked, ' ', job.kind !== 'text' && h('span.tag', {}, job.kind)),
    h('td.less', {},
      job.error ? h('span.badge.failed', {},
        job.error.replaceAll('_', ' ')) : job.model ? `${job.provider}/${job.model}` : '–',
      ' ', job.cached && h('span.tag', {}, 'cache')),
    h('td.num', {}, job.finished_at || job.cost !== null ? aligned(job.cost, 6) : '–'),
    h('td.num.less', {}, waited),
    h('td.num.less', {}, took),
    h('td.num.low', {}, since(job.created_at)));
}

function filters(asked, filter) {
  const select = (name, label, options) => {
    const node = h('select', {onchange: () => filter(name, node.value)},
      options.map(([value, text]) => h('option', {value, selected: asked[name] === value}, text)));
    return [h('label', {}, label, node), node];
  };
  const [state] = select('state', 'State', Object.entries(GROUPS).map(([value, [text]]) => [value, text]));
  const [kind] = select('kind', 'Kind',
    [['', 'Any kind'], ['text', 'text'], ['speech', 'speech'], ['embedding', 'embedding']]);
  const [project, projects] = select('project', 'Project', [['', 'All projects']]);
  const [model, models] = select('model', 'Asked for',
    [['', 'Any model'], ...(asked.model ? [[asked.model, asked.model]] : [])]);
  get('names').then((names) => {
    projects.append(...names.projects.map((value) => h('option', {value, selected: asked.project === value}, value)));
    models.append(...names.aliases.filter((value) => value !== asked.model).map((value) => h('option', {value}, value)));
  }, () => {});
  const find = h('input',
    {type: 'search', placeholder: 'Id of a job or a batch', spellcheck: false, value: asked.batch, onchange: () => {
    const text = find.value.trim();
    if (text === '') filter('batch', '');
    else if (ID.test(text)) go(text, filter);
    else find.setCustomValidity('An id such as 01a2097b-2bc4-77bb-bc6c-eebe40b926b0 is needed');
    find.reportValidity();
  }, oninput: () => find.setCustomValidity('')});
  return h('form.filters', {role: 'search', onsubmit: (event) => event.preventDefault()}, state, project, kind,
    model, h('label.grow', {}, 'Find', find));
}

async function go(id, filter) {
  try {
    await get(`jobs/${id}`);
    location.hash = `#/jobs/${id}`;
  } catch {
    filter('batch', id);
  }
}
