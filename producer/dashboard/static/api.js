// Requests to this server, as JSON. A session that is over leads back to the key.
class Refused extends Error {
  constructor(status, said) {
    const problems = (said.problems ?? []).map((one) => (one.field ? `${one.field}: ${one.message}` : one.message));
    super(problems.join('; ') || said.detail || said.title || `the server answered ${status}`);
    this.status = status;
  }
}

let over = () => {};
export const onSessionOver = (tell) => { over = tell; };

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, {credentials: 'same-origin', cache: 'no-store', ...options});
  } catch {
    throw new Refused(0, {title: 'the server does not answer'});
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401 && !path.endsWith('/session')) over();
  throw new Refused(answer.status, said);
}

export function get(path, query = {}) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== '') asked.append(name, one);
  }
  return ask(`/dashboard/api/${path}${asked.size ? `?${asked}` : ''}`);
}

const change = (method, path, body) =>
  ask(path, {method, headers: {'content-type': 'application/json', 'x-dashboard': '1'}, body: JSON.stringify(body ?? {})});

export const post = (path, body) => change('POST', `/dashboard/api/${path}`, body);
export const whoAmI = () => ask('/dashboard/session');
export const signIn = (key) => change('POST', '/dashboard/session', {key});
export const signOut = () => change('DELETE', '/dashboard/session');
