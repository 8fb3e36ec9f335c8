"""Parts of a bust as the page takes them: each a GLB of its own, named by what is in it.

Part ─digest─▶ the page has it? ─no─▶ GLB, with the head's vertices that carry each of its own
Parts stay in the engine's space (the ground is not at y = 0), so that an edit that only changes
the clothes does not move the face.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt16
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.shape import HeadShape
from portraiture.export.binary import GltfBuilder
from portraiture.export.flat import outlined
from portraiture.export.gltf import add_bust, referenced
from portraiture.recent import Recent
from portraiture.types import Bust, Part

CARRIERS = 4
"""Vertices of the head that carry one vertex of a part."""
KEPT = 64
"""Encoded parts that are kept, for undo and for the page that asks again."""


@dataclass(frozen=True)
class Named:
    """A part and the digest of all that is in it."""

    part: Part
    digest: str


class PartFiles:
    """Parts as bytes, each made once."""

    def __init__(self) -> None:
        self._files: Recent[str, bytes] = Recent(KEPT)
        self._digests: dict[int, tuple[weakref.ref[Part], str]] = {}

    def named(self, bust: Bust) -> list[Named]:
        """The parts in drawing order. A part is hashed the first time that it is seen."""
        return [Named(part, self._digest(part)) for part in bust.parts]

    def _digest(self, part: Part) -> str:
        """Remembered for as long as the part lives."""
        key = id(part)
        known = self._digests.get(key)
        if known is None or known[0]() is not part:
            gone = weakref.ref(part, lambda _: self._digests.pop(key, None))
            known = self._digests[key] = gone, digest(part)
        return known[1]

    def bundle(
        self, bust: Bust, shape: HeadShape, *, have: Collection[str], about: Mapping[str, Any]
    ) -> bytes:
        """Everything that a page with the parts `have` needs to show `bust`: u32 length of a JSON,
        the JSON (`about`, the parts and the length of each file), and the files of the parts that
        it lacks, each at a multiple of four bytes."""
        records, files = [], []
        for name in self.named(bust):
            data = b"" if name.digest in have else self._file(name, bust, shape)
            records.append({"name": name.part.name, "digest": name.digest, "length": len(data)})
            files.append(data + b"\0" * (-len(data) % 4))
        heads = bust.skeleton.heads
        eyes = {
            joint: heads[bust.skeleton.names.index(joint)].tolist()
            for joint in ("leftEye", "rightEye")
        }
        text = json.dumps({**about, "parts": records, "bones": eyes}).encode()
        text += b" " * (-len(text) % 4)
        return b"".join([len(text).to_bytes(4, "little"), text, *files])

    def _file(self, name: Named, bust: Bust, shape: HeadShape) -> bytes:
        return self._files.get(name.digest, lambda: part_glb(name.part, bust, shape))


def part_glb(part: Part, bust: Bust, shape: HeadShape) -> bytes:
    """A part, and its outline where it has one, as a GLB whose primitives have two attributes more,
    for the page alone: `_CARRIER_ROWS` and `_CARRIER_WEIGHTS`, see `carriers`."""
    builder = GltfBuilder()
    alone = replace(bust, parts=outlined([part]))
    scene = add_bust(builder, alone)
    tree = KDTree(shape.vertices)
    for one in alone.parts:
        if one.name not in scene.meshes:
            continue
        node = builder.document["nodes"][scene.meshes[one.name]]
        attributes = builder.document["meshes"][node["mesh"]]["primitives"][0]["attributes"]
        rows, weights = carriers(referenced(one).vertices, tree)
        attributes["_CARRIER_ROWS"] = builder.accessor(rows)
        attributes["_CARRIER_WEIGHTS"] = builder.accessor(weights)
    return builder.glb()


def carriers(
    vertices: Float32[ndarray, "V 3"], tree: KDTree
) -> tuple[UInt16[ndarray, "V 4"], Float32[ndarray, "V 4"]]:
    """The nearest vertices of the head and their weights, by inverse squares of the distances: a
    vertex that is the head's own is carried by that alone. tree: of the head's vertices."""
    found = tree.query(vertices, k=CARRIERS)
    distance, rows = np.asarray(found[0]), np.asarray(found[1])
    weights = 1.0 / np.maximum(distance, 1e-6) ** 2
    weights[distance[:, 0] < 1e-6] = (1.0, 0.0, 0.0, 0.0)
    weights /= weights.sum(1, keepdims=True)
    return rows.astype(np.uint16), weights.astype(np.float32)


def digest(part: Part) -> str:
    """A hash of all that is in a part."""
    found = hashlib.blake2b(digest_size=12)
    material = part.material
    plain = (
        part.name, material.kind, material.roughness_factor, material.metallic,
        material.alpha_mode, material.alpha_cutoff, material.double_sided, material.finish,
    )  # fmt: skip
    found.update(repr(plain).encode())
    arrays: Sequence[ndarray | None] = (
        part.vertices, part.faces, part.normals, part.uv,
        material.base_color, material.normal, material.roughness,
    )  # fmt: skip
    for array in arrays:
        if array is not None:
            found.update(repr(array.shape).encode())
            found.update(np.ascontiguousarray(array).data)
    for name, morph in sorted(part.morphs.items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(morph.indices).data)
        found.update(np.ascontiguousarray(morph.deltas).data)
    return found.hexdigest()
