// The 52 ARKit expressions: moods, and a slider each.

import { element, words } from './dom.js';
import { gesture, slider } from './slider.js';

const GROUPS = [
  ['Brows', /^brow/], ['Eyes', /^eye(Blink|Squint|Wide)/], ['Gaze', /^eyeLook/],
  ['Cheeks and nose', /^(cheek|nose)/], ['Jaw', /^jaw/], ['Mouth', /^mouth/], ['Tongue', /^tongue/],
];
const SIDES = { Left: 'Right', Right: 'Left' };
const EASE_MS = 320;

// The name on the other side of the face; a glance turns one eye out and the other in.
export function partner(name) {
  const match = /^(.*)(Left|Right)$/.exec(name);
  if (!match) return null;
  const [, stem, side] = match;
  if (stem === 'jaw' || stem === 'mouth') return null;
  const turned = { eyeLookIn: 'eyeLookOut', eyeLookOut: 'eyeLookIn' }[stem] || stem;
  return turned + SIDES[side];
}

export function expressionPanel(avatar, { actions, moods }) {
  const node = element('div', { className: 'group', hidden: true });
  const both = element('input', { type: 'checkbox', checked: true });
  const sliders = new Map();
  let weights = {};
  let moving = null;

  const show = (next) => {
    weights = next;
    avatar.stage.pose(weights);
    sliders.forEach(({ show: showOne }, name) => showOne(weights[name] || 0));
  };
  const keep = (gesture) => {
    const expression = Object.fromEntries(Object.entries(weights).filter(([, value]) => value > 0.001));
    avatar.set({ expression }, gesture);
  };
  const ease = (target, then = () => {}) => {
    const from = { ...weights };
    const began = performance.now();
    const token = {};
    moving = token;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const step = (now) => {
      if (moving !== token) return;
      const t = still ? 1 : Math.min(Math.max((now - began) / EASE_MS, 0), 1);
      const eased = t * t * (3 - 2 * t);
      show(Object.fromEntries(actions.map((name) => [
        name, (from[name] || 0) + ((target[name] || 0) - (from[name] || 0)) * eased])));
      if (t < 1) {
        requestAnimationFrame(step);
        return;
      }
      moving = null;
      then();
    };
    requestAnimationFrame(step);
  };

  const bar = element('div', { className: 'pills', role: 'group', ariaLabel: 'Moods' });
  const mood = (title, target) => {
    const button = element('button', { type: 'button', className: 'pill', textContent: title });
    button.addEventListener('click', () => ease(target(), () => keep('')));
    bar.append(button);
    return button;
  };
  moods.slice(0, 1).forEach(([title, target]) => mood(title, () => target));
  const sitter = mood('As made', () => avatar.about.original_expression);
  moods.slice(1).forEach(([title, target]) => mood(title, () => target));
  node.append(bar, element('label', { className: 'switch' }, both, ' Both sides'));

  GROUPS.forEach(([title, pattern], at) => {
    const body = element('div', { className: 'section' });
    actions.filter((name) => pattern.test(name)).forEach((name) => {
      const row = slider({ label: words(name), meaning: name });
      sliders.set(name, row);
      const now = gesture(row.input);
      row.input.addEventListener('input', () => {
        moving = null;
        const value = Number(row.input.value);
        const next = { ...weights, [name]: value };
        const other = both.checked ? partner(name) : null;
        if (other) next[other] = value;
        show(next);
        keep(now());
      });
      body.append(row.node);
    });
    node.append(element('details', { open: at === 0 },
      element('summary', { textContent: title }), body));
  });

  avatar.addEventListener('values', () => {
    if (!avatar.about) return;
    sitter.hidden = Object.keys(avatar.about.original_expression).length === 0;
    const now = avatar.value('expression');
    const same = actions.every((name) => Math.abs((weights[name] || 0) - (now[name] || 0)) < 0.002);
    if (!same && !moving) show({ ...now });
  });
  return node;
}
