// The page's one kind of slider.

import { element } from './dom.js';

// The program remembers gestures longer than a page lives.
const PAGE = Math.random().toString(36).slice(2, 10);
const PAUSE_MS = 1000;
let gestures = 0;

// Names what an undo takes back at once: a drag, or keys without a pause between them.
export function gesture(input) {
  let name = '';
  let held = false;
  let last = 0;
  const begin = () => { gestures += 1; name = `${PAGE}-${gestures}`; };
  input.addEventListener('pointerdown', () => {
    held = true;
    begin();
  });
  input.addEventListener('change', () => {
    if (held) name = '';
    held = false;
  });
  input.addEventListener('blur', () => { if (!held) name = ''; });
  return () => {
    const now = performance.now();
    if (!name || (!held && now - last > PAUSE_MS)) begin();
    last = now;
    return name;
  };
}

// Two lines: label, ends and value, and below them the track.
export function slider({ label, low = '', high = '', meaning = '', min = 0, max = 1, step = 0.01, unit = '' }) {
  const input = element('input', {
    type: 'range', min, max, step, title: meaning, ariaLabel: label,
  });
  const ends = low || high ? `${low || 'less'} – ${high || 'more'}` : '';
  const output = element('span', { className: 'number', ariaHidden: 'true' });
  const node = element('label', { className: 'slider' },
    element('span', { textContent: label }), element('small', { textContent: ends }), output, input);
  const show = (value) => {
    if (document.activeElement !== input || Number(input.value) !== value) input.value = value;
    const share = (x) => (100 * (x - min)) / (max - min);
    const zero = share(Math.max(min, 0));
    input.style.setProperty('--from', `${Math.min(zero, share(value))}%`);
    input.style.setProperty('--fill', `${Math.max(zero, share(value))}%`);
    const number = step < 1 ? Number(value).toFixed(2) : `${Math.round(value)}${unit}`;
    output.textContent = number;
    input.ariaValueText = ends ? `${number}, from ${low || 'less'} to ${high || 'more'}` : '';
  };
  return { node, input, show };
}
