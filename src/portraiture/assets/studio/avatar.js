// The avatar's values, and the way of an edit: shown at once, sent when the hand rests, replaced by
// the exact parts when they come. The latest edit wins.

import { ask, askBytes, askJson } from './api.js';
import { say } from './dom.js';
import { readBundle, readMoved, addMoved } from './stage.js';

const REST_MS = 140;
const AVERAGE = 0.5;
const BODILY = ['sex', 'age', 'muscle', 'weight', 'african', 'asian', 'caucasian', 'style'];

export class Avatar extends EventTarget {
  constructor(stage) {
    super();
    this.stage = stage;
    this.values = {};
    this.exact = {};
    this.about = null;
    this.ahead = {};
    this.pending = {};
    this.line = Promise.resolve();
    this.gesture = '';
    this.timer = 0;
    this.asked = 0;
    this.waiting = 0;
    this.moves = new Map();
    this.colours = new Map();
    this.stale = new Set();
    this.fetching = new Set();
  }

  // Take the avatar as the program has it. Gives whether it could be had.
  async load({ fresh = false } = {}) {
    if (fresh) this.stage.restart();
    const bundle = await this.bring(async () => null);
    if (bundle && this.about.undo > 0 && fresh) await this.loadOriginal();
    return bundle !== null;
  }

  async loadOriginal() {
    const json = { have: this.stage.have };
    const buffer = await askBytes('avatar/original', { method: 'POST', json });
    this.stage.addOriginal(await readBundle(buffer));
  }

  // What a control shows: "shape:name" and "detail:name" are entries of tables.
  static flat(parameters) {
    const out = { ...parameters };
    delete out.shape;
    delete out.detail;
    for (const table of ['shape', 'detail']) {
      for (const [name, value] of Object.entries(parameters[table])) out[`${table}:${name}`] = value;
    }
    return out;
  }

  value(name) {
    return this.values[name] ?? (name.includes(':') ? AVERAGE : undefined);
  }

  original(name) {
    return Avatar.flat(this.about.original)[name] ?? (name.includes(':') ? AVERAGE : undefined);
  }

  // One edit. gesture: what belongs together for undo, such as one drag of a slider.
  set(changes, gesture = '') {
    if (!gesture || gesture !== this.gesture) this.flush();
    this.gesture = gesture;
    [this.values, this.ahead, this.pending].forEach((table) => Object.assign(table, changes));
    this.preview();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), REST_MS);
    this.dispatchEvent(new Event('values'));
  }

  flush() {
    clearTimeout(this.timer);
    const changes = this.pending;
    if (Object.keys(changes).length === 0) return Promise.resolve();
    this.pending = {};
    const { gesture } = this;
    return this.change('avatar', { method: 'PATCH', json: { changes, gesture } });
  }

  undo() { return this.step('avatar/undo'); }

  redo() { return this.step('avatar/redo'); }

  // A change whose values the program knows, not the page.
  step(path, json = {}) {
    this.flush();
    this.ahead = {};
    this.gesture = '';
    return this.change(path, { method: 'POST', json });
  }

  // Changes reach the program one after the other; what they look like is asked for after each, and
  // the program answers for the last one alone.
  change(path, options) {
    const told = this.line.then(() => askJson(path, options));
    this.line = told.catch(() => {});
    return this.bring(async () => (await told).revision);
  }

  // Ask for parts and show them, unless something later has been shown already.
  async bring(changed) {
    this.asked += 1;
    const number = this.asked;
    this.waiting += 1;
    this.dispatchEvent(new Event('busy'));
    try {
      const revision = await changed();
      const json = { have: this.stage.have, revision };
      const buffer = await askBytes('avatar/parts', { method: 'POST', json });
      if (buffer === null) return null;
      const bundle = await readBundle(buffer);
      if (number < (this.shown || 0)) return null;
      this.shown = number;
      this.take(bundle);
      return bundle;
    } catch (error) {
      say(error.message);
      this.ahead = { ...this.pending };
      if (this.about) this.values = { ...this.exact, ...this.ahead };
      this.preview();
      this.dispatchEvent(new Event('values'));
      return null;
    } finally {
      this.waiting -= 1;
      this.dispatchEvent(new Event('busy'));
    }
  }

  take(bundle) {
    const { parts, bones, ...about } = bundle;
    this.about = about;
    const before = this.exact;
    this.exact = Avatar.flat(about.parameters);
    Object.assign(this.exact, {
      style: about.style, photo_skin: about.photo_skin, expression: about.expression,
    });
    if (this.waiting <= 1) this.ahead = { ...this.pending };
    this.values = { ...this.exact, ...this.ahead };
    this.doubt(before);
    this.stage.place({ parts, bones });
    this.preview();
    this.dispatchEvent(new Event('values'));
  }

  // What was fetched for a preview holds while the other parameters that it depends on are the
  // same: ways of shape changes depend on the style alone where that is natural, on everything
  // where it is not. What is in doubt is shown until it has been fetched anew.
  doubt(before) {
    const names = Object.keys({ ...before, ...this.exact }).filter(
      (name) => name !== 'expression' && before[name] !== this.exact[name]);
    const bodily = names.filter((name) => BODILY.includes(name));
    const styled = this.exact.style !== 'natural' || names.includes('style');
    const others = (all, name) => all.some((one) => one !== name);
    for (const name of this.moves.keys()) {
      const shape = name.startsWith('shape:');
      if (styled ? others(names, name) : !shape && others(bodily, name)) this.stale.add(name);
    }
    const plain = names.filter((name) => !name.includes(':'));
    for (const name of this.colours.keys()) if (others(plain, name)) this.stale.add(name);
  }

  // Fetch what a control needs to show its edits at once.
  prepare(name, moves) {
    const table = moves ? this.moves : this.colours;
    if (!this.about || this.fetching.has(name) || (table.has(name) && !this.stale.has(name))) return;
    this.fetching.add(name);
    this.stale.delete(name);
    const at = this.about.revision;
    const path = `avatar/${moves ? 'moved' : 'tints'}/${name}`;
    const read = async (response) => (moves ? readMoved(await response.arrayBuffer()) : response.json());
    ask(path).then(read).then((found) => {
      table.set(name, found);
      if (at !== this.about.revision) this.stale.add(name);
      this.preview();
    }).catch(() => this.stale.add(name)).finally(() => this.fetching.delete(name));
  }

  // Show the difference of the values to the exact geometry, as far as it is known.
  preview() {
    if (!this.about) return;
    let moved = null;
    const tints = {};
    for (const [name, value] of Object.entries(this.values)) {
      const exact = this.exact[name] ?? AVERAGE;
      if (typeof value !== 'number' || value === exact) continue;
      const way = this.moves.get(name);
      if (way) {
        moved ||= new Float32Array(3 * Math.max(this.stage.headLength, 1 + Math.max(...way.rows)));
        addMoved(moved, way, exact, value);
      }
      const colours = this.colours.get(name);
      if (colours) tint(tints, colours, exact, value);
    }
    const still = !moved && Object.keys(tints).length === 0 && !this.previewed;
    this.previewed = Boolean(moved) || Object.keys(tints).length > 0;
    if (!still) this.stage.preview(moved, tints);
  }
}

function tint(tints, colours, from, to) {
  const at = (knots, value) => {
    const place = Math.min(Math.max(value, 0), 1) * (knots.length - 1);
    const low = Math.min(Math.floor(place), knots.length - 2);
    return knots[low].map((x, k) => x + (place - low) * (knots[low + 1][k] - x));
  };
  for (const [part, knots] of Object.entries(colours)) {
    const [a, b] = [at(knots, from), at(knots, to)];
    const before = tints[part] || [1, 1, 1];
    tints[part] = before.map((x, k) => Math.min(x * (b[k] / Math.max(a[k], 1e-3)), 8));
  }
}
