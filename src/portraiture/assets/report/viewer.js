'use strict';
// A WebGL 2 portrait viewer: orbit, zoom, one shadowed key light, a rim light, soft sky.

const KINDS = { plain: 0, skin: 1, hair: 2, eye: 3, mouth: 4, cloth: 5, glass: 6 };
const ALPHA = { OPAQUE: 0, MASK: 1, BLEND: 2 };
const FIELD_OF_VIEW = 0.32;
const SHADOW_SIZE = 2048;
const UNTINTED = [1, 1, 1];
// Directions towards the key and rim light, and linear colours of all light.
const STUDIO_LIGHT = {
  key: [-0.55, 0.55, 0.75], rim: [0.75, 0.3, -1],
  keyColor: [1.12, 1.06, 0.98], rimColor: [0.3, 0.33, 0.38],
  sky: [0.34, 0.34, 0.36], ground: [0.2, 0.175, 0.155],
};

function compile(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
      throw new Error(gl.getShaderInfoLog(shader));
    }
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(gl.getProgramInfoLog(program));
  }
  const at = {};
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS);
  for (let k = 0; k < count; k += 1) {
    const { name } = gl.getActiveUniform(program, k);
    at[name] = gl.getUniformLocation(program, name);
  }
  return { program, at };
}

function uploadTexture(gl, image, srgb) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  const format = srgb ? gl.SRGB8_ALPHA8 : gl.RGBA8;
  gl.texImage2D(gl.TEXTURE_2D, 0, format, gl.RGBA, gl.UNSIGNED_BYTE, image);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  const sharper = gl.getExtension('EXT_texture_filter_anisotropic');
  if (sharper) gl.texParameterf(gl.TEXTURE_2D, sharper.TEXTURE_MAX_ANISOTROPY_EXT, 8);
  return texture;
}

function uploadMesh(gl, mesh) {
  const vao = gl.createVertexArray();
  gl.bindVertexArray(vao);
  const attribute = (slot, width, values, usage) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, usage);
    gl.enableVertexAttribArray(slot);
    gl.vertexAttribPointer(slot, width, gl.FLOAT, false, 0, 0);
    return buffer;
  };
  const buffers = {
    position: attribute(0, 3, mesh.position, gl.DYNAMIC_DRAW),
    normal: attribute(1, 3, mesh.normal, gl.DYNAMIC_DRAW),
  };
  attribute(2, 2, mesh.uv, gl.STATIC_DRAW);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.index, gl.STATIC_DRAW);
  gl.bindVertexArray(null);
  const wide = mesh.index instanceof Uint32Array;
  return {
    mesh, vao, buffers, tint: UNTINTED, material: mesh.material, count: mesh.index.length,
    type: wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT,
    position: new Float32Array(mesh.position), normal: new Float32Array(mesh.normal),
  };
}

class Viewer {
  // thrifty: for computers that draw without a GPU.
  constructor(canvas, model, { thrifty = false } = {}) {
    const gl = canvas.getContext('webgl2', { antialias: !thrifty, alpha: false });
    if (!gl) throw new Error('this browser has no WebGL 2');
    this.gl = gl;
    this.canvas = canvas;
    this.backdrop = compile(gl, BACKDROP_VERTEX, BACKDROP_FRAGMENT);
    this.shadow = compile(gl, SHADOW_VERTEX, SHADOW_FRAGMENT);
    const taps = thrifty ? 'TAPS = 3' : 'TAPS = 12';
    this.surface = compile(gl, SURFACE_VERTEX, SURFACE_FRAGMENT.replace('TAPS = 12', taps));
    this.shadowSize = thrifty ? SHADOW_SIZE / 4 : SHADOW_SIZE;
    this.empty = gl.createVertexArray();
    this.blank = uploadTexture(gl, new ImageData(new Uint8ClampedArray(4).fill(255), 1, 1), false);
    this.show(this.upload(model));
    this.home(model.bones);
    this.light = { ...STUDIO_LIGHT };
    this.lights = [this.light.key, this.light.rim].map((at) => this.makeLight(unit(at)));
    this.dirty = true;
    new ResizeObserver(() => { this.dirty = true; }).observe(canvas);
    this.frame = this.frame.bind(this);
    requestAnimationFrame(this.frame);
  }

  // What is drawn of each mesh of a model. Meshes that share a texture share it on the GPU.
  upload(model) {
    const textures = new Map();
    return model.meshes.map((mesh) => {
      const item = uploadMesh(this.gl, mesh);
      this.loadMaterial(item.material, model.images, textures);
      return item;
    });
  }

  // Draw these from now on, those that hide what is behind them first.
  show(items) {
    this.items = [...items].sort(
      (a, b) => ALPHA[a.material.alphaMode] - ALPHA[b.material.alphaMode]);
    this.needsShadow = true;
    this.dirty = true;
  }

  loadMaterial(material, images, textures) {
    const load = (index, srgb) => {
      if (index === null) return this.blank;
      const key = `${index} ${srgb}`;
      if (!textures.has(key)) textures.set(key, uploadTexture(this.gl, images[index], srgb));
      return textures.get(key);
    };
    material.maps = [
      load(material.color, true), load(material.rough, false), load(material.normal, false)];
  }

  // A light from far away, its view of the head and the depth map of what it sees.
  makeLight(direction) {
    const { gl } = this;
    const map = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, map);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, this.shadowSize, this.shadowSize);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    const frame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, map, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    const light = { map, frame };
    this.aim(light, direction);
    return light;
  }

  // Turn a light. direction: a unit vector towards it.
  aim(light, direction) {
    const from = this.centre.map((value, axis) => value + 2 * direction[axis]);
    light.direction = direction;
    light.view = multiply(orthographic(0.42, 1.2, 2.8), lookAt(from, this.centre));
    this.needsShadow = true;
    this.dirty = true;
  }

  // The camera's first place: the eyes a little above the middle, 46 cm of picture height.
  home(bones) {
    const left = bones.leftEye || [0.03, 1.7, 0.1];
    const right = bones.rightEye || [-0.03, 1.7, 0.1];
    const eyes = left.map((value, axis) => (value + right[axis]) / 2);
    this.centre = [eyes[0], eyes[1] - 0.03, eyes[2] - 0.06];
    this.yaw = 0.42;
    this.pitch = 0.06;
    this.zoom = 1;
  }

  view(yaw, pitch, zoom) {
    this.yaw = yaw;
    this.pitch = Math.max(-0.6, Math.min(0.9, pitch));
    this.zoom = Math.max(0.35, Math.min(1.9, zoom));
    this.dirty = true;
  }

  morph(weights) {
    for (const item of this.items) {
      if (item.mesh.targets.size === 0) continue;
      morphMesh(item.mesh, weights, item.position, item.normal);
      this.send(item);
    }
    this.needsShadow = true;
    this.dirty = true;
  }

  // An item's positions and normals to the GPU.
  send({ buffers, position, normal }) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.position);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, position);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.normal);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, normal);
  }

  frame() {
    requestAnimationFrame(this.frame);
    if (!this.dirty) return;
    this.dirty = false;
    const { canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.draw(Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio));
  }

  // Draw at once, in pixels.
  draw(width, height) {
    const { gl, canvas } = this;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    gl.enable(gl.DEPTH_TEST);
    if (this.needsShadow) this.lights.forEach((light) => this.drawShadow(light));
    this.needsShadow = false;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.drawBackdrop();
    this.drawSurfaces(width / height);
  }

  drawShadow(light) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, light.frame);
    gl.viewport(0, 0, this.shadowSize, this.shadowSize);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    gl.disable(gl.CULL_FACE);
    gl.useProgram(this.shadow.program);
    gl.uniformMatrix4fv(this.shadow.at.light, false, light.view);
    for (const item of this.items) {
      if (item.material.alphaMode === 'BLEND' || item.material.kind === 'outline') continue;
      const masked = item.material.alphaMode === 'MASK';
      gl.uniform1f(this.shadow.at.cutoff, masked ? item.material.cutoff : -1);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, item.material.maps[0]);
      gl.bindVertexArray(item.vao);
      gl.drawElements(gl.TRIANGLES, item.count, item.type, 0);
    }
  }

  drawBackdrop() {
    const { gl } = this;
    const style = getComputedStyle(this.canvas);
    const channel = (name) => style.getPropertyValue(name).trim().split(/\s+/).map(Number);
    gl.useProgram(this.backdrop.program);
    gl.uniform3fv(this.backdrop.at.upper, channel('--wall-upper').map((x) => x / 255));
    gl.uniform3fv(this.backdrop.at.lower, channel('--wall-lower').map((x) => x / 255));
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.CULL_FACE);
    gl.bindVertexArray(this.empty);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.enable(gl.DEPTH_TEST);
  }

  drawSurfaces(aspect) {
    const { gl } = this;
    const { program, at } = this.surface;
    const height = (aspect < 0.85 ? 0.46 * (0.85 / aspect) : 0.46) * this.zoom;
    const distance = height / (2 * Math.tan(FIELD_OF_VIEW / 2));
    const direction = [
      Math.sin(this.yaw) * Math.cos(this.pitch), Math.sin(this.pitch),
      Math.cos(this.yaw) * Math.cos(this.pitch)];
    const eye = this.centre.map((value, axis) => value + distance * direction[axis]);
    const lens = perspective(FIELD_OF_VIEW, aspect, distance * 0.3, distance + 2);
    gl.useProgram(program);
    gl.uniformMatrix4fv(at.camera, false, multiply(lens, lookAt(eye, this.centre)));
    gl.uniform3fv(at.eye, eye);
    ['key', 'rim'].forEach((name, k) => {
      gl.uniformMatrix4fv(at[`${name}View`], false, this.lights[k].view);
      gl.uniform3fv(at[`${name}Direction`], this.lights[k].direction);
      gl.uniform1i(at[`${name}Shadow`], 3 + k);
      gl.activeTexture(gl.TEXTURE3 + k);
      gl.bindTexture(gl.TEXTURE_2D, this.lights[k].map);
    });
    ['keyColor', 'rimColor', 'sky', 'ground'].forEach((name) => {
      gl.uniform3fv(at[name], this.light[name]);
    });
    ['colorMap', 'roughMap', 'normalMap'].forEach((name, k) => gl.uniform1i(at[name], k));
    for (const item of this.items) this.drawItem(item, at);
    gl.disable(gl.BLEND);
    gl.disable(gl.SAMPLE_ALPHA_TO_COVERAGE);
    gl.depthMask(true);
  }

  drawItem({ material, vao, count, type, tint }, at) {
    const { gl } = this;
    const blend = material.alphaMode === 'BLEND';
    const toggle = (flag, on) => (on ? gl.enable(flag) : gl.disable(flag));
    toggle(gl.BLEND, blend);
    toggle(gl.SAMPLE_ALPHA_TO_COVERAGE, material.alphaMode === 'MASK');
    toggle(gl.CULL_FACE, !material.doubleSided);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(!blend);
    gl.uniform3fv(at.tint, tint);
    gl.uniform1f(at.roughness, material.roughness);
    gl.uniform1f(at.metallic, material.metallic);
    gl.uniform1f(at.cutoff, material.cutoff);
    gl.uniform1i(at.kind, KINDS[material.kind] || 0);
    gl.uniform1i(at.alphaMode, ALPHA[material.alphaMode]);
    gl.uniform1i(at.toned, material.flat ? 1 : 0);
    gl.uniform1i(at.hasRough, material.rough === null ? 0 : 1);
    gl.uniform1i(at.hasNormal, material.normal === null ? 0 : 1);
    material.maps.forEach((texture, k) => {
      gl.activeTexture(gl.TEXTURE0 + k);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    gl.bindVertexArray(vao);
    gl.drawElements(gl.TRIANGLES, count, type, 0);
  }
}

// Drag, wheel, pinch, arrow keys; a slow sway until the first touch, where it is asked for.
function steer(viewer, stage, { sway: sways = true } = {}) {
  const { canvas } = viewer;
  const pointers = new Map();
  const first = { yaw: viewer.yaw, pitch: viewer.pitch, zoom: viewer.zoom };
  let swaying = sways && !matchMedia('(prefers-reduced-motion: reduce)').matches;
  const began = performance.now();
  const sway = (now) => {
    if (!swaying) return;
    viewer.view(first.yaw * Math.cos((now - began) / 2600), viewer.pitch, viewer.zoom);
    requestAnimationFrame(sway);
  };
  if (swaying) requestAnimationFrame(sway);
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  canvas.addEventListener('pointerdown', (event) => {
    swaying = false;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.classList.add('held');
  });
  canvas.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? spread() : 0;
    const dx = event.clientX - last.x;
    const dy = event.clientY - last.y;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) {
      viewer.view(viewer.yaw, viewer.pitch, (viewer.zoom * before) / Math.max(spread(), 1));
    } else {
      viewer.view(viewer.yaw - dx * 0.008, viewer.pitch + dy * 0.006, viewer.zoom);
    }
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) stage.classList.remove('held');
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    swaying = false;
    viewer.view(viewer.yaw, viewer.pitch, viewer.zoom * Math.exp(event.deltaY * 0.001));
  }, { passive: false });
  canvas.addEventListener('dblclick', () => viewer.view(0, first.pitch, first.zoom));
  canvas.addEventListener('keydown', (event) => {
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    const zooms = { '+': 0.9, '=': 0.9, '-': 1.1 };
    if (!(event.key in turns) && !(event.key in zooms)) return;
    event.preventDefault();
    swaying = false;
    const [yaw, pitch] = turns[event.key] || [0, 0];
    viewer.view(viewer.yaw + yaw, viewer.pitch + pitch, viewer.zoom * (zooms[event.key] || 1));
  });
  return { stop: () => { swaying = false; } };
}
