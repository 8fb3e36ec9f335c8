"""Beards as solids: one closed surface round the strands, bound to the skin of its roots."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree

from portraiture.engine.face.beard import grow_beard
from portraiture.engine.hair.clumps import gather, resampled, sample
from portraiture.engine.hair.solid import carve
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import Binding, HeadShape, sparse_morph, vertex_normals
from portraiture.types import Material, Morph, Part, Segment

VOXEL_M, FINE_VOXEL_M = 0.0029, 0.0022
"""Side of a voxel of whole beards, and of small ones next to the lips."""
ROOTS = 1500
"""Strands from which a beard is built: hardly a voxel apart."""

LOCKS = 46
_SUNK_M = 0.004
_NEIGHBOURS = 6
_SMALLEST_M3 = 4e-7


def make_solid_beard(
    parameters: AvatarParameters, shape: HeadShape, material: Material
) -> Part | None:
    """Build the beard, or None for "none" and for stubble, which is painted."""
    if parameters.beard_style in ("none", "stubble"):
        return None
    roots, cards = grow_beard(parameters, shape, ROOTS, np.random.default_rng(97))
    if len(roots.face) < 20:
        return None
    strands = resampled(cards.centre, 8)
    reach = np.linalg.norm(strands[:, -1] - strands[:, 0], axis=1)
    clumps = gather(strands, reach, LOCKS, taper=0.25, limits=(0.0022, 0.0052))
    sunk = [roots.position - depth * roots.normal for depth in (0.0, 0.002, _SUNK_M)]
    whole = parameters.beard_style in ("short_beard", "full_beard")
    voxel = VOXEL_M if whole else FINE_VOXEL_M
    solid = carve(
        np.concatenate([*sunk, strands[:, :2].reshape(-1, 3)]),
        sample(clumps, 0.6 * voxel),
        voxel,
        sheets=strands[:, 1:-1].reshape(-1, 3),
        smallest=_SMALLEST_M3,
    )
    if solid is None:
        return None
    spread, nearest = _shares(solid.vertices, strands)
    binding = Binding(
        shape,
        roots.face.astype(np.int32),
        roots.barycentric.astype(np.float32),
        roots.position.astype(np.float32),
    )
    joints, weights = binding.skinning()
    label = Segment.HAIR if parameters.beard_style == "full_beard" else Segment.SKIN
    return Part(
        name="beard",
        vertices=solid.vertices,
        faces=solid.faces,
        normals=vertex_normals(solid.vertices, solid.faces),
        uv=np.stack([solid.ridge, 1.0 - solid.along], axis=1).astype(np.float32),
        material=material,
        segment=np.full(len(solid.faces), label, np.uint8),
        joints=joints[nearest],
        weights=weights[nearest],
        morphs=_moved(binding.morphs(), spread, len(strands)),
    )


def _shares(
    vertices: Float[ndarray, "V 3"], strands: Float[ndarray, "P T 3"]
) -> tuple[csr_matrix, ndarray]:
    """(V, P) shares, which sum to 1, of the roots of the nearest strands; and the nearest root."""
    count, points = strands.shape[:2]
    distance, found = KDTree(strands.reshape(-1, 3)).query(vertices, k=_NEIGHBOURS)
    root = np.asarray(found) // points
    share = 1.0 / (distance + 1e-3) ** 2
    share /= share.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(vertices)), _NEIGHBOURS)
    spread = csr_matrix((share.ravel(), (rows, root.ravel())), shape=(len(vertices), count))
    return spread, root[:, 0]


def _moved(morphs: Mapping[str, Morph], spread: csr_matrix, roots: int) -> dict[str, Morph]:
    """Displacements of the vertices from those of the roots."""
    out: dict[str, Morph] = {}
    for name, morph in morphs.items():
        moved = np.zeros((roots, 3))
        moved[morph.indices] = morph.deltas
        own = sparse_morph(np.asarray(spread @ moved))
        if own is not None:
            out[name] = own
    return out
