"""A `Bust` as GLB 2.0: meshes, textures, skeleton with skin weights, and the 52 ARKit targets.

Bust ─grounded─▶ skeleton nodes, skin ─▶ a mesh node per part ─▶ document + one buffer ─▶ .glb

The file holds the neutral face; the expression of the photo is in the scene's ``extras``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from portraiture.export.binary import ELEMENT_ARRAY_BUFFER, GltfBuilder
from portraiture.export.compress import compressed
from portraiture.export.flat import is_outline, vertex_tones
from portraiture.export.material import Toning, add_material
from portraiture.export.morphs import NormalTargets, merged, tangents, wants_normal_targets
from portraiture.export.options import AS_BUILT, GlbOptions
from portraiture.export.skeleton import grounded
from portraiture.export.tailor import tailored
from portraiture.media import atomic_path
from portraiture.types import Bust, Morph, Part, Skeleton

HAIR_EPSILON_M = 4e-4
"""Smaller displacements of hair, a beard's above all, and of outlines cost megabytes and cannot be
seen."""


@dataclass(frozen=True)
class Scene:
    """Where the things of a bust went in a glTF document.

    bones: joint name to node. meshes: part name to node.
    """

    bones: dict[str, int]
    meshes: dict[str, int]


def write_glb(bust: Bust, path: Path | str, options: GlbOptions = AS_BUILT) -> None:
    """Write `bust` to `path`, whole or not at all. Raises OutputError.

    Metres, y up, the face along +z, the ground under the feet at y = 0. Every part that moves
    carries all the targets that `options` name, in that order, by default the 52 of `ARKIT_NAMES`.
    The same bust and options give the same bytes.
    """
    data = glb_bytes(bust, options)
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def glb_bytes(bust: Bust, options: GlbOptions = AS_BUILT) -> bytes:
    """What `write_glb` writes."""
    builder = GltfBuilder()
    add_bust(builder, tailored(grounded(bust), options), options=options)
    return (compressed(builder) if options.meshopt else builder).glb()


def add_bust(
    builder: GltfBuilder,
    bust: Bust,
    *,
    toning: Toning = "vertices",
    options: GlbOptions = AS_BUILT,
) -> Scene:
    """Put `bust` into an empty document as its one scene; parts without a triangle are left out.

    options: morph targets, texture channels and formats; all else is `tailor.tailored`'s. Raises
    ValueError when two parts have one name.
    """
    parts = [part for part in map(referenced, bust.parts) if len(part.faces)]
    if len({part.name for part in parts}) < len(parts):
        raise ValueError(f"parts share a name: {[part.name for part in parts]}")
    builder.document["asset"] = {"version": "2.0", "generator": "Portraiture"}
    bones = _add_bones(builder, bust.skeleton)
    skin = _add_skin(builder, bust.skeleton, bones)
    meshes = {part.name: _add_part(builder, part, skin, toning, options) for part in parts}
    scene: dict[str, Any] = {"name": "Portrait", "nodes": [bones[0], *meshes.values()]}
    expression = {name: float(weight) for name, weight in sorted(bust.expression.items())}
    scene["extras"] = {"expression": expression}
    builder.document["scene"] = builder.append("scenes", scene)
    return Scene(dict(zip(bust.skeleton.names, bones, strict=True)), meshes)


def _add_bones(builder: GltfBuilder, skeleton: Skeleton) -> list[int]:
    """A node per joint, translated from its parent and never turned; the root comes first."""
    nodes: list[int] = []
    heads = skeleton.heads.astype(np.float32)
    for name, parent, head in zip(skeleton.names, skeleton.parents, heads, strict=True):
        offset = head if parent < 0 else head - heads[parent]
        node = builder.append("nodes", {"name": name, "translation": offset.tolist()})
        nodes.append(node)
        if parent >= 0:
            builder.document["nodes"][nodes[parent]].setdefault("children", []).append(node)
    return nodes


def _add_skin(builder: GltfBuilder, skeleton: Skeleton, bones: list[int]) -> int:
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(bones), 1, 1))
    inverse[:, :3, 3] = -skeleton.heads
    record = {
        "name": "Skeleton",
        "skeleton": bones[0],
        "joints": bones,
        "inverseBindMatrices": builder.accessor(inverse, target=None),
    }
    return builder.append("skins", record)


def _add_part(
    builder: GltfBuilder, part: Part, skin: int, toning: Toning, options: GlbOptions
) -> int:
    """The part's mesh and its node, at the root of the scene as skinned meshes should be."""
    joints, weights = _skinning(part)
    uv = part.uv.astype(np.float32).copy()
    uv[:, 1] = 1.0 - uv[:, 1]
    attributes = {
        "POSITION": builder.accessor(part.vertices.astype(np.float32), bounds=True),
        "NORMAL": builder.accessor(_unit_normals(part.normals)),
        "TEXCOORD_0": builder.accessor(uv),
        "JOINTS_0": builder.accessor(joints),
        "WEIGHTS_0": builder.accessor(weights, normalized=True),
    }
    if part.material.normal is not None and "normal" in options.texture_channels:
        frame = tangents(part.vertices, part.faces, _unit_normals(part.normals), part.uv)
        attributes["TANGENT"] = builder.accessor(frame)
    tones = vertex_tones(part) if toning == "vertices" else None
    if tones is not None:
        attributes["COLOR_0"] = builder.accessor(tones, normalized=True)
    kind = "<u2" if len(part.vertices) <= 0xFFFF else "<u4"
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": builder.accessor(
            part.faces.reshape(-1).astype(kind), target=ELEMENT_ARRAY_BUFFER
        ),
        "material": add_material(builder, part, toning, options),
    }
    mesh: dict[str, Any] = {"name": part.name, "primitives": [primitive]}
    names = options.morph_names()
    if part.morphs and names:
        primitive["targets"] = _targets(builder, part, names)
        mesh["weights"] = [0.0] * len(names)
        mesh["extras"] = {"targetNames": list(names)}
    record = {"name": part.name, "mesh": builder.append("meshes", mesh), "skin": skin}
    return builder.append("nodes", record)


def _targets(builder: GltfBuilder, part: Part, names: Sequence[str]) -> list[dict[str, int]]:
    """A target for each name; those that do not move this part share one accessor of zeros."""
    count = len(part.vertices)
    still = Morph(np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    shading = NormalTargets(part.vertices, part.faces) if wants_normal_targets(part) else None
    coarse = part.material.kind == "hair" or part.name == "beard" or is_outline(part)
    epsilon = HAIR_EPSILON_M if coarse else 0.0
    targets = []
    for name in names:
        morph = merged(part.morphs.get(name, still), epsilon)
        target = {"POSITION": builder.sparse_accessor(morph.indices, morph.deltas, count)}
        if shading is not None:
            turn = shading.deltas(morph)
            target["NORMAL"] = builder.sparse_accessor(turn.indices, turn.deltas, count)
        targets.append(target)
    return targets


def _skinning(part: Part) -> tuple[ndarray, ndarray]:
    """Joints as bytes; weights as normalised bytes where all are 0 or 1, else as shorts.

    Integer weights sum to exactly one, as glTF asks: the rounding goes to the largest. Equal
    joints in one vertex are added up (each may come once); an unused slot names joint 0.
    """
    joints, weights = part.joints.astype(np.int64), part.weights.astype(np.float64)
    same = joints[:, :, None] == joints[:, None, :]
    first = np.argmax(same, axis=2) == np.arange(4)
    weights = np.where(first, (same * weights[:, None, :]).sum(2), 0.0)
    weights = weights / weights.sum(1, keepdims=True)
    rigid = bool(((weights == 0.0) | (weights == 1.0)).all())
    one, kind = (255, np.uint8) if rigid else (65535, np.uint16)
    parts = np.rint(weights * one).astype(np.int64)
    parts[np.arange(len(parts)), np.argmax(parts, axis=1)] += one - parts.sum(1)
    return np.where(parts > 0, joints, 0).astype(np.uint8), parts.astype(kind)


def referenced(part: Part) -> Part:
    """`part` without triangles that have two equal corners, and then without unused vertices."""
    a, b, c = part.faces.T
    proper = (a != b) & (b != c) & (c != a)
    faces = part.faces[proper]
    used = np.unique(faces)
    if len(used) == len(part.vertices):
        return replace(part, faces=faces, segment=part.segment[proper])
    row = np.full(len(part.vertices), -1)
    row[used] = np.arange(len(used))
    morphs = {}
    for name, morph in part.morphs.items():
        kept = row[morph.indices] >= 0
        morphs[name] = Morph(row[morph.indices[kept]], morph.deltas[kept])
    return replace(
        part,
        vertices=part.vertices[used],
        faces=row[faces],
        normals=part.normals[used],
        uv=part.uv[used],
        segment=part.segment[proper],
        joints=part.joints[used],
        weights=part.weights[used],
        morphs=morphs,
    )


def _unit_normals(normals: ndarray) -> ndarray:
    wide = normals.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.where(length > 1e-12, wide / np.maximum(length, 1e-12), [0.0, 0.0, 1.0]).astype("<f4")
