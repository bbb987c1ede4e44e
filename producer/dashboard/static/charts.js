// Small charts, drawn as SVG at the width they have.
import {h, s} from './dom.js';
import {clock} from './format.js';

const HEIGHT = 170;
const LEFT = 44;
const BOTTOM = 20;

// A place that draws itself again when its width changes: draw(width) gives an <svg>.
export function chart(draw) {
  const place = h('div.chart');
  let width = 0;
  place.redraw = () => { if (width) place.replaceChildren(...[draw(width)].flat()); };
  new ResizeObserver(([entry]) => {
    const next = Math.round(entry.contentRect.width);
    if (next !== width) {
      width = next;
      place.redraw();
    }
  }).observe(place);
  return place;
}

function niceTop(value) {
  if (value <= 4) return 4;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((step) => step * size).find((top) => top >= value);
}

function timeTicks(from, to, width) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((one) => one * 60000);
  const step = steps.find((one) => (to - from) / one <= width / 80) ?? 86400000;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

// series: [{name, cls, points: [[ms, value]]}]; a hole longer than `gapMs` is left open.
export function lines({series, from, to, gapMs, show, tick = show}, width) {
  const top = niceTop(Math.max(...series.flatMap((one) => one.points.map((point) => point[1] ?? 0)), 0));
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - 6);
  const y = (value) => 8 + (1 - value / top) * (HEIGHT - BOTTOM - 8);
  const svg = s('svg', {width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img',
    'aria-label': series.map((one) => `${one.name}: now ${show(one.points.at(-1)?.[1] ?? 0)}, at most ${show(Math.max(0, ...one.points.map((p) => p[1] ?? 0)))}`).join('; ')});
  for (const value of [0, top / 2, top]) {
    svg.append(s('line.axis', {x1: LEFT, x2: width - 6, y1: y(value), y2: y(value)}));
    svg.append(s('text', {x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end'}, tick(value)));
  }
  for (const at of timeTicks(from, to, width)) {
    svg.append(s('text', {x: x(at), y: HEIGHT - 3, 'text-anchor': 'middle'}, clock(at, false)));
  }
  for (const one of series) {
    for (const run of runs(one.points.filter((point) => point[0] >= from), gapMs)) {
      const path = run.map(([at, value],
        place) => `${place ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value ?? 0).toFixed(1)}`).join('');
      svg.append(s(`path.area.${one.cls}`,
        {d: `${path}L${x(run.at(-1)[0]).toFixed(1)} ${y(0)}L${x(run[0][0]).toFixed(1)} ${y(0)}Z`}));
      svg.append(run.length > 1 ? s(`path.stroke.${one.cls}`, {d: path})
        : s(`circle.mark.${one.cls}`, {cx: x(run[0][0]), cy: y(run[0][1] ?? 0), r: 1.5}));
    }
  }
  return [svg, ...hover(svg, {series, from, to, x, width, show})];
}

function runs(points, gapMs) {
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && point[0] - last.at(-1)[0] <= gapMs) last.push(point);
    else found.push([point]);
  }
  return found;
}

function hover(svg, {series, from, to, x, width, show}) {
  const readout = h('div.readout', {hidden: true});
  const cross = s('line.cross', {y1: 8, y2: HEIGHT - BOTTOM, visibility: 'hidden'});
  svg.append(cross);
  svg.addEventListener('pointermove', (event) => {
    const place = event.clientX - svg.getBoundingClientRect().left;
    const at = from + ((place - LEFT) / (width - LEFT - 6)) * (to - from);
    const near = series.map((one) => [one, nearest(one.points, at)]).filter(([, point]) => point);
    if (!near.length) return;
    const seen = near[0][1][0];
    cross.setAttribute('x1', x(seen));
    cross.setAttribute('x2', x(seen));
    cross.setAttribute('visibility', 'visible');
    readout.hidden = false;
    readout.textContent = `${clock(seen)}  ${near.map(([one, point]) => `${one.name} ${show(point[1] ?? 0)}`).join('  ')}`;
    readout.style.left = `${Math.min(Math.max(0, x(seen) - 60), Math.max(0, width - readout.offsetWidth))}px`;
  });
  svg.addEventListener('pointerleave', () => {
    readout.hidden = true;
    cross.setAttribute('visibility', 'hidden');
  });
  return [readout];
}

function nearest(points, at) {
  return points.reduce((best, one) => (!best || Math.abs(one[0] - at) < Math.abs(best[0] - at) ? one : best), null);
}

// Good and bad calls of each minute, side by side in time.
export function minuteBars(calls, minutes, width, height = 38) {
  const now = Math.floor(Date.now() / 60000);
  const by = new Map(calls.map((one) => [Math.floor(Date.parse(one.at) / 60000), one]));
  const most = Math.max(1, ...calls.map((one) => one.ok + one.failed));
  const step = width / minutes;
  const good = calls.reduce((sum, one) => sum + one.ok, 0);
  const bad = calls.reduce((sum, one) => sum + one.failed, 0);
  const svg = s('svg',
    {width, height, role: 'img', 'aria-label': `${good} calls answered and ${bad} failed in ${minutes} minutes`});
  for (let back = minutes - 1; back >= 0; back -= 1) {
    const one = by.get(now - back);
    const left = (minutes - 1 - back) * step;
    const size = (value) => (value ? Math.max(2, (value / most) * (height - 2)) : 0);
    const [ok, failed] = one ? [size(one.ok), size(one.failed)] : [0, 0];
    if (!one) svg.append(s('rect.lane', {x: left, y: height - 2, width: Math.max(1, step - 2), height: 2}));
    svg.append(s('rect.fillbar.ok', {x: left, y: height - ok, width: Math.max(1, step - 2), height: ok, rx: 1.5}));
    svg.append(s('rect.fillbar.failed',
      {x: left, y: height - ok - failed, width: Math.max(1, step - 2), height: failed, rx: 1.5}));
  }
  return svg;
}

// A stacked bar: [[class, value, label]].
export function meter(pieces, total, name = 'div.meter') {
  const said = pieces.filter(([, value]) => value > 0).map(([, value, label]) => `${value} ${label}`).join(', ');
  return h(name, {role: 'img', 'aria-label': said || 'nothing', title: said},
    pieces.filter(([, value]) => value > 0).map(([cls, value]) => h(`div.bar-fill.${cls}`,
      {style: {width: `${(100 * value) / Math.max(1e-12, total)}%`}})));
}
