// The start screen: a photo by drop, choice, paste or camera; a seed; a saved avatar.

import { askJson } from './api.js';
import { by, say } from './dom.js';

const MAX_PHOTO = 40e6;
const REPLACE = 'Start again with this file? The avatar that is here and its edits are given up.';

export function buildStart(make, seed) {
  const usePhoto = (file) => {
    if (file.size > MAX_PHOTO) {
      say('This photo is larger than 40 MB; use a smaller one.');
      return;
    }
    make('Making the avatar of the photo',
      () => askJson('avatar/photo', { method: 'POST', body: file }));
  };
  const useSaved = (file) => make('Opening the avatar',
    () => askJson('avatar/file', { method: 'POST', body: file }));
  const useAny = (file) => (file.name.endsWith('.json') ? useSaved(file) : usePhoto(file));

  const chosen = (input, use) => input.addEventListener('change', () => {
    const [file] = input.files;
    input.value = '';
    if (file) use(file);
  });
  chosen(by('photo'), usePhoto);
  chosen(by('open-json'), useSaved);
  buildDrop(useAny);
  buildSeed(make, seed);
  buildCamera(usePhoto);
}

function buildDrop(use) {
  const drop = by('drop');
  let depth = 0;
  const over = (on) => {
    depth = on ? 1 : 0;
    drop.classList.toggle('over', Boolean(depth));
  };
  window.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  window.addEventListener('dragleave', (event) => { if (!event.relatedTarget) over(false); });
  window.addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    const [file] = event.dataTransfer.files;
    const { screen } = document.body.dataset;
    if (!file || screen === 'work') return;
    if (screen === 'start' || window.confirm(REPLACE)) use(file);
  });
  window.addEventListener('paste', (event) => {
    const [file] = event.clipboardData.files;
    if (file && document.body.dataset.screen === 'start') use(file);
  });
}

function buildSeed(make, seed) {
  const input = by('seed');
  input.value = seed;
  by('dice').addEventListener('click', () => { input.value = Math.floor(Math.random() * 100000); });
  by('seed-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const value = Number(input.value);
    if (!Number.isInteger(value) || value < 0 || value > 4294967295) {
      say('A seed is a whole number from 0 to 4294967295.');
      return;
    }
    make(`Making the person of seed ${value}`,
      () => askJson('avatar/seed', { method: 'POST', json: { seed: value } }));
  });
}

function buildCamera(use) {
  const dialog = by('camera-dialog');
  const video = by('video');
  let stream = null;
  const stop = () => {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
  };
  by('camera').addEventListener('click', async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: 'user', width: { ideal: 1920 }, height: { ideal: 1080 } },
      });
      video.srcObject = stream;
      dialog.showModal();
      await video.play();
    } catch {
      stop();
      say('The camera cannot be used; allow it in the browser, or choose a photo instead.');
    }
  });
  by('shoot').addEventListener('click', () => {
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d').drawImage(video, 0, 0);
    dialog.close();
    canvas.toBlob((blob) => { if (blob) use(blob); }, 'image/jpeg', 0.95);
  });
  by('camera-close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', stop);
}
