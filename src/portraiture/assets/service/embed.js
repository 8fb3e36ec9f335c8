'use strict';
// The avatar maker in somebody's page. To the parent window it says v1.frame.ready when it can be
// used and v1.avatar.exported, with the GLB's address, when the person takes the avatar.

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const token = query.get('token');
const options = query.get('options') || ''; // what the GLB's address is to ask for
let source = 'portraiture';
let job = null;
let stream = null;
let working = false;
let finished = null;

function tell(eventName, data) {
  if (parent !== window) parent.postMessage({ source, eventName, data }, '*');
}

// A page that was written for another maker subscribes by that one's name, and is answered by it.
addEventListener('message', (event) => {
  const said = typeof event.data === 'string' ? parsed(event.data) : event.data;
  if (event.source !== parent || !said || said.type !== 'subscribe') return;
  if (typeof said.target === 'string') source = said.target;
  tell('v1.subscription.created', { eventName: String(said.eventName || 'v1.**') });
});

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}

const pause = (seconds) => new Promise((resume) => { setTimeout(resume, 1000 * seconds); });

// Asks again where the service says so: it is busy, or the file is still being made.
async function api(path, init = {}) {
  const headers = { ...init.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const isFile = /\.(glb|png)(\?|$)/.test(path);
  for (let asked = 0; asked < 60; asked += 1) {
    const answer = await fetch(path, { ...init, headers });
    if (answer.status !== 429 && !(isFile && answer.status === 202)) {
      if (answer.ok) return answer;
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail || 'The service cannot be reached; try again later.');
    }
    await pause(Number(answer.headers.get('Retry-After')) || 2);
  }
  throw new Error('The service is busy; try again later.');
}

function say(text, isError = false) {
  $('status').textContent = text;
  $('status').classList.toggle('error', isError);
}

function busy(on) {
  $('progress').hidden = !on;
  $('cancel').hidden = !on;
  for (const id of ['file', 'shoot', 'style']) $(id).disabled = on;
}

function show(blob, alt) {
  const picture = $('picture');
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(blob);
  picture.alt = alt;
  picture.hidden = false;
}

async function make(photo) {
  if (working) return;
  working = true;
  busy(true);
  $('use').hidden = true;
  finished = null;
  show(photo, 'Your photo');
  say('Sending the photo');
  try {
    const form = new FormData();
    form.append('style', $('style').value);
    form.append('photo', photo, 'photo');
    job = await (await api('/v1/avatars', { method: 'POST', body: form })).json();
    await follow();
  } catch (error) {
    say(error.message, true);
  }
  job = null;
  working = false;
  busy(false);
}

async function follow() {
  while (['queued', 'running'].includes(job.state)) {
    const { stage, done, total } = job.progress;
    say(job.state === 'queued' ? 'Waiting for a free place' : stage || 'Working');
    const bar = $('progress');
    if (total) bar.value = done / total; else bar.removeAttribute('value');
    await pause(1);
    job = await (await api(`/v1/jobs/${job.id}`)).json();
  }
  if (job.state === 'cancelled') { say('Cancelled'); return; }
  if (job.state !== 'done') throw new Error(job.error || 'That did not work; try another photo.');
  const avatar = await (await api(job.links.result)).json();
  const image = await api(`${avatar.links.png}?size=512&background=236,234,230`);
  show(await image.blob(), 'Your avatar from the front');
  const address = new URL(avatar.public.glb, location.href);
  new URLSearchParams(options).forEach((value, name) => address.searchParams.set(name, value));
  say('Writing the file');
  await api(address.pathname + address.search, { method: 'HEAD' });
  finished = { url: address.href, avatarId: avatar.id };
  say('Here you are.');
  $('use').hidden = false;
  $('use').focus();
}

function stopCamera() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
  $('camera').hidden = true;
  $('shoot').textContent = 'Use the camera';
}

async function shoot() {
  const video = $('camera');
  if (!stream) {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'user' } });
    } catch {
      say('The camera cannot be used here; choose a photo.', true);
      return;
    }
    video.srcObject = stream;
    video.hidden = false;
    $('picture').hidden = true;
    await video.play();
    $('shoot').textContent = 'Take the photo';
    return;
  }
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  stopCamera();
  canvas.toBlob(make, 'image/jpeg', 0.95);
}

$('file').addEventListener('change', () => {
  const [photo] = $('file').files;
  $('file').value = '';
  if (photo) { stopCamera(); make(photo); }
});
for (const name of ['dragover', 'dragleave', 'drop']) {
  $('preview').addEventListener(name, (event) => {
    event.preventDefault();
    $('preview').classList.toggle('over', name === 'dragover');
    const photo = name === 'drop' && event.dataTransfer.files[0];
    if (photo && !working) { stopCamera(); make(photo); }
  });
}
$('shoot').addEventListener('click', shoot);
$('cancel').addEventListener('click', () => {
  if (job) api(`/v1/jobs/${job.id}`, { method: 'DELETE' }).catch(() => {});
});
$('use').addEventListener('click', () => {
  if (finished) tell('v1.avatar.exported', finished);
});
tell('v1.frame.ready', {});
