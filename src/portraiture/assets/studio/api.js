// Talks to the program: the token of this run, JSON and binary answers, work and its progress.

const KEY = 'portraiture-token';

function readToken() {
  const found = /^#token=([\w-]+)$/.exec(window.location.hash);
  if (found) {
    sessionStorage.setItem(KEY, found[1]);
    window.history.replaceState(null, '', window.location.pathname);
  }
  return sessionStorage.getItem(KEY) || '';
}

export const token = readToken();

// Errors that carry a sentence for the user.
export class Refused extends Error {}

async function refusal(response) {
  try {
    return new Refused((await response.json()).error);
  } catch {
    return new Refused('The program gave no answer that this page understands; start it again.');
  }
}

export async function ask(path, { method = 'GET', json, body, signal } = {}) {
  const headers = { 'X-Portraiture-Token': token };
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(`api/${path}`, {
      method, headers, signal, body: json === undefined ? body : JSON.stringify(json),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused('The program does not answer; is it still running in the terminal?');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

export const askJson = async (path, options) => (await ask(path, options)).json();

// Null where a later edit has come in between.
export async function askBytes(path, options) {
  const response = await ask(path, options);
  return response.status === 204 ? null : response.arrayBuffer();
}

// Server-sent events by fetch, which can send the token; calls `show` with each report and gives
// the last one.
export async function watch(id, show) {
  const response = await ask(`jobs/${id}/events`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let report = null;
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) break;
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      if (!event.startsWith('data: ')) continue;
      report = JSON.parse(event.slice(6));
      show(report);
    }
  }
  if (!report || report.state === 'running') {
    throw new Refused('The program ended while it worked; start it again.');
  }
  return report;
}

export const cancel = (id) => ask(`jobs/${id}`, { method: 'DELETE' });

export const socketUrl = (path) => {
  const url = new URL(`api/${path}`, window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
};
