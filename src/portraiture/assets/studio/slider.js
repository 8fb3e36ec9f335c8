// The page's one kind of slider.

import { element } from './dom.js';

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
