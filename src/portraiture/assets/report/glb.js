'use strict';
// Reads the GLB files that Portraiture writes: one scene, a skeleton, meshes with one primitive,
// sparse morph targets, embedded pictures. Everything a viewer needs, nothing of glTF beyond.

const COMPONENTS = {
  5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array,
};
const WIDTHS = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4, MAT4: 16 };

function splitGlb(buffer) {
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== 0x46546c67 || view.getUint32(4, true) !== 2) {
    throw new Error('not a GLB 2.0 file');
  }
  const jsonLength = view.getUint32(12, true);
  const json = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, jsonLength)));
  const start = 20 + jsonLength + 8;
  return { json, binary: new Uint8Array(buffer, start, view.getUint32(20 + jsonLength, true)) };
}

function bytesOf(glb, viewIndex) {
  const { byteOffset = 0, byteLength } = glb.json.bufferViews[viewIndex];
  return glb.binary.subarray(byteOffset, byteOffset + byteLength);
}

function typed(glb, viewIndex, componentType) {
  const bytes = bytesOf(glb, viewIndex);
  const Kind = COMPONENTS[componentType];
  return new Kind(bytes.buffer, bytes.byteOffset, bytes.byteLength / Kind.BYTES_PER_ELEMENT);
}

function denseAccessor(glb, index) {
  const accessor = glb.json.accessors[index];
  return {
    values: typed(glb, accessor.bufferView, accessor.componentType),
    width: WIDTHS[accessor.type],
    count: accessor.count,
  };
}

// A morph target's rows; null where the target does not move this mesh.
function sparseAccessor(glb, index) {
  if (index === undefined) return null;
  const { sparse, min, max } = glb.json.accessors[index];
  if ([...min, ...max].every((bound) => bound === 0)) return null;
  return {
    rows: typed(glb, sparse.indices.bufferView, sparse.indices.componentType),
    values: typed(glb, sparse.values.bufferView, 5126),
  };
}

function readMaterial(json, index) {
  const material = json.materials[index];
  const surface = material.pbrMetallicRoughness;
  const image = (slot) => (slot ? json.textures[slot.index].source : null);
  return {
    kind: (material.extras && material.extras.kind) || 'plain',
    color: image(surface.baseColorTexture),
    rough: image(surface.metallicRoughnessTexture),
    normal: image(material.normalTexture),
    roughness: surface.roughnessFactor ?? 1,
    metallic: surface.metallicFactor ?? 1,
    alphaMode: material.alphaMode || 'OPAQUE',
    cutoff: material.alphaCutoff ?? 0.5,
    doubleSided: Boolean(material.doubleSided),
    flat: Boolean(material.extensions && material.extensions.KHR_materials_unlit),
  };
}

function readMesh(glb, mesh) {
  const primitive = mesh.primitives[0];
  const names = (mesh.extras && mesh.extras.targetNames) || [];
  const targets = new Map();
  (primitive.targets || []).forEach((target, index) => {
    const position = sparseAccessor(glb, target.POSITION);
    if (position) {
      targets.set(names[index], { position, normal: sparseAccessor(glb, target.NORMAL) });
    }
  });
  return {
    name: mesh.name,
    position: denseAccessor(glb, primitive.attributes.POSITION).values,
    normal: denseAccessor(glb, primitive.attributes.NORMAL).values,
    uv: denseAccessor(glb, primitive.attributes.TEXCOORD_0).values,
    index: denseAccessor(glb, primitive.indices).values,
    material: readMaterial(glb.json, primitive.material),
    carriers: readCarriers(glb, primitive.attributes),
    names,
    targets,
  };
}

// The head's vertices that carry each vertex, where the file has them (those of the studio do).
function readCarriers(glb, attributes) {
  if (attributes._CARRIER_ROWS === undefined) return null;
  return {
    rows: denseAccessor(glb, attributes._CARRIER_ROWS).values,
    weights: denseAccessor(glb, attributes._CARRIER_WEIGHTS).values,
  };
}

// World positions of the named nodes: bones are translated, never turned.
function readBones(json) {
  const places = {};
  const visit = (index, from) => {
    const node = json.nodes[index];
    const at = (node.translation || [0, 0, 0]).map((value, axis) => value + from[axis]);
    places[node.name] = at;
    (node.children || []).forEach((child) => visit(child, at));
  };
  json.scenes[json.scene].nodes.forEach((root) => visit(root, [0, 0, 0]));
  return places;
}

function decodeImages(glb) {
  const options = { premultiplyAlpha: 'none', colorSpaceConversion: 'none' };
  return Promise.all((glb.json.images || []).map((image) => createImageBitmap(
    new Blob([bytesOf(glb, image.bufferView)], { type: image.mimeType }), options)));
}

async function readGlb(buffer) {
  const glb = splitGlb(buffer);
  const scene = glb.json.scenes[glb.json.scene];
  return {
    meshes: glb.json.meshes.map((mesh) => readMesh(glb, mesh)),
    bones: readBones(glb.json),
    expression: (scene.extras && scene.extras.expression) || {},
    images: await decodeImages(glb),
  };
}

// Neutral mesh plus weighted targets, into `position` and `normal` (not renormalised).
function morphMesh(mesh, weights, position, normal) {
  position.set(mesh.position);
  normal.set(mesh.normal);
  for (const [name, target] of mesh.targets) {
    const weight = weights[name] || 0;
    if (weight === 0) continue;
    addRows(position, target.position, weight);
    if (target.normal) addRows(normal, target.normal, weight);
  }
}

function addRows(out, { rows, values }, weight) {
  for (let k = 0, from = 0; k < rows.length; k += 1, from += 3) {
    const to = rows[k] * 3;
    out[to] += weight * values[from];
    out[to + 1] += weight * values[from + 1];
    out[to + 2] += weight * values[from + 2];
  }
}
