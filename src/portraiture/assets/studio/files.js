// Downloads.

import { ask, askJson } from './api.js';
import { element, say } from './dom.js';
import { during } from './work.js';

const PNG_SIDE = 1536;
const AVATAR = [
  ['glb', 'GLB', 'For games and Blender: mesh, textures, skeleton, 52 expressions'],
  ['vrm', 'VRM 1.0', 'For VR and avatars in streams'],
  ['png', 'PNG', 'What the 3D view shows, 1536 pixels'],
  ['json', 'avatar.json', 'To go on later, here or with portraiture render'],
  ['turntable', 'Turntable MP4', 'The avatar turning, 20 frames a second'],
];
const HEAD = [
  ['safetensors', 'Head (.safetensors)', 'To go on later with portraiture edit'],
  ['mesh', 'Mesh GLB', 'A textured surface of the head'],
  ['ply', 'Mesh PLY', 'The surface with vertex colours'],
  ['turntable', 'Turntable MP4', 'The head turning'],
];

export function save(blob, name) {
  const link = element('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 30000);
}

// Have the program write a file, and hand it to the user.
async function fetchFile(title, path) {
  let id = null;
  const made = await during(title, async () => {
    const job = await askJson(path, { method: 'POST' });
    id = job.id;
    return job;
  });
  if (!made) return;
  const response = await ask(`jobs/${id}/file`);
  const [, name] = /filename="([\w.-]+)"/.exec(response.headers.get('Content-Disposition'));
  save(await response.blob(), name);
}

function list(title, entries, use) {
  const node = element('div', { className: 'files' }, element('h2', { textContent: title }));
  for (const [kind, name, meaning] of entries) {
    const button = element('button', { type: 'button', className: 'file' },
      element('strong', { textContent: name }), element('span', { textContent: meaning }));
    button.dataset.file = kind;
    button.addEventListener('click', () => {
      Promise.resolve(use(kind, name)).catch((error) => say(error.message));
    });
    node.append(button);
  }
  return node;
}

// Gives a function that shows the files of a head or hides them.
export function buildFiles(avatar, stage, panel) {
  const avatars = list('Avatar', AVATAR, async (kind, name) => {
    if (kind === 'png') {
      save(await stage.photograph(PNG_SIDE), 'avatar.png');
      return;
    }
    avatar.flush();
    await avatar.line;
    await fetchFile(`Writing ${name}`, `avatar/export/${kind}`);
  });
  const heads = list('Neural head', HEAD, (kind, name) => fetchFile(`Writing ${name}`, `head/export/${kind}`));
  panel.append(avatars, heads);
  const reveal = (made) => { heads.hidden = !made; };
  reveal(false);
  return reveal;
}
