// The avatar tab's controls, built from the program's description of them.

import { ask } from './api.js';
import { by, element, tabs, words } from './dom.js';
import { expressionPanel } from './expressions.js';
import { gesture, slider } from './slider.js';

const rows = [];

function rangeRow(avatar, control) {
  const { node, input, show } = slider(control);
  const now = gesture(input);
  const prepare = () => avatar.prepare(control.name, control.moves);
  ['pointerenter', 'pointerdown', 'focus'].forEach((event) => input.addEventListener(event, prepare));
  input.addEventListener('input', () => {
    prepare();
    avatar.set({ [control.name]: Number(input.value) }, now());
  });
  input.addEventListener('change', () => avatar.flush());
  input.addEventListener('dblclick', () => avatar.set({ [control.name]: avatar.original(control.name) }));
  rows.push(() => {
    show(avatar.value(control.name));
    node.classList.toggle('changed', avatar.value(control.name) !== avatar.original(control.name));
  });
  return node;
}

const hex = (values) => `#${values.map((x) => Math.round(255 * x).toString(16).padStart(2, '0')).join('')}`;

function colourRow(avatar, { label, names }) {
  const input = element('input', { type: 'color' });
  const now = gesture(input);
  const node = element('label', { className: 'colour' }, element('span', { textContent: label }), input);
  ['pointerenter', 'focus'].forEach((event) => input.addEventListener(event, () => {
    names.forEach((name) => avatar.prepare(name, false));
  }));
  input.addEventListener('input', () => {
    const values = [1, 3, 5].map((at) => parseInt(input.value.slice(at, at + 2), 16) / 255);
    avatar.set(Object.fromEntries(names.map((name, k) => [name, values[k]])), now());
  });
  rows.push(() => { input.value = hex(names.map((name) => avatar.value(name))); });
  return node;
}

function swatchRow(avatar, { label, values }) {
  const node = element('div', { className: 'swatches', role: 'group', ariaLabel: label });
  for (const [name, changes] of Object.entries(values)) {
    const button = element('button', { type: 'button', title: words(name), ariaLabel: words(name) });
    button.dataset.colour = name;
    button.addEventListener('pointerenter', () => {
      Object.keys(changes).forEach((one) => avatar.prepare(one, false));
    });
    button.addEventListener('click', () => avatar.set(changes));
    node.append(button);
  }
  return node;
}

// Pictures are fetched when they come into view, one after the other, and after edits.
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    queue.push(pictures.get(target));
  }
  fetchPictures();
});
const pictures = new WeakMap();
const queue = [];
let fetching = false;

async function fetchPictures() {
  if (fetching) return;
  fetching = true;
  while (queue.length) {
    const { image, avatar } = queue.shift();
    while (avatar.waiting) await new Promise((resolve) => { setTimeout(resolve, 200); });
    try {
      const blob = await (await ask(`pictures/${image.dataset.picture}`)).blob();
      image.onload = () => image.classList.add('there');
      image.src = URL.createObjectURL(blob);
    } catch { /* the name below it says what it is */ }
  }
  fetching = false;
}

export function choiceRow(avatar, { name, label, choices }) {
  const node = element('div', { className: 'choices', role: 'radiogroup', ariaLabel: label });
  const buttons = choices.map(([choice, title]) => {
    const image = element('img', { alt: '' });
    image.dataset.picture = `${name}/${choice}`;
    pictures.set(image, { image, avatar });
    seen.observe(image);
    const button = element('button', { type: 'button', ariaChecked: 'false' }, image,
      element('span', { textContent: title }));
    button.setAttribute('role', 'radio');
    button.addEventListener('click', () => avatar.set({ [name]: choice }));
    button.dataset.choice = choice;
    node.append(button);
    return button;
  });
  node.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const at = buttons.indexOf(document.activeElement);
    const to = buttons[(at + steps[event.key] + buttons.length) % buttons.length];
    to.focus();
    to.click();
  });
  rows.push(() => {
    const now = avatar.value(name);
    buttons.forEach((button) => {
      const chosen = button.dataset.choice === now;
      button.ariaChecked = String(chosen);
      button.tabIndex = chosen ? 0 : -1;
    });
  });
  return node;
}

function controlRow(avatar, control) {
  switch (control.kind) {
    case 'range': return rangeRow(avatar, control);
    case 'colour': return colourRow(avatar, control);
    case 'swatches': return swatchRow(avatar, control);
    default: return choiceRow(avatar, control);
  }
}

function photoSkin(avatar) {
  const input = element('input', { type: 'checkbox', id: 'photo-skin' });
  const note = element('p', { className: 'hint' });
  const node = element('div', { className: 'switch' },
    element('label', {}, input, ' Skin from the photo'), note);
  input.addEventListener('change', () => avatar.set({ photo_skin: input.checked }));
  rows.push(() => {
    node.hidden = !avatar.about.has_photo_skin;
    input.checked = Boolean(avatar.value('photo_skin'));
    note.textContent = input.checked
      ? 'Tone, redness, undertone, pores and shine change it; switch it off for painted skin and all the rest.'
      : 'The skin is painted.';
  });
  return node;
}

function groupPanel(avatar, group) {
  const node = element('div', { className: 'group', hidden: true });
  if (group.id === 'skin') node.append(photoSkin(avatar));
  group.sections.forEach((section, at) => {
    const body = element('div', { className: 'section' });
    const lazily = () => {
      if (body.childElementCount) return;
      body.append(...section.controls.map((control) => controlRow(avatar, control)));
      if (avatar.about) refresh();
    };
    const details = element('details', { open: at === 0 && group.id !== 'face' },
      element('summary', { textContent: section.title }), body);
    details.addEventListener('toggle', () => { if (details.open) lazily(); });
    if (group.id === 'face' && section.title === 'Person') details.open = true;
    if (details.open || group.id !== 'skin') lazily();
    node.append(details);
  });
  return node;
}

function refresh() { rows.forEach((show) => show()); }

function namesIn(group) {
  return group.sections.flatMap(({ controls }) => controls.flatMap(
    (control) => control.names || (control.kind === 'swatches' ? [] : [control.name])));
}

// Build the tab. panel: the program's description.
export function buildPanel(avatar, panel) {
  const styles = { id: 'style', title: 'Style', sections: [] };
  const mood = { id: 'mood', title: 'Expression', sections: [] };
  const groups = [...panel.groups, mood, styles];
  const style = element('div', { className: 'group', hidden: true }, choiceRow(avatar, {
    name: 'style', label: 'Style', choices: panel.styles.map((name) => [name, name]),
  }));
  let now = groups[0];
  const panels = new Map(panel.groups.map((group) => [group.id, groupPanel(avatar, group)]));
  panels.set('style', style);
  panels.set('mood', expressionPanel(avatar, panel));
  by('controls').append(...panels.values());
  const choose = (button) => {
    now = groups.find(({ id }) => id === button.dataset.group);
    panels.forEach((node, id) => { node.hidden = id !== now.id; });
    by('group-head').querySelector('h2').textContent = now.title;
    by('randomise').hidden = now.sections.length === 0;
    by('controls').scrollTop = 0;
    by('controls').setAttribute('aria-labelledby', button.id);
  };
  groups.forEach(({ id, title }) => {
    const button = element('button', { type: 'button', id: `group-${id}`, textContent: title });
    button.setAttribute('role', 'tab');
    button.setAttribute('aria-controls', 'controls');
    button.dataset.group = id;
    by('groups').append(button);
  });
  const select = tabs(by('groups'), choose);
  select(by('groups').firstElementChild);
  by('randomise').addEventListener('click', () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    avatar.step('avatar/randomise', { group: now.id, seed });
  });
  by('reset').addEventListener('click', () => avatar.set(resetOf(avatar, now)));
  avatar.addEventListener('values', () => { if (avatar.about) refresh(); });
}

function resetOf(avatar, group) {
  if (group.id === 'style') return { style: avatar.about.original_style };
  if (group.id === 'mood') return { expression: avatar.about.original_expression };
  const changes = Object.fromEntries(namesIn(group).map((name) => [name, avatar.original(name)]));
  if (group.id === 'skin' && avatar.about.has_photo_skin) changes.photo_skin = true;
  return changes;
}
