// Elements without HTML: whatever comes from a job ends up in text nodes and nowhere else.
const SVG = 'http://www.w3.org/2000/svg';

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'style') for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name in node && !(node instanceof SVGElement) && name !== 'list') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// h('div.card', {id: 'x'}, 'text', other)
export function h(name, props = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length) node.className = classes.join(' ');
  if (props instanceof Node || typeof props !== 'object' || Array.isArray(props) || props === null) {
    return fill(node, {}, [props, ...children]);
  }
  return fill(node, props, children);
}

export function s(name, props = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const node = document.createElementNS(SVG, tag);
  if (classes.length) node.setAttribute('class', classes.join(' '));
  return fill(node, props, children);
}

// Puts children into a place only when they would look different: focus and selections stay.
export function put(place, ...children) {
  const next = document.createElement(place.tagName);
  add(next, children);
  if (!sameInside(next, place)) place.replaceChildren(...next.childNodes);
}

function sameInside(one, other) {
  if (one.childNodes.length !== other.childNodes.length) return false;
  return [...one.childNodes].every((child, at) => child.isEqualNode(other.childNodes[at]));
}

// A list whose rows keep their nodes while what they show stays the same.
export function keyed(place, items, keyOf, draw) {
  const known = new Map([...place.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map((item) => {
    const key = String(keyOf(item));
    const said = JSON.stringify(item);
    const old = known.get(key);
    if (old && (old.said === said || old.querySelector('input[type=number]:focus'))) return old; // somebody types there
    const node = draw(item);
    node.dataset.key = key;
    node.said = said;
    if (old && old.contains(document.activeElement)) requestAnimationFrame(() => node.querySelector('a,button')?.focus());
    return node;
  });
  if (nodes.length !== place.children.length || nodes.some((node, at) => place.children[at] !== node)) {
    place.replaceChildren(...nodes);
  }
}

export const card = (title, ...children) =>
  h('section.card', {}, title && h('header.card-head', {}, h('h2', {}, title)), ...children);

export const empty = (title, text) => h('div.empty', {}, h('strong', {}, title), h('p', {}, text));

// The head of a table: names of columns, then those of numbers.
export const head = (names, numbers = []) => h('thead', {}, h('tr', {},
  names.map((name) => h('th', {scope: 'col'}, name)), numbers.map((name) => h('th.num', {scope: 'col'}, name))));
