// Reads a GLB with the report's own reader and morphs it: node read_glb.mjs FILE WEIGHTS_JSON
import fs from 'node:fs';
import vm from 'node:vm';

const reader = new URL('../../src/portraiture/assets/report/glb.js', import.meta.url);
globalThis.createImageBitmap = async (blob) => ({ type: blob.type, size: blob.size });
vm.runInThisContext(`${fs.readFileSync(reader, 'utf8')}; globalThis.read = { readGlb, morphMesh };`);

const bytes = fs.readFileSync(process.argv[2]);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const model = await globalThis.read.readGlb(buffer);
const weights = JSON.parse(process.argv[3]);
const meshes = {};
for (const mesh of model.meshes) {
  const position = new Float32Array(mesh.position.length);
  const normal = new Float32Array(mesh.normal.length);
  globalThis.read.morphMesh(mesh, weights, position, normal);
  meshes[mesh.name] = {
    position: [...position], normal: [...normal], kind: mesh.material.kind,
    alphaMode: mesh.material.alphaMode, moving: [...mesh.targets.keys()], names: mesh.names,
  };
}
process.stdout.write(JSON.stringify({
  meshes, bones: model.bones, expression: model.expression, images: model.images,
}));
