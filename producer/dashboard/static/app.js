// The frame around the pages: who looks, where they are, the theme, and whether the feed is live.
import {onSessionOver, signIn, signOut, whoAmI} from './api.js';
import {h, put} from './dom.js';
import {connect, disconnect, follow, followState} from './live.js';

const PAGES = [
  ['', 'Overview', './overview.js'],
  ['jobs', 'Jobs', './jobs.js'],
  ['batches', 'Batches', './batches.js'],
  ['providers', 'Providers', './providers.js'],
  ['cost', 'Cost', './cost.js'],
  ['routing', 'Routing', './routing.js'],
  ['experiments', 'Experiments', './experiments.js'],
  ['explain', 'Explain', './explain.js'],
];
const DETAILS = {jobs: './job.js', batches: './batch.js'};
const bar = document.getElementById('bar');
const main = document.getElementById('main');
let stop = null;
let shown = 0;

function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name = '', id = null] = path.split('/');
  return {name, id, query: Object.fromEntries(new URLSearchParams(query))};
}

async function show() {
  const mine = ++shown;
  const {name, id, query} = place();
  const page = PAGES.find(([path]) => path === name);
  const module = await import((id && DETAILS[name]) || (page ?? PAGES[0])[2]);
  if (mine !== shown) return;
  stop?.();
  stop = null;
  main.replaceChildren();
  for (const link of bar.querySelectorAll('nav a')) {
    if (link.dataset.name === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  bringIntoSight();
  document.title = `${page?.[1] ?? 'Overview'} · Factory`;
  stop = module.show(main, {id: id && decodeURIComponent(id), query});
  window.scrollTo(0, 0);
}

// On a phone the bar of pages is wider than the screen: the page one is on stands in the middle of it.
function bringIntoSight() {
  const nav = bar.querySelector('nav');
  const link = nav.querySelector('a[aria-current]');
  if (!link) return;
  const [outer, inner] = [nav, link].map((one) => one.getBoundingClientRect());
  nav.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}

function themeSwitch() {
  const dark = () => getComputedStyle(document.documentElement).colorScheme === 'dark'
    || (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  const button = h('button.icon',
    {type: 'button', title: 'Light or dark', 'aria-label': 'Switch between light and dark'}, '◐');
  button.addEventListener('click', () => {
    const next = dark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem('theme', next); } catch { /* it holds for this page */ }
    window.dispatchEvent(new Event('resize'));
  });
  return button;
}

function buildBar() {
  const light = h('span.live', {role: 'status'});
  const links = PAGES.map(([path, label]) => h('a', {href: `#/${path}`, data: {name: path}}, label));
  const leave = h('button.quiet', {type: 'button', onclick: async () => { await signOut(); askForKey(); }}, 'Sign out');
  bar.replaceChildren(
    h('a.brand', {href: '#/', 'aria-label': 'Factory, overview'},
      h('img', {src: '/dashboard/static/icon.svg', alt: '', width: 28, height: 28}), 'Factory'),
    h('nav', {'aria-label': 'Pages'}, links),
    h('div.tools', {}, light, themeSwitch(), leave),
  );
  followState((state) => {
    light.className = `live ${state}`;
    put(light, {live: 'Live', lost: 'Reconnecting', off: 'Off'}[state]);
  });
  follow('alerts', (alerts) => {
    const link = bar.querySelector('nav a[data-name=""]');
    put(link, 'Overview', alerts.length > 0 && h('span.dot', {title: `${alerts.length} alerts`}, alerts.length));
    bringIntoSight();
  });
}

function askForKey(message = '') {
  disconnect();
  stop?.();
  stop = null;
  shown += 1;
  bar.hidden = true;
  document.body.classList.add('outside');
  const field = h('input',
    {type: 'password', id: 'key', autocomplete: 'current-password', required: true, placeholder: 'fk_…',
      spellcheck: false});
  const said = h('p.said', {role: 'alert'}, message);
  const form = h('form.login.card', {onsubmit: async (event) => {
    event.preventDefault();
    said.textContent = '';
    try {
      await signIn(field.value);
      enter();
    } catch (error) {
      said.textContent = error.message;
      field.select();
    }
  }},
    h('img', {src: '/dashboard/static/icon.svg', alt: '', width: 44, height: 44}),
    h('h1', {}, 'AI Provider Factory'),
    h('label', {htmlFor: 'key'}, 'Operator’s key'),
    field,
    h('button.primary', {type: 'submit'}, 'Look inside'),
    said,
    h('p.hint', {}, 'On the machine of ', h('code', {}, 'factory up'), ' it is in ', h('code', {}, '.factory/admin_key'),
      '; elsewhere make one with ', h('code', {}, 'factory key create --scope admin'), '.'),
  );
  main.replaceChildren(form);
  field.focus();
}

function enter() {
  document.body.classList.remove('outside');
  bar.hidden = false;
  listen();
  show();
}

function listen() {
  connect(() => whoAmI().then(({name}) => (name ? listen() : askForKey('The session is over.')),
    () => setTimeout(listen, 2000)));
}

onSessionOver(() => askForKey('The session is over.'));
window.addEventListener('resize', bringIntoSight);
window.addEventListener('hashchange', () => { if (!bar.hidden) show(); });
buildBar();
whoAmI().then(({name}) => (name ? enter() : askForKey()), (error) => askForKey(error.message));
