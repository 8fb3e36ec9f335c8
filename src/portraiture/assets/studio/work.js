// The screen of long work: what it does, how far it is, and Cancel.

import { cancel, watch, Refused } from './api.js';
import { by, element, say } from './dom.js';

// id: null until the program has told it.
let running = null;

function showReport({ stages, done, total }) {
  const bar = by('work-bar');
  if (total) {
    bar.max = total;
    bar.value = Math.min(done, total);
  } else {
    bar.removeAttribute('value');
  }
  const now = stages.at(-1) || 'Starting';
  by('work-stage').textContent = total ? `${now}, ${Math.min(done, total)} of ${total}` : now;
  const list = by('work-stages');
  while (list.children.length < stages.length - 1) {
    list.append(element('li', { textContent: stages[list.children.length] }));
  }
}

// Show work until it ends; one at a time. Gives whether it has made something; throws its sentence
// where it failed.
export async function during(title, start) {
  if (running) return false;
  const work = { id: null, cancelled: false };
  running = work;
  const { screen } = document.body.dataset;
  const focused = document.activeElement;
  by('work-title').textContent = title;
  by('work-stages').replaceChildren();
  by('work-bar').removeAttribute('value');
  by('work-stage').textContent = 'Starting';
  by('work').hidden = false;
  document.body.dataset.screen = 'work';
  by('cancel').disabled = false;
  by('cancel').focus();
  try {
    const job = await start();
    work.id = job.id;
    if (work.cancelled) await cancel(job.id);
    const report = await watch(job.id, showReport);
    if (report.state === 'failed') throw new Refused(report.error);
    return report.state === 'done';
  } finally {
    running = null;
    by('work').hidden = true;
    document.body.dataset.screen = screen;
    focused?.focus();
  }
}

// While a photo is still being sent, the work is cancelled as soon as the program has it.
by('cancel').addEventListener('click', async () => {
  const work = running;
  if (!work) return;
  work.cancelled = true;
  by('cancel').disabled = true;
  if (work.id === null) return;
  try {
    await cancel(work.id);
  } catch (error) {
    by('cancel').disabled = false;
    say(error.message);
  }
});
