// Small helpers around the document.

export const by = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function words(name) {
  const plain = name.replace(/_/g, ' ').replace(/([A-Z])/g, ' $1').toLowerCase();
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

let closing = 0;

// One sentence above the page; errors stay until they are closed.
export function say(sentence, { error = true } = {}) {
  const box = by('message');
  box.querySelector('span').textContent = sentence;
  box.classList.toggle('error', error);
  box.hidden = false;
  clearTimeout(closing);
  if (!error) closing = setTimeout(() => { box.hidden = true; }, 6000);
}

export function quiet() { by('message').hidden = true; }

by('message').querySelector('button').addEventListener('click', quiet);

// Tabs that arrow keys walk through. choose: called with the chosen tab's button.
export function tabs(list, choose) {
  const buttons = () => [...list.querySelectorAll('[role="tab"]')];
  const select = (button) => {
    buttons().forEach((other) => {
      other.ariaSelected = String(other === button);
      other.tabIndex = other === button ? 0 : -1;
    });
    choose(button);
  };
  list.addEventListener('click', (event) => {
    const button = event.target.closest('[role="tab"]');
    if (button) select(button);
  });
  list.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    let to = null;
    if (event.key in steps) to = (at + steps[event.key] + all.length) % all.length;
    if (event.key === 'Home') to = 0;
    if (event.key === 'End') to = all.length - 1;
    if (to === null || at < 0) return;
    event.preventDefault();
    all[to].focus();
    select(all[to]);
  });
  return select;
}
