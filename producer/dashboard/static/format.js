// Numbers, money and times as people read them.
import {h} from './dom.js';

const whole = new Intl.NumberFormat('en');

const NONE = '–';
export const count = (value) => (value === null || value === undefined ? NONE : whole.format(value));
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function money(value) {
  if (value === null || value === undefined) return 'unknown';
  if (value === 0) return '$0.00';
  const size = Math.abs(value);
  const digits = size >= 0.995 ? 2 : size >= 0.01 ? 3 : Math.min(8, 2 - Math.floor(Math.log10(size)));
  return `${value < 0 ? '−' : ''}$${size.toLocaleString('en', {minimumFractionDigits: 2, maximumFractionDigits: digits})}`;
}

// For columns: as many digits in every row.
export function aligned(value, digits) {
  if (value === null || value === undefined) return 'unknown';
  const least = 10 ** -digits;
  return value > 0 && value < least / 2 ? `< $${least.toFixed(digits)}` : `$${value.toLocaleString('en', {minimumFractionDigits: digits, maximumFractionDigits: digits})}`;
}

export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return NONE;
  const value = Math.max(0, ms);
  if (value < 1000) return `${Math.round(value)} ms`;
  const seconds = value / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, '0')} m`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
}

// For axes: the largest unit alone.
export const coarse = (ms) => duration(ms).replace(/^(\d+ [mhd]) .*$/, '$1').replace('.0 s', ' s');

export const bytes = (value) =>
  value < 1000 ? `${value} B` : value < 1e6 ? `${(value / 1000).toFixed(1)} kB` : `${(value / 1e6).toFixed(1)} MB`;

export const between = (from, to) => (from && to ? Date.parse(to) - Date.parse(from) : null);

export const clock = (at, seconds = true) =>
  new Date(at).toLocaleTimeString([],
    {hour: '2-digit', minute: '2-digit', ...(seconds ? {second: '2-digit'} : {}), hour12: false});

export const moment = (at) => (at ? `${new Date(at).toLocaleDateString('en-CA')} ${clock(at)}` : NONE);

// Texts that grow older by themselves; `form` is 'ago' or 'for'.
export function since(at, form = 'ago') {
  if (!at) return h('span', {}, NONE);
  return h('time', {dateTime: at, title: moment(at), data: {since: form}}, sinceText(at, form));
}

function sinceText(at, form) {
  const passed = Date.now() - Date.parse(at);
  const text = duration(passed < 1000 ? Math.max(0, passed) : Math.floor(passed / 1000) * 1000).replace('.0 s', ' s');
  if (form === 'for') return passed < 1000 ? '0 s' : text;
  return passed < 5000 ? 'just now' : `${text.replace(/ \d\d s$/, '')} ago`;
}

setInterval(() => {
  for (const node of document.querySelectorAll('time[data-since]')) {
    const text = sinceText(node.dateTime, node.dataset.since);
    if (node.textContent !== text) node.textContent = text;
  }
}, 1000);

export const short = (id) => (id ? id.slice(-8) : NONE);
export const words = (text) => (text ?? '').replaceAll('_', ' ');
export const badge = (state) => h(`span.badge.${state}`, {}, words(state));
