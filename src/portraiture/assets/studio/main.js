// Wires the page.

/* global steer */

import { ask, askJson, token } from './api.js';
import { Avatar } from './avatar.js';
import { by, quiet, say, tabs } from './dom.js';
import { buildFiles } from './files.js';
import { buildHead } from './head.js';
import { buildLight } from './light.js';
import { buildPanel } from './panel.js';
import { Stage } from './stage.js';
import { buildStart } from './start.js';
import { during } from './work.js';

const stage = new Stage(by('canvas'));
const avatar = new Avatar(stage);
let head = null;
let revealHeadFiles = () => {};

function screen(name) { document.body.dataset.screen = name; }

// Run work that makes an avatar and show what came of it.
async function make(title, start) {
  quiet();
  try {
    if (!await during(title, start)) return;
    const ended = performance.now();
    screen('studio');
    if (!await avatar.load({ fresh: true })) {
      if (!avatar.about) screen('start');
      return;
    }
    stage.drawScaled(stage.software ? 0.4 : 1);
    window.portrait.firstAvatarMs = performance.now() - ended;
    showSitter().catch((error) => say(error.message));
    by('back').hidden = false;
    selectTab(by('tab-avatar'));
    by('tab-avatar').focus();
    if (avatar.about.notes.length) say(avatar.about.notes.join(' '), { error: false });
  } catch (error) {
    screen(avatar.about ? 'studio' : 'start');
    if (!avatar.about) by('photo').focus();
    say(error.message);
  }
}

// The photo in the corner of the view, to compare with.
async function showSitter() {
  const frame = by('sitter');
  const image = frame.querySelector('img');
  frame.hidden = true;
  if (image.src) URL.revokeObjectURL(image.src);
  if (!avatar.about || !avatar.about.has_photo) return;
  image.onload = () => { frame.hidden = false; };
  image.src = URL.createObjectURL(await (await ask('avatar/photo')).blob());
}

by('sitter').querySelector('button').addEventListener('click', () => { by('sitter').hidden = true; });

const TABS = ['avatar', 'head', 'light', 'files'];

const selectTab = tabs(document.querySelector('.tabs'), (button) => {
  const chosen = button.id.replace('tab-', '');
  TABS.forEach((name) => { by(`panel-${name}`).hidden = name !== chosen; });
  document.body.dataset.tab = chosen;
  if (head) {
    head.reveal(chosen === 'head');
    revealHeadFiles(head.made);
    showHistory();
  }
});

const onHead = () => document.body.dataset.tab === 'head';

function undo() { return onHead() ? head.edits.back() : avatar.undo(); }

function redo() { return onHead() ? head.edits.forward() : avatar.redo(); }

function showHistory() {
  const edits = head && head.edits;
  by('undo').disabled = onHead() ? edits.past.length === 0
    : !avatar.about || (avatar.about.undo === 0 && Object.keys(avatar.pending).length === 0);
  by('redo').disabled = onHead() ? edits.future.length === 0 : !avatar.about || avatar.about.redo === 0;
}

function buildTools() {
  by('undo').addEventListener('click', undo);
  by('redo').addEventListener('click', redo);
  by('home').addEventListener('click', () => {
    if (document.body.dataset.screen !== 'work') screen('start');
  });
  by('back').addEventListener('click', () => screen('studio'));
  by('face-front').addEventListener('click', () => {
    if (onHead()) head.look(0, 0);
    else stage.view(0, 0.06, 1);
  });
  by('theme').addEventListener('click', () => {
    const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    const now = document.documentElement.dataset.theme || system;
    document.documentElement.dataset.theme = now === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('portraiture-theme', document.documentElement.dataset.theme); } catch { /* off */ }
    stage.dirty = true;
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { stage.dirty = true; });
  avatar.addEventListener('values', showHistory);
  window.addEventListener('head-edited', showHistory);
  let busy = 0;
  avatar.addEventListener('busy', () => {
    clearTimeout(busy);
    const note = by('busy');
    if (avatar.waiting === 0) note.hidden = true;
    else busy = setTimeout(() => { note.hidden = avatar.waiting === 0; }, 250);
  });
}

// Hold to see the avatar, or the head, before all edits.
function buildCompare() {
  const button = by('before');
  const compare = (before) => {
    button.ariaPressed = String(before);
    if (onHead()) head.compare(before);
    else stage.compare(before);
  };
  const release = () => { if (button.ariaPressed === 'true') compare(false); };
  button.addEventListener('pointerdown', () => compare(true));
  ['pointerup', 'pointerleave', 'pointercancel', 'blur'].forEach((event) => {
    button.addEventListener(event, release);
  });
  const typing = ({ target }) => target.matches('input[type="number"], input[type="text"], textarea');
  window.addEventListener('keydown', (event) => {
    if (document.body.dataset.screen !== 'studio' || typing(event)) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === 'z' || key === 'y')) {
      event.preventDefault();
      if (key === 'y' || event.shiftKey) redo();
      else undo();
    } else if (key === 'b' && !event.repeat && !event.ctrlKey) compare(true);
    else if ((key === ' ' || key === 'enter') && event.target === button && !event.repeat) compare(true);
  });
  window.addEventListener('keyup', (event) => {
    if (['b', ' ', 'enter'].includes(event.key.toLowerCase())) release();
  });
  window.addEventListener('blur', release);
}

async function start() {
  if (!token) {
    say('This page needs the address that the terminal shows, with its token; open that one.');
    return;
  }
  try {
    const panel = await askJson('panel');
    buildPanel(avatar, panel);
    buildTools();
    buildCompare();
    buildStart(make, panel.seed);
    buildLight(stage, by('panel-light'));
    revealHeadFiles = buildFiles(avatar, stage, by('panel-files'));
    head = buildHead(avatar, by('panel-head'), panel);
    steer(stage, by('stage'), { sway: false });
    window.portrait = { stage, avatar, head, ask };
    if (panel.has_avatar) {
      screen('studio');
      if (!await avatar.load({ fresh: true })) {
        screen('start');
        return;
      }
      by('back').hidden = false;
      await showSitter();
    }
  } catch (error) {
    say(error.message);
  }
}

start();
