// The live feed: the newest of each part, and who wants to hear of it.
const parts = new Map();
const listeners = new Map();
const states = new Set();
let source = null;
let state = 'off';

function say(next) {
  state = next;
  for (const tell of states) tell(state);
}

export function connect(lost) {
  if (source) return;
  source = new EventSource('/dashboard/api/live');
  source.onopen = () => say('live');
  source.onerror = () => {
    say('lost');
    if (source?.readyState === EventSource.CLOSED) {
      disconnect();
      lost();
    }
  };
  for (const name of ['work', 'fleet', 'providers', 'limits', 'cost', 'alerts']) {
    source.addEventListener(name, (event) => {
      const value = JSON.parse(event.data);
      parts.set(name, value);
      for (const tell of [...(listeners.get(name) ?? [])]) tell(value);
    });
  }
}

export function disconnect() {
  source?.close();
  source = null;
  parts.clear();
  say('off');
}

// Hears of a part now, if it is known, and at every change. Gives what ends that.
export function follow(name, tell) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(tell);
  if (parts.has(name)) tell(parts.get(name));
  return () => listeners.get(name).delete(tell);
}

export function followState(tell) {
  states.add(tell);
  tell(state);
  return () => states.delete(tell);
}

// Runs `work` at once, at every change of any job, and never twice at the same time.
export function refreshing(work, everyMs = null) {
  let busy = false;
  let again = false;
  let over = false;
  let seen = null;
  const run = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
    }
    if (again && !over) {
      again = false;
      setTimeout(run, 300);
    }
  };
  run();
  const stop = follow('work', (value) => {
    const mark = JSON.stringify([value.pools, value.newest, value.running, value.catalog]);
    if (seen !== null && mark !== seen) run();
    seen = mark;
  });
  const timer = everyMs ? setInterval(() => { if (!document.hidden) run(); }, everyMs) : null;
  return Object.assign(() => { over = true; stop(); clearInterval(timer); }, {run});
}
