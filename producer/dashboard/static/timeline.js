// The life of a job, drawn: when it waited, and every call in its lane.
import {chart} from './charts.js';
import {s} from './dom.js';
import {clock, duration} from './format.js';

const LANE = 26;
const MOST_LANES = 60;

export function timeline(job) {
  const calls = job.calls.slice(-MOST_LANES);
  return chart((width) => draw(job, calls, width));
}

function draw(job, calls, width) {
  const narrow = width < 560;
  const left = narrow ? 8 : 190;
  const start = Date.parse(job.created_at);
  const ends = [job.finished_at,
    ...calls.map((one) => endOf(one))].filter(Boolean).map((at) => (typeof at === 'string' ? Date.parse(at) : at));
  const end = Math.max(start + 1, ...ends, job.finished_at ? 0 : Date.now());
  const x = (at) => left + ((at - start) / (end - start)) * (width - left - 8);
  const step = narrow ? LANE + 14 : LANE;
  const height = 24 + (calls.length + 1) * step;
  const svg = s('svg',
    {width, height, role: 'img', 'aria-label': `${duration(end - start)} from ${clock(start)}, ${calls.length} calls`});
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const at = start + part * (end - start);
    svg.append(s('line.axis', {x1: x(at), x2: x(at), y1: 18, y2: height}));
    svg.append(s('text', {x: x(at), y: 11, 'text-anchor': part === 0 ? 'start' : part === 1 ? 'end' : 'middle'},
      duration(at - start)));
  }
  const lane = (place, label, from, to, cls, title) => {
    const top = 22 + place * step;
    const begin = x(from);
    svg.append(s('text', narrow ? {x: left, y: top + 11} : {x: left - 10, y: top + 14, 'text-anchor': 'end'},
      cut(label, narrow ? 60 : 29)));
    svg.append(s(`rect.fillbar.${cls}`,
      {x: begin, y: top + (narrow ? 16 : 3), width: Math.max(2, x(to) - begin), height: 14, rx: 4},
      s('title', {}, title)));
  };
  const started = job.started_at ? Date.parse(job.started_at) : job.finished_at ? Date.parse(job.finished_at) : end;
  const waited = job.started_at || job.finished_at ? `waited ${duration(started - start)}` : 'waits';
  lane(0, waited, start, started, 'queued', waited);
  calls.forEach((call, at) => {
    const from = Date.parse(call.started_at);
    const to = endOf(call) ?? end;
    const label = call.part === null ? call.model : `part ${call.part} · ${call.model}`;
    lane(at + 1, label, from, to, outcome(call),
      `${call.provider}/${call.model}: ${call.outcome ?? 'under way'}, ${duration(to - from)}`);
  });
  return svg;
}

const endOf = (call) => (call.duration_ms === null ? null : Date.parse(call.started_at) + call.duration_ms);
const outcome = (call) => (call.outcome === null ? 'in_progress' : ['ok',
  'unknown'].includes(call.outcome) ? call.outcome : 'failed');
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
