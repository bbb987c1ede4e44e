// One job: its timeline, what it was asked, what it answered.
import {get} from './api.js';
import {card, empty, h, head, put} from './dom.js';
import {badge, between, bytes, count, duration, moment, money, since} from './format.js';
import {refreshing} from './live.js';
import {timeline} from './timeline.js';

const OVER = ['completed', 'failed', 'cancelled', 'expired'];

export function show(root, {id}) {
  const place = h('div');
  root.append(place);
  let over = false;
  let last = '';
  const stop = refreshing(async () => {
    if (over) return;
    try {
      const job = await get(`jobs/${id}`);
      over = OVER.includes(job.status);
      const said = JSON.stringify(job);
      if (said !== last) draw(place, job);
      last = said;
    } catch (error) {
      if (!last) put(place, empty('There is no such job', error.message));
    }
  }, 1000);
  return stop;
}

function draw(place, job) {
  place.replaceChildren(h('div', {},
    h('div.page-head', {}, h('a', {href: '#/jobs'}, '‹ Jobs'), h('h1', {}, job.key ?? 'Job'), badge(job.status),
      job.kind !== 'text' && h('span.tag', {}, job.kind), job.result?.cached && h('span.tag', {}, 'from the cache'),
        h('p.mono', {}, job.id)),
    job.error && h('p.note.bad', {role: 'alert'}, h('strong', {}, `${job.error.kind}: `), job.error.message,
      job.error.provider && h('span.muted', {},
        ` (${job.error.provider}${job.error.status ? `, ${job.error.status}` : ''})`)),
    h('div.grid', {},
      card('Facts', facts(job)),
      h('section.card', {}, h('header.card-head', {}, h('h2', {}, 'Timeline')), timeline(job), calls(job)),
      h('section.card.half', {}, h('header.card-head', {}, h('h2', {}, 'Asked')), asked(job)),
      h('section.card.half', {}, h('header.card-head', {}, h('h2', {}, 'Answered')), answered(job)),
      Object.keys(job.metadata ?? {}).length > 0 && card('Metadata', json(job.metadata)))));
}

function facts(job) {
  const rows = [
    ['Project', job.project],
    ['Asked for', job.model],
    ['Answered by', job.result ? `${job.result.provider}/${job.result.model}` : '–'],
    ['Cost',
      [job.cost === null && !job.finished_at ? '–' : money(job.cost),
        job.uncertain_cost ? ` and up to ${money(job.uncertain_cost)}` : '']],
    ['Priority', job.priority],
    ['Attempts', count(job.attempts)],
    ['Made', moment(job.created_at)],
    ['Waited',
      job.started_at ? duration(between(job.created_at,
        job.started_at)) : OVER.includes(job.status) ? '–' : since(job.created_at,
        'for')],
    ['Took',
      !job.started_at || job.status === 'queued' ? '–' : job.finished_at ? duration(between(job.started_at,
        job.finished_at)) : since(job.started_at, 'for')],
    job.expires_at && ['Deadline', moment(job.expires_at)],
    job.batch_id && ['Batch', h('a', {href: `#/batches/${job.batch_id}`}, `…${job.batch_id.slice(-8)}`)],
    job.after?.length > 0 && ['After',
      job.after.map((one, at) => [at > 0 && ', ', h('a.mono', {href: `#/jobs/${one}`}, `…${one.slice(-8)}`)])],
    job.feedback && ['Feedback', [job.feedback.score ?? '', ' ', job.feedback.label ?? '']],
  ];
  return h('dl.facts', {}, rows.filter(Boolean).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

function calls(job) {
  if (!job.calls.length) return null;
  const columns = head(['Outcome', 'Attempt', 'Called', 'Message'], ['Used', 'Took', 'Cost']);
  return h('div.scroll', {}, h('table.stack', {}, columns,
    h('tbody', {}, job.calls.map((call) => h('tr', {},
      h('td', {}, h(`span.badge.${outcomeClass(call)}`, {}, call.outcome ?? 'under way')),
      h('td.nowrap', {}, call.attempt, call.part !== null && ` · part ${call.part}`),
      h('td.break', {}, `${call.provider}/${call.model}`, ' ', call.emulated && h('span.tag', {}, 'emulated')),
      message(call),
      h('td.num.second.low', {}, used(call.usage)),
      h('td.num', {}, call.duration_ms === null ? since(call.started_at, 'for') : duration(call.duration_ms)),
      h('td.num.low', {}, call.outcome === null ? '–' : money(call.cost)))))));
}

function message(call) {
  const said = call.message ?? (call.asked === 'repair' ? 'asked once more for JSON' : '');
  return h(`td.grow.muted.low${said ? '.whole' : '.less'}`, {}, said);
}

function used(usage) {
  if (!usage) return '–';
  return usage.characters ? `${count(usage.characters)} characters` : `${count(usage.total_tokens)} tokens`;
}

const outcomeClass = (call) => (call.outcome === null ? 'in_progress' : call.outcome === 'ok' ? 'ok' : call.outcome === 'unknown' ? 'unknown' : 'failed');

const text = (value, prose = true) => h(`pre.text${prose ? '.prose' : ''}`, {tabIndex: 0}, value);
const json = (value) => text(JSON.stringify(value, null, 2), false);

function asked(job) {
  if (job.content_deleted_at) return empty('Deleted',
    `What was asked and answered was deleted ${moment(job.content_deleted_at)}.`);
  const {prompt, system, messages, input, model, project, kind, key, after, metadata, ...rest} = job.request;
  const said = (who, value) => value && [h('p.said-by', {}, who), typeof value === 'string' ? text(value) : json(value)];
  return [
    said('System', system), said('Prompt', prompt), said('Text', input),
    (messages ?? []).map((one) => said(one.role,
      typeof one.content === 'string' ? one.content : pieces(one.content) ?? one)),
    Object.keys(rest).length > 0 && said('Settings', rest),
  ];
}

// Texts of a message as text, pictures by what they are.
function pieces(content) {
  if (!Array.isArray(content) || !content.every((one) => one?.type === 'text' || one?.image_url || one?.type === 'image')) return null;
  return content.map((one) => (one.type === 'text' ? one.text : '[a picture]')).join('\n');
}

function answered(job) {
  const result = job.result;
  if (!result) return job.content_deleted_at ? empty('Deleted',
    'There is nothing to show.') : OVER.includes(job.status) ? empty('No answer',
    'The job ended without one.') : empty('No answer yet', 'It appears here when the job is over.');
  return [
    result.audio && audio(job, result.audio),
    result.warnings?.length > 0 && h('p.note.warn', {},
      result.warnings.map((one) => (typeof one === 'string' ? one : one.message ?? JSON.stringify(one))).join(' · ')),
    result.parsed !== undefined && result.parsed !== null ? json(result.parsed) : result.content && text(result.content),
    result.tool_calls?.length > 0 && [h('p.said-by', {}, 'Tool calls'), json(result.tool_calls)],
    result.embeddings && h('p', {},
      `${count(result.embeddings.length)} vectors of ${count(result.embeddings[0]?.length)} numbers`),
    h('p.said-by', {},
      Object.entries(result.usage ?? {}).filter(([, value]) => value).map(([name,
        value]) => `${count(value)} ${name.replaceAll('_', ' ')}`).join(' · '),
      result.finish_reason && ` · ${result.finish_reason}`),
  ];
}

function audio(job, sound) {
  const facts = `${sound.format} · ${duration(sound.duration_s * 1000)} · ${bytes(sound.bytes)}${sound.parts > 1 ? ` · ${sound.parts} parts` : ''}`;
  if (!sound.url) return h('p.muted', {}, `${facts} · the recording has expired`);
  return [h('audio',
    {controls: true, preload: 'metadata', src: `/dashboard/api/jobs/${job.id}/audio`, 'aria-label': 'The narration'}),
    h('p.said-by', {}, facts)];
}
