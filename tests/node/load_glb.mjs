// Opens a GLB with three.js' GLTFLoader, morphs it, and prints what it found: every mesh's vertices
// as they are shown, its triangles and textures. node load_glb.mjs FILE WEIGHTS_JSON
import fs from 'node:fs';

// Node has no image decoder: what the loader hands to it is noted, pixels are the validator's task.
globalThis.self = globalThis;
const images = [];
globalThis.createImageBitmap = async (blob) => {
  images.push(blob.type);
  return { width: 1, height: 1, close() {} };
};

const THREE = await import('three');
const { GLTFLoader } = await import('three/addons/loaders/GLTFLoader.js');
const { MeshoptDecoder } = await import('three/addons/libs/meshopt_decoder.module.js');

const complaints = [];
for (const level of ['warn', 'error']) console[level] = (...words) => complaints.push(words.join(' '));

const loader = new GLTFLoader();
loader.setMeshoptDecoder(MeshoptDecoder);
const bytes = fs.readFileSync(process.argv[2]);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const gltf = await loader.parseAsync(buffer, '');
const weights = JSON.parse(process.argv[3]);
gltf.scene.updateMatrixWorld(true);

const meshes = {};
gltf.scene.traverse((mesh) => {
  if (!mesh.isMesh) return;
  for (const [name, weight] of Object.entries(weights)) {
    const index = mesh.morphTargetDictionary?.[name];
    if (index !== undefined) mesh.morphTargetInfluences[index] = weight;
  }
  const { position, normal, uv } = mesh.geometry.attributes;
  const points = [];
  const vector = new THREE.Vector3();
  for (let i = 0; i < position.count; i++) {
    points.push(...mesh.getVertexPosition(i, vector).toArray());
  }
  const list = (attribute) => {
    const out = [];
    for (let i = 0; i < attribute.count; i++) {
      for (let k = 0; k < attribute.itemSize; k++) out.push(attribute.getComponent(i, k));
    }
    return out;
  };
  meshes[mesh.name] = {
    points, normals: list(normal), uv: list(uv), triangles: [...mesh.geometry.index.array],
    targets: Object.keys(mesh.morphTargetDictionary ?? {}),
    maps: ['map', 'normalMap', 'roughnessMap'].filter((name) => mesh.material[name]),
  };
});
process.stdout.write(JSON.stringify({ meshes, images, complaints }));
