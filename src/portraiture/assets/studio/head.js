// The neural head tab: images stream over a WebSocket. The next one is asked for when the last was
// shown, small while the head moves and sharp when it rests; edits are sliders.

import { ask, askJson, socketUrl, token } from './api.js';
import { by, element, say } from './dom.js';
import { gesture, slider } from './slider.js';
import { during } from './work.js';

const REST_MS = 120;
const [MAX_YAW, MAX_PITCH] = [1.1, 0.55];
const AMOUNT = 3;
const CLOSED = 'The images of the neural head cannot be had; is the program still running in the terminal?';
const EMPTY = 'Make a neural head of the photo or of a seed: a soft volume that shows the sitter from all sides, hair and light as in the photo.';

class HeadView {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
    this.yaw = 0;
    this.pitch = 0;
    this.before = false;
    this.socket = null;
    this.asking = null;
    this.wanted = null;
    this.rest = 0;
    this.frames = [];
    this.sharpMs = 0;
    this.moved = 0;
    this.steer();
  }

  connect() {
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return;
    const socket = new WebSocket(socketUrl('head/view'), ['portraiture', token]);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    this.asking = null;
    let opened = false;
    socket.addEventListener('open', () => {
      opened = true;
      this.next();
    });
    socket.addEventListener('message', ({ data }) => this.receive(data));
    socket.addEventListener('close', () => {
      if (!opened) say(CLOSED);
      if (socket === this.socket) this.asking = null;
    });
  }

  // Ask for an image, now or when the one that was asked for has been shown.
  want(sharp) {
    this.wanted = { yaw: this.yaw, pitch: this.pitch, before: this.before, sharp };
    this.connect();
    // A sharp image takes long: what comes after it does not wait for it.
    if (!this.asking || this.asking.sharp) this.next();
  }

  next() {
    if (!this.wanted || this.socket.readyState !== WebSocket.OPEN) return;
    this.asking = this.wanted;
    this.wanted = null;
    this.socket.send(JSON.stringify(this.asking));
  }

  async receive(data) {
    if (typeof data === 'string') {
      this.asking = null;
      say(JSON.parse(data).error);
      return;
    }
    const sharp = new Uint8Array(data, 0, 1)[0] === 1;
    const image = await createImageBitmap(new Blob([data.slice(1)], { type: 'image/jpeg' }));
    const stale = sharp && (this.wanted || (this.asking && !this.asking.sharp));
    if (!stale) {
      this.pen.imageSmoothingQuality = 'high';
      this.pen.drawImage(image, 0, 0, this.canvas.width, this.canvas.height);
      this.frames.push(performance.now());
      if (sharp) this.sharpMs = performance.now() - this.moved;
      this.sharp = sharp;
    }
    if (this.asking && this.asking.sharp === sharp) this.asking = null;
    if (!this.asking) this.next();
  }

  look(yaw, pitch) {
    this.yaw = Math.max(-MAX_YAW, Math.min(MAX_YAW, yaw));
    this.pitch = Math.max(-MAX_PITCH, Math.min(MAX_PITCH, pitch));
    this.moved = performance.now();
    this.want(false);
    clearTimeout(this.rest);
    if (!this.held) this.rest = setTimeout(() => this.want(true), REST_MS);
  }

  refresh() {
    this.moved = performance.now();
    this.want(true);
  }

  steer() {
    const { canvas } = this;
    let last = null;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = [event.clientX, event.clientY];
      this.held = true;
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!last) return;
      const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
      last = [event.clientX, event.clientY];
      this.look(this.yaw - dx * 0.006, this.pitch + dy * 0.005);
    });
    const release = () => {
      if (!last) return;
      last = null;
      this.held = false;
      this.moved = performance.now();
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.want(true), REST_MS);
    };
    ['pointerup', 'pointercancel'].forEach((event) => canvas.addEventListener(event, release));
    canvas.addEventListener('dblclick', () => this.look(0, 0));
    canvas.addEventListener('keydown', (event) => {
      const turns = { ArrowLeft: [-0.08, 0], ArrowRight: [0.08, 0], ArrowUp: [0, 0.06], ArrowDown: [0, -0.06] };
      if (!(event.key in turns)) return;
      event.preventDefault();
      this.look(this.yaw + turns[event.key][0], this.pitch + turns[event.key][1]);
    });
  }
}

// The page keeps a mix among the amounts, so that undo knows it too.
function asked({ mixSeed = 8, mixShape = 0, mixLook = 0, ...amounts }) {
  const mix = mixShape || mixLook ? { seed: mixSeed, shape: mixShape, look: mixLook } : null;
  return { amounts, mix };
}

function kept({ amounts, mix }) {
  return mix ? { ...amounts, mixSeed: mix.seed, mixShape: mix.shape, mixLook: mix.look } : amounts;
}

// Amounts of edits with their history, and the way to the program: the latest wins.
class HeadEdits {
  constructor(view, show) {
    this.view = view;
    this.show = show;
    this.amounts = {};
    this.past = [];
    this.future = [];
    this.gesture = '';
    this.sending = false;
    this.again = false;
  }

  begin(amounts) {
    Object.assign(this, { amounts, past: [], future: [], gesture: '' });
    this.show(amounts);
  }

  // Remember the amounts before a gesture; without a name, each edit is one.
  mark(gesture = '') {
    if (!gesture || gesture !== this.gesture) this.past.push(this.amounts);
    this.gesture = gesture;
    this.future = [];
  }

  set(amounts) {
    this.amounts = amounts;
    this.show(amounts);
    this.send();
  }

  back() {
    if (!this.past.length) return;
    this.gesture = '';
    this.future.push(this.amounts);
    this.set(this.past.pop());
  }

  forward() {
    if (!this.future.length) return;
    this.gesture = '';
    this.past.push(this.amounts);
    this.set(this.future.pop());
  }

  async send() {
    this.again = true;
    if (this.sending) return;
    this.sending = true;
    by('busy').hidden = false;
    try {
      while (this.again) {
        this.again = false;
        await ask('head', { method: 'PATCH', json: asked(this.amounts) });
        if (this.again) this.view.want(false);
      }
      this.view.refresh();
    } catch (error) {
      say(error.message);
    } finally {
      this.sending = false;
      by('busy').hidden = true;
    }
  }
}

function editPanel(sliders, edits) {
  const rows = new Map();
  const node = element('div', { className: 'group' });
  for (const { name, label, low, high } of sliders) {
    const row = slider({ label, low, high, min: -AMOUNT, max: AMOUNT, step: 0.05 });
    row.input.dataset.edit = name;
    const now = gesture(row.input);
    row.input.addEventListener('input', () => {
      edits.mark(now());
      edits.set({ ...edits.amounts, [name]: Number(row.input.value) });
    });
    rows.set(name, row);
    node.append(row.node);
  }
  const glasses = element('input', { type: 'checkbox' });
  glasses.addEventListener('change', () => {
    edits.mark();
    edits.set({ ...edits.amounts, glasses: glasses.checked ? 1 : 0 });
  });
  const reset = element('button', { type: 'button', className: 'pill', textContent: 'Reset' });
  reset.addEventListener('click', () => {
    edits.mark();
    edits.set({});
  });
  node.append(element('label', { className: 'switch' }, glasses, ' Glasses, in sharp images'), reset);
  const mixing = mixPanel(edits);
  node.append(mixing.node);
  const show = (amounts) => {
    rows.forEach((row, name) => row.show(amounts[name] || 0));
    glasses.checked = (amounts.glasses || 0) > 0.5;
    mixing.show(amounts);
  };
  return { node, show };
}

// Another head, of a seed, and how far towards it.
function mixPanel(edits) {
  const seed = element('input', { type: 'number', min: 0, max: 4294967295, step: 1, value: 8, ariaLabel: 'Seed of the head to mix with' });
  const change = (amounts) => edits.set({ ...edits.amounts, mixSeed: Number(seed.value), ...amounts });
  seed.addEventListener('change', () => {
    if (!seed.checkValidity() || seed.value === '') return;
    edits.mark();
    change({});
  });
  const rows = [['mixShape', 'Its form'], ['mixLook', 'Its colours']].map(([name, label]) => {
    const row = slider({ label, low: 'own', high: 'the other’s' });
    row.input.dataset.edit = name;
    const now = gesture(row.input);
    row.input.addEventListener('input', () => {
      edits.mark(now());
      change({ [name]: Number(row.input.value) });
    });
    return [name, row];
  });
  const node = element('div', { className: 'group' },
    element('h3', { textContent: 'Mix with the head of a seed' }), seed, ...rows.map(([, row]) => row.node));
  const show = (amounts) => {
    if (amounts.mixSeed !== undefined && document.activeElement !== seed) seed.value = amounts.mixSeed;
    rows.forEach(([name, row]) => row.show(amounts[name] || 0));
  };
  return { node, show };
}

function makers(make) {
  const photo = element('button', { type: 'button', className: 'primary', textContent: 'Make a head of the photo' });
  const seed = element('input', { type: 'number', min: 0, max: 4294967295, step: 1, value: 7, ariaLabel: 'Seed of the head' });
  const sample = element('button', { type: 'button', textContent: 'Head of the seed' });
  photo.addEventListener('click', () => make('Making the neural head of the photo',
    () => askJson('head/photo', { method: 'POST' })));
  sample.addEventListener('click', () => make(`Making the head of seed ${seed.value}`,
    () => askJson('head/seed', { method: 'POST', json: { seed: Number(seed.value) } })));
  const node = element('div', { className: 'files' }, photo, element('div', { className: 'row' }, seed, sample));
  return { node, photo };
}

export function buildHead(avatar, panel) {
  const view = new HeadView(by('head-canvas'));
  let show = () => {};
  const edits = new HeadEdits(view, (amounts) => {
    show(amounts);
    window.dispatchEvent(new Event('head-edited'));
  });
  const state = {
    made: false, view, edits, visible: false,
    reveal(visible) {
      state.visible = visible;
      by('head-canvas').hidden = !visible || !state.made;
      by('canvas').hidden = visible;
      by('note').hidden = !visible || state.made;
      by('note').textContent = EMPTY;
      by('before').hidden = visible && !state.made;
      by('face-front').hidden = visible && !state.made;
      if (!visible) return;
      making.photo.disabled = !avatar.about || !avatar.about.has_photo;
      making.photo.title = making.photo.disabled ? 'Start with a photo first' : '';
      if (state.made) view.refresh();
    },
    compare(before) {
      view.before = before;
      view.refresh();
    },
    look: (yaw, pitch) => view.look(yaw, pitch),
  };
  const take = async () => {
    const about = await askJson('head');
    state.made = about.made;
    controls.hidden = !about.made || !about.editable;
    if (!controls.childElementCount) {
      const built = editPanel(about.sliders, edits);
      show = built.show;
      controls.append(element('h2', { textContent: 'Edits' }), built.node);
    }
    edits.begin(kept(about));
    if (state.visible) state.reveal(true);
  };
  const make = async (title, start) => {
    try {
      if (await during(title, start)) await take();
    } catch (error) {
      say(error.message);
    }
  };
  const making = makers(make);
  const controls = element('div', { hidden: true });
  panel.append(element('h2', { textContent: 'Neural head' }), making.node, controls);
  take().catch((error) => say(error.message));
  return state;
}
