// The avatar's 3D view: parts that come and go one by one, a head that moves before the exact
// geometry is there, and tints until the exact colours are.

/* global Viewer, readGlb, morphMesh, unit */

const KEPT = 60;
const COARSE = 0.4;
const REST_MS = 350;
const UNTINTED = [1, 1, 1];

// What the program sends: the length of a JSON, the JSON, and a GLB for each part that was asked for.
export async function readBundle(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const models = await Promise.all(about.parts.map((part) => {
    if (part.length === 0) return null;
    const file = buffer.slice(at, at + part.length);
    at += part.length + ((4 - (part.length % 4)) % 4);
    return readGlb(file);
  }));
  about.parts.forEach((part, index) => { part.model = models[index]; });
  return about;
}

// How the head's vertices move along one parameter; see `studio.previews.moved`.
export function readMoved(buffer) {
  const view = new DataView(buffer);
  const [rows, knots] = [view.getUint32(0, true), view.getUint32(4, true)];
  const scales = new Float32Array(buffer, 8, knots);
  const first = 8 + 4 * knots;
  const index = new Uint16Array(buffer, first, rows);
  const start = first + 4 * Math.ceil(rows / 2);
  const steps = [];
  for (let k = 0; k < knots; k += 1) {
    steps.push(new Int16Array(buffer, start + k * rows * 6, rows * 3));
  }
  return { rows: index, scales, steps };
}

// Adds the way from one value of a parameter to another to the head's displacement.
export function addMoved(out, { rows, scales, steps }, from, to) {
  const weights = new Float32Array(steps.length);
  [[from, -1], [to, 1]].forEach(([value, sign]) => {
    const place = Math.min(Math.max(value, 0), 1) * steps.length;
    const low = Math.min(Math.floor(place), steps.length - 1);
    if (low > 0) weights[low - 1] += sign * (1 - (place - low));
    weights[low] += sign * (place - low);
  });
  weights.forEach((weight, knot) => {
    if (weight === 0) return;
    const gain = weight * scales[knot];
    const step = steps[knot];
    for (let k = 0; k < rows.length; k += 1) {
      const to3 = rows[k] * 3;
      out[to3] += gain * step[3 * k];
      out[to3 + 1] += gain * step[3 * k + 1];
      out[to3 + 2] += gain * step[3 * k + 2];
    }
  });
}

function carry(position, { rows, weights }, moved) {
  for (let v = 0; v * 4 < rows.length; v += 1) {
    for (let k = 0; k < 4; k += 1) {
      const weight = weights[4 * v + k];
      if (weight === 0) continue;
      const from = rows[4 * v + k] * 3;
      position[3 * v] += weight * moved[from];
      position[3 * v + 1] += weight * moved[from + 1];
      position[3 * v + 2] += weight * moved[from + 2];
    }
  }
}

// Smooth normals of the skin; vertices at one place share theirs, whatever their texture is.
function renormal(normal, position, index, rows, sums) {
  sums.fill(0);
  for (let t = 0; t < index.length; t += 3) {
    const [a, b, c] = [index[t] * 3, index[t + 1] * 3, index[t + 2] * 3];
    const ux = position[b] - position[a]; const uy = position[b + 1] - position[a + 1];
    const uz = position[b + 2] - position[a + 2];
    const vx = position[c] - position[a]; const vy = position[c + 1] - position[a + 1];
    const vz = position[c + 2] - position[a + 2];
    const nx = uy * vz - uz * vy; const ny = uz * vx - ux * vz; const nz = ux * vy - uy * vx;
    for (let k = 0; k < 3; k += 1) {
      const to = rows[4 * index[t + k]] * 3;
      sums[to] += nx; sums[to + 1] += ny; sums[to + 2] += nz;
    }
  }
  for (let v = 0; v * 3 < normal.length; v += 1) {
    const from = rows[4 * v] * 3;
    const length = Math.hypot(sums[from], sums[from + 1], sums[from + 2]) || 1;
    for (let k = 0; k < 3; k += 1) normal[3 * v + k] = sums[from + k] / length;
  }
}

// Whether the browser draws on the processor: then motion is drawn coarsely, and sharp at rest.
function drawsInSoftware() {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return false;
  const named = gl.getExtension('WEBGL_debug_renderer_info');
  const name = named ? gl.getParameter(named.UNMASKED_RENDERER_WEBGL) : '';
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

export class Stage extends Viewer {
  constructor(canvas) {
    const software = drawsInSoftware();
    super(canvas, { meshes: [], images: [], bones: {} }, { thrifty: software });
    this.software = software;
    this.rest = 0;
    this.pool = new Map();
    this.names = [];
    this.original = null;
    this.weights = {};
    this.moved = null;
    this.sums = null;
    this.tints = {};
    this.placed = false;
  }

  get have() { return [...this.pool.keys()]; }

  // The parts of a bundle become what is shown; those that were here before are not sent again.
  place(about) {
    for (const { digest, name, model } of about.parts) {
      if (model) this.pool.set(digest, { name, items: this.upload(model) });
      const kept = this.pool.get(digest);
      this.pool.delete(digest);
      this.pool.set(digest, kept);
    }
    this.names = about.parts.map(({ digest }) => digest);
    if (!this.original) this.original = this.names;
    this.home(about.bones, this.placed);
    this.placed = true;
    this.moved = null;
    this.tints = {};
    this.forget();
    this.reveal(this.names);
  }

  // The avatar before all edits, where the first bundle was of a later one.
  addOriginal(about) {
    for (const { digest, name, model } of about.parts) {
      if (model && !this.pool.has(digest)) {
        this.pool.set(digest, { name, items: this.upload(model) });
      }
    }
    this.original = about.parts.map(({ digest }) => digest);
  }

  // The next bundle is of another person.
  restart() {
    this.original = null;
    this.placed = false;
  }

  // The eyes' middle moves with the person; where the user looks from stays.
  home(bones, keep = false) {
    const { yaw, pitch, zoom } = this;
    super.home(bones);
    if (keep) Object.assign(this, { yaw, pitch, zoom });
    if (this.lights) this.lights.forEach((light) => this.aim(light, light.direction));
  }

  // Show the avatar before all edits, or as it is now.
  compare(before) { this.reveal(before && this.original ? this.original : this.names); }

  reveal(names) {
    this.shown = names;
    const all = names.flatMap((digest) => this.pool.get(digest).items);
    all.forEach((item) => { item.fresh = true; });
    this.show(all);
    this.update();
  }

  pose(weights) {
    this.weights = weights;
    this.update();
  }

  // moved: displacement of the head's vertices. tints: linear factors on colours, by part.
  preview(moved, tints) {
    this.moved = moved;
    this.tints = tints;
    this.update();
  }

  update() {
    const now = this.shown === this.names;
    for (const item of this.items) {
      const part = item.mesh.name.replace(/_outline$/, '');
      item.tint = (now && this.tints[part]) || UNTINTED;
      const bent = now && this.moved && item.mesh.carriers;
      const posed = item.mesh.targets.size > 0;
      if (!bent && !item.bent && !posed) continue;
      if (!bent && !item.bent && !item.fresh && this.posed === this.weights) continue;
      morphMesh(item.mesh, this.weights, item.position, item.normal);
      if (bent) this.bend(item);
      item.bent = Boolean(bent);
      item.fresh = false;
      this.send(item);
    }
    this.posed = this.weights;
    this.needsShadow = true;
    this.dirty = true;
  }

  bend(item) {
    const { carriers, index, name } = item.mesh;
    carry(item.position, carriers, this.moved);
    if (name !== 'skin') return;
    if (!this.sums || this.sums.length < this.moved.length) {
      this.sums = new Float32Array(this.moved.length);
    }
    renormal(item.normal, item.position, index, carriers.rows, this.sums);
  }

  // How many vertices of the head carry something.
  get headLength() {
    let most = 0;
    for (const item of this.items) {
      if (item.mesh.carriers) for (const row of item.mesh.carriers.rows) most = Math.max(most, row);
    }
    return most + 1;
  }

  // Free the parts that were not shown for long.
  forget() {
    const needed = new Set([...this.names, ...(this.original || [])]);
    for (const [digest, { items }] of this.pool) {
      if (this.pool.size <= KEPT) return;
      if (needed.has(digest)) continue;
      items.forEach((item) => this.free(item));
      this.pool.delete(digest);
    }
  }

  free({ vao, buffers, material }) {
    const { gl } = this;
    gl.deleteVertexArray(vao);
    Object.values(buffers).forEach((buffer) => gl.deleteBuffer(buffer));
    material.maps.forEach((texture) => {
      if (texture !== this.blank) gl.deleteTexture(texture);
    });
  }

  // Light from an azimuth and an elevation in degrees; strengths are factors.
  relight({ azimuth, elevation, strength, rim, sky, ground, color }) {
    const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
    const direction = unit([Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)]);
    this.light.keyColor = color.map((value) => value * strength);
    this.light.rimColor = [0.3, 0.33, 0.38].map((value) => value * rim);
    this.light.sky = sky;
    this.light.ground = ground;
    this.aim(this.lights[0], direction);
  }

  frame() {
    if (!this.software) {
      super.frame();
      return;
    }
    requestAnimationFrame(this.frame);
    if (!this.dirty) return;
    this.dirty = false;
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === 0 || document.body.dataset.screen !== 'studio') return;
    this.drawScaled(COARSE);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.drawScaled(1), REST_MS);
  }

  drawScaled(scale) {
    const { clientWidth, clientHeight } = this.canvas;
    this.draw(Math.round(clientWidth * scale), Math.round(clientHeight * scale));
  }

  // A PNG of what is seen.
  photograph(side) {
    this.draw(side, side);
    const made = new Promise((resolve) => { this.canvas.toBlob(resolve, 'image/png'); });
    this.dirty = true;
    return made;
  }
}

