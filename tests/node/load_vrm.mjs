// Loads a VRM with three-vrm, poses it, and prints what it found: node load_vrm.mjs FILE
import fs from 'node:fs';

// Node has fetch, Blob and blob: addresses, but no window and no image decoder. three.js looks
// for these two; the pictures' pixels do not matter here, that they are decodable is the
// validator's business.
globalThis.self = globalThis;
globalThis.createImageBitmap = async () => ({ width: 1, height: 1, close() {} });

const THREE = await import('three');
const { GLTFLoader } = await import('three/addons/loaders/GLTFLoader.js');
const { VRMLoaderPlugin, VRMUtils, VRMRequiredHumanBoneName } = await import('@pixiv/three-vrm');

const complaints = [];
for (const level of ['warn', 'error']) console[level] = (...words) => complaints.push(words.join(' '));

const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
const bytes = fs.readFileSync(process.argv[2]);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const gltf = await loader.parseAsync(buffer, '');
const vrm = gltf.userData.vrm;

const bone = (name) => vrm.humanoid.getRawBoneNode(name);
const place = (name) => bone(name).getWorldPosition(new THREE.Vector3()).toArray();
vrm.scene.updateMatrixWorld(true);
const rest = Object.fromEntries(
  ['hips', 'head', 'leftFoot', 'leftUpperArm', 'leftLowerArm', 'leftHand',
   'rightUpperArm', 'rightLowerArm', 'rightHand'].map((name) => [name, place(name)]));

const meshes = [];
vrm.scene.traverse((node) => { if (node.isMesh) meshes.push(node); });
const influences = () => Object.fromEntries(
  meshes.filter((mesh) => mesh.morphTargetInfluences)
    .map((mesh) => [mesh.name, Object.fromEntries(
      Object.entries(mesh.morphTargetDictionary)
        .map(([name, index]) => [name, mesh.morphTargetInfluences[index]])
        .filter(([, weight]) => weight > 0))]));

const shown = {};
for (const name of ['aa', 'blink', 'jawOpen']) {
  vrm.expressionManager.resetValues();
  vrm.expressionManager.setValue(name, 1);
  vrm.update(1 / 60);
  shown[name] = influences();
}
vrm.expressionManager.resetValues();
vrm.lookAt.yaw = 30;  // to the avatar's left
vrm.update(1 / 60);
shown.gazeLeft = influences();

VRMUtils.rotateVRM0(vrm);  // turns only files of VRM 0; a VRM 1.0 faces +z by itself
process.stdout.write(JSON.stringify({
  metaVersion: vrm.meta.metaVersion,
  name: vrm.meta.name,
  missing: Object.values(VRMRequiredHumanBoneName).filter((name) => bone(name) === null),
  bones: Object.keys(vrm.humanoid.humanBones),
  presets: Object.keys(vrm.expressionManager.presetExpressionMap),
  custom: Object.keys(vrm.expressionManager.customExpressionMap),
  targets: Object.fromEntries(meshes.filter((mesh) => mesh.morphTargetDictionary)
    .map((mesh) => [mesh.name, Object.keys(mesh.morphTargetDictionary)])),
  meshes: meshes.map((mesh) => mesh.name),
  turned: vrm.scene.rotation.y,
  lookAt: vrm.lookAt.applier.constructor.type,
  rest, shown, complaints,
}));
