"""Alpha test of fragments, shared by the reference rasteriser and its CPU kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import inlined, kernel

COARSER_LOD, COARSEST_LOD = 1.2, 3.0
"""Mip bias of the opacity of hair facing the camera, so that the edges of strands are as wide as a
pixel, and its maximum where cards are foreshortened."""

THIN = 0.15
"""Cosine between view and normal below which a card fades: from the edge, its gaps are dots."""


class AlphaTest(NamedTuple):
    """Inputs of the alpha test.

    cutoff: (F,) float32, a fragment passes if opacity >= cutoff; negative: every fragment passes.
    texture: (F, 3) int64 offset, rows and columns of the triangle's RGBA texture in `texels`.
    uv: (V, 2) float32, v up, textures repeat. texels: flat uint8. spread: in [0, 1], relative
    variation of the cutoff between neighbouring samples. The pattern covers 2 × 2 samples and
    rotates with the triangle's index, so that supersampled edges of thin hair become soft (alpha to
    coverage).
    """

    cutoff: ndarray
    texture: ndarray
    uv: ndarray
    texels: ndarray
    spread: float = 0.0


@inlined
def _facing(vertices, i, j, k, eye):
    """Absolute cosine between a triangle's normal and the view of its first corner."""
    x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    ax, ay, az = vertices[j, 0] - x, vertices[j, 1] - y, vertices[j, 2] - z
    bx, by, bz = vertices[k, 0] - x, vertices[k, 1] - y, vertices[k, 2] - z
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    vx, vy, vz = eye[0] - x, eye[1] - y, eye[2] - z
    size = math.sqrt((nx * nx + ny * ny + nz * nz) * (vx * vx + vy * vy + vz * vz))
    return abs(nx * vx + ny * vy + nz * vz) / max(size, 1e-20)


@kernel
def soften_hair(hair, vertices, faces, eye, lod, cutoff):
    """Mip level and cutoff (F,), float32, of the opacity of each triangle for supersampled colour:
    those with `hair` (F,) are filtered more the more they are turned away from the camera, and fade
    as they are seen from the edge; the others keep `lod` and `cutoff`.

    vertices: (V, 3). eye: (3,) camera position.
    """
    levels, cutoffs = lod.astype(np.float32), cutoff.astype(np.float32)
    for f in range(faces.shape[0]):
        if not hair[f] or cutoff[f] < 0.0:
            continue
        facing = max(_facing(vertices, faces[f, 0], faces[f, 1], faces[f, 2], eye), 0.01)
        levels[f] += min(COARSER_LOD - 0.5 * math.log2(facing), COARSEST_LOD)
        cutoffs[f] *= max(THIN / facing, 1.0)
    return levels, cutoffs
