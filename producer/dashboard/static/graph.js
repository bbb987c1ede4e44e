// A batch as a graph: jobs in columns by how deep they stand, arrows from what they come after.
import {s} from './dom.js';
import {between, duration, words} from './format.js';

const WIDE = 150;
const HIGH = 46;
const GAP_X = 44;
const GAP_Y = 14;

export function graph(nodes) {
  const columns = layout(nodes);
  const places = new Map();
  const tallest = Math.max(...columns.map((column) => column.length));
  columns.forEach((column, depth) => column.forEach((node, at) => {
    const offset = ((tallest - column.length) * (HIGH + GAP_Y)) / 2;
    places.set(node.id, {x: depth * (WIDE + GAP_X) + 1, y: offset + at * (HIGH + GAP_Y) + 1});
  }));
  const width = columns.length * (WIDE + GAP_X) - GAP_X + 2;
  const height = tallest * (HIGH + GAP_Y) - GAP_Y + 2;
  const edges = nodes.flatMap((node) => node.after.filter((from) => places.has(from)).map((from) => edge(places.get(from),
    places.get(node.id))));
  return s('svg', {width, height, role: 'group', 'aria-label': `${nodes.length} jobs and what each comes after`},
    edges, nodes.map((node) => box(node, places.get(node.id))));
}

// Columns by the longest way from a job without ancestors; within one, near the middle of what they come after.
function layout(nodes) {
  const by = new Map(nodes.map((node) => [node.id, node]));
  const depths = new Map();
  const depthOf = (node) => {
    if (!depths.has(node.id)) {
      depths.set(node.id, 0);
      depths.set(node.id, Math.max(-1, ...node.after.map((id) => by.get(id)).filter(Boolean).map(depthOf)) + 1);
    }
    return depths.get(node.id);
  };
  const columns = [];
  for (const node of nodes) (columns[depthOf(node)] ??= []).push(node);
  const rank = new Map();
  for (const column of columns) {
    const middle = (node) => {
      const known = node.after.filter((id) => rank.has(id)).map((id) => rank.get(id));
      return known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : 0;
    };
    column.sort((a, b) => middle(a) - middle(b) || a.line - b.line);
    column.forEach((node, at) => rank.set(node.id, column.length > 1 ? at / (column.length - 1) : 0.5));
  }
  return columns;
}

function edge(from, to) {
  const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
  const bend = Math.max(18, (x2 - x1) / 2);
  return s('path.edge',
    {d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 5} ${y2}l0 -3.5l5 3.5l-5 3.5l0 -3.5`});
}

function box(node, {x, y}) {
  const name = node.key ?? `line ${node.line}`;
  const took = node.finished_at && node.started_at ? ` · ${duration(between(node.started_at, node.finished_at))}` : '';
  const said = `${words(node.error ?? node.state)}${took}`;
  return s('a', {href: `#/jobs/${node.id}`, 'aria-label': `${name}, ${node.asked}: ${said}`},
    s(`g.node.${node.state}`, {transform: `translate(${x} ${y})`},
      s('rect', {width: WIDE, height: HIGH, rx: 9}), s('rect.stripe', {x: 1, y: 8, width: 4, height: HIGH - 16, rx: 2}),
      s('text', {x: 14, y: 19}, cut(name, 19)), s('text.small', {x: 14, y: 35}, cut(said, 23)),
        s('title', {}, `${name} · ${node.asked}`)));
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
