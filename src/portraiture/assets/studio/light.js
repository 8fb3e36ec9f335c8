// The light tab: the key light's direction and strength, and what surrounds the avatar.

import { element } from './dom.js';
import { slider } from './slider.js';

const ENVIRONMENTS = {
  Studio: { azimuth: -36, elevation: 31, strength: 1, rim: 1, color: [1.12, 1.06, 0.98], sky: [0.34, 0.34, 0.36], ground: [0.2, 0.175, 0.155] },
  Window: { azimuth: -70, elevation: 15, strength: 1.15, rim: 0.2, color: [1.02, 1.07, 1.14], sky: [0.2, 0.22, 0.26], ground: [0.12, 0.11, 0.1] },
  Overcast: { azimuth: 0, elevation: 70, strength: 0.35, rim: 0.5, color: [1, 1.02, 1.06], sky: [0.62, 0.65, 0.7], ground: [0.3, 0.29, 0.27] },
  Sunset: { azimuth: 58, elevation: 12, strength: 1.25, rim: 1.4, color: [1.35, 0.86, 0.52], sky: [0.22, 0.22, 0.32], ground: [0.22, 0.15, 0.11] },
  Night: { azimuth: -50, elevation: 40, strength: 0.5, rim: 1.8, color: [0.72, 0.85, 1.2], sky: [0.07, 0.08, 0.13], ground: [0.06, 0.05, 0.06] },
  Below: { azimuth: 0, elevation: -42, strength: 0.9, rim: 0.6, color: [1.15, 1, 0.85], sky: [0.1, 0.1, 0.12], ground: [0.22, 0.18, 0.15] },
};
const SLIDERS = [
  ['azimuth', 'Direction', 'their right', 'their left', -120, 120, 1],
  ['elevation', 'Height', 'below', 'above', -60, 85, 1],
  ['strength', 'Strength', 'off', 'strong', 0, 2, 0.01],
  ['rim', 'Light from behind', 'off', 'strong', 0, 3, 0.01],
];

export function buildLight(stage, panel) {
  let light = { ...ENVIRONMENTS.Studio };
  const rows = SLIDERS.map(([name, label, low, high, min, max, step]) => {
    const row = slider({ label, low, high, min, max, step, unit: '°' });
    row.input.dataset.light = name;
    row.input.addEventListener('input', () => change({ [name]: Number(row.input.value) }));
    return [name, row];
  });
  const bar = element('div', { className: 'pills', role: 'group', ariaLabel: 'Surroundings' });
  const buttons = Object.entries(ENVIRONMENTS).map(([title, values]) => {
    const button = element('button', { type: 'button', className: 'pill', textContent: title, ariaPressed: String(title === 'Studio') });
    button.addEventListener('click', () => change(values, button));
    bar.append(button);
    return button;
  });
  function change(values, chosen = null) {
    light = { ...light, ...values };
    rows.forEach(([name, row]) => row.show(light[name]));
    if (chosen) buttons.forEach((one) => { one.ariaPressed = String(one === chosen); });
    stage.relight(light);
  }
  rows.forEach(([name, row]) => row.show(light[name]));
  panel.append(
    element('h2', { textContent: 'Surroundings' }), bar,
    element('h2', { textContent: 'Key light' }), ...rows.map(([, row]) => row.node),
    element('p', { className: 'hint', textContent: 'This lights the 3D view and the PNG of it; files for other programs have no light of their own.' }),
    element('h2', { textContent: 'Relight the photo' }),
    element('p', { className: 'hint', textContent: 'Not yet: the lift network that turns a photo into shape, colour and light has no trained weights.' }));
}
