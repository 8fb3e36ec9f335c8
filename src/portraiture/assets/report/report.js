'use strict';
// Wires the page: decode the embedded GLB, start the viewer, build the expression controls.

const GROUPS = [
  ['Brows', /^brow/], ['Eyes', /^eye(Blink|Squint|Wide)/], ['Gaze', /^eyeLook/],
  ['Cheeks and nose', /^(cheek|nose)/], ['Jaw', /^jaw/], ['Mouth', /^mouth/], ['Tongue', /^tongue/],
];
const SIDES = { Left: 'Right', Right: 'Left' };
// A glance to the left turns one eye out and the other in; everything else is a mirror image.
const CONJUGATE = { eyeLookIn: 'eyeLookOut', eyeLookOut: 'eyeLookIn', jaw: null, mouth: null };

function embedded(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return bytes.buffer;
}

function partner(name) {
  const match = /^(.*)(Left|Right)$/.exec(name);
  if (!match) return null;
  const [, stem, side] = match;
  if (stem in CONJUGATE) return CONJUGATE[stem] && CONJUGATE[stem] + SIDES[side];
  return stem + SIDES[side];
}

function words(name) {
  const plain = name.replace(/([A-Z])/g, ' $1').toLowerCase();
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

class Face {
  constructor(viewer, names) {
    this.viewer = viewer;
    this.weights = Object.fromEntries(names.map((name) => [name, 0]));
    this.rows = new Map();
  }

  set(name, value) {
    if (!(name in this.weights)) return;
    this.weights[name] = value;
    const row = this.rows.get(name);
    row.input.value = value;
    row.input.style.setProperty('--fill', `${value * 100}%`);
    row.output.textContent = value ? value.toFixed(2) : '';
  }

  slide(name, value, both) {
    this.set(name, value);
    const other = both ? partner(name) : null;
    if (other) this.set(other, value);
    this.viewer.morph(this.weights);
  }

  // Ease to a whole expression; names that it lacks go to zero.
  goTo(expression) {
    const from = { ...this.weights };
    const began = performance.now();
    const token = {};
    this.moving = token;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const step = (now) => {
      if (this.moving !== token) return;
      const t = still ? 1 : Math.min(Math.max((now - began) / 320, 0), 1);
      const eased = t * t * (3 - 2 * t);
      for (const name of Object.keys(from)) {
        this.set(name, from[name] + ((expression[name] || 0) - from[name]) * eased);
      }
      this.viewer.morph(this.weights);
      if (t < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

function sliderRow(face, name, both) {
  const input = element('input', { type: 'range', min: 0, max: 1, step: 0.01, value: 0 });
  const output = element('output');
  const label = element('label', { title: name }, element('span', { textContent: words(name) }),
    input, output);
  face.rows.set(name, { input, output });
  input.addEventListener('input', () => {
    face.moving = null;
    face.slide(name, Number(input.value), both.checked);
  });
  return label;
}

function buildSliders(face, names, panel, both) {
  for (const [title, pattern] of GROUPS) {
    const chosen = names.filter((name) => pattern.test(name));
    if (chosen.length === 0) continue;
    const group = element('details', { open: title === 'Brows' },
      element('summary', {}, title, element('small', { textContent: chosen.length })));
    chosen.forEach((name) => group.append(sliderRow(face, name, both)));
    panel.append(group);
  }
}

function buildMoods(face, moods, bar) {
  for (const [title, expression] of moods) {
    const button = element('button', { type: 'button', textContent: title });
    button.addEventListener('click', () => {
      bar.querySelectorAll('button').forEach((other) => { other.ariaPressed = other === button; });
      face.goTo(expression);
    });
    bar.append(button);
  }
}

function offerDownload(buffer, link) {
  const blob = new Blob([buffer], { type: 'model/gltf-binary' });
  link.href = URL.createObjectURL(blob);
  link.textContent = `avatar.glb, ${(buffer.byteLength / 1e6).toFixed(1)} MB`;
}

async function start() {
  const stage = document.getElementById('stage');
  const note = document.getElementById('note');
  try {
    const buffer = embedded('glb');
    offerDownload(buffer, document.getElementById('download'));
    const model = await readGlb(buffer);
    const viewer = new Viewer(document.getElementById('canvas'), model);
    const steering = steer(viewer, stage);
    const names = (model.meshes.find((mesh) => mesh.names.length) || { names: [] }).names;
    const face = new Face(viewer, names);
    buildSliders(face, names, document.getElementById('sliders'), document.getElementById('both'));
    const moods = [['Neutral', {}]];
    if (Object.keys(model.expression).length) moods.push(['As in the photo', model.expression]);
    moods.push(...JSON.parse(document.getElementById('moods').textContent));
    buildMoods(face, moods, document.getElementById('moods-bar'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      viewer.dirty = true;
    });
    window.portrait = { viewer, face, steering };
    stage.classList.add('ready');
  } catch (error) {
    note.textContent = `The 3D view cannot be shown: ${error.message}.`;
    stage.classList.add('failed');
  }
}

start();
