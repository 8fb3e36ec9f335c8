"""Morph targets as glTF wants them: rising unique indices, and what they do to the normals."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from portraiture.ops.vectors import unit
from portraiture.types import Morph, Part

NORMAL_EPSILON = 0.02
"""Changes of a unit normal below this length (1.1 degrees) are left out."""


def merged(morph: Morph, epsilon: float = 0.0) -> Morph:
    """The same displacement with rising indices; repeated ones are added up, in float64.

    Rows no longer than `epsilon` metres are left out, unless it is 0.
    """
    indices, position = np.unique(morph.indices, return_inverse=True)
    total = np.zeros((len(indices), 3))
    np.add.at(total, position, morph.deltas)
    kept = slice(None) if epsilon == 0.0 else np.linalg.norm(total, axis=1) > epsilon
    return Morph(indices[kept].astype(np.int64), total[kept].astype(np.float32))


class NormalTargets:
    """How the smooth normals of one part follow its morph targets.

    Normals are sums of face normals weighted by area, over vertices welded where UV seams split
    them. A morph target moves few faces, so only theirs are summed again.
    """

    def __init__(self, vertices: Float[ndarray, "V 3"], faces: Int[ndarray, "F 3"]):
        points, weld = np.unique(vertices, axis=0, return_inverse=True)
        self._weld = weld.reshape(-1)
        self._points = points.astype(np.float64)
        self._faces = self._weld[faces]
        self._vertices = np.asarray(vertices, np.float64)
        self._sums = self._sum_of(self._points, self._faces)

    def deltas(self, morph: Morph) -> Morph:
        """Change of the unit normals at weight 1, where it exceeds `NORMAL_EPSILON`."""
        moved = self._points.copy()
        moved[self._weld[morph.indices]] = self._vertices[morph.indices] + morph.deltas
        touched = np.zeros(len(moved), bool)
        touched[self._weld[morph.indices]] = True
        faces = self._faces[touched[self._faces].any(1)]
        change = self._sum_of(moved, faces) - self._sum_of(self._points, faces)
        delta = (unit(self._sums + change, least=1e-20) - unit(self._sums, least=1e-20))[self._weld]
        rows = np.flatnonzero(np.linalg.norm(delta, axis=1) > NORMAL_EPSILON)
        return Morph(rows, delta[rows].astype(np.float32))

    @staticmethod
    def _sum_of(points: ndarray, faces: ndarray) -> ndarray:
        a, b, c = (points[faces[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        total = np.empty_like(points)
        for axis in range(3):
            per_corner = np.repeat(normal[:, axis], 3)
            total[:, axis] = np.bincount(faces.reshape(-1), per_corner, minlength=len(points))
        return total


def welded_normals(
    vertices: Float[ndarray, "V 3"], normals: Float[ndarray, "V 3"]
) -> Float[ndarray, "V 3"]:
    """Unit normals that vertices at one place share, so that a hull along them has no cracks."""
    _, weld = np.unique(vertices, axis=0, return_inverse=True)
    weld = weld.reshape(-1)
    total = np.stack([np.bincount(weld, normals[:, axis]) for axis in range(3)], axis=1)
    return unit(total)[weld]


def wants_normal_targets(part: Part) -> bool:
    """Lit surfaces do; hair does not: the normals of its cards are chosen, not those of the
    cards, and those of a solid beard hardly turn."""
    material = part.material
    hairy = material.kind == "hair" or part.name == "beard"
    return bool(part.morphs) and not hairy and material.finish == "lit"


def tangents(
    vertices: Float[ndarray, "V 3"],
    faces: Int[ndarray, "F 3"],
    normals: Float[ndarray, "V 3"],
    uv: Float[ndarray, "V 2"],
) -> Float[ndarray, "V 4"]:
    """Unit tangents along +u and the sign of the bitangent along +v (v up), per vertex.

    Derivatives of position by UV (Lengyel 2001), summed by area over a vertex's triangles, made
    perpendicular to the normal. Where the UVs are degenerate any perpendicular direction serves.
    """
    p, t = vertices.astype(np.float64)[faces], uv.astype(np.float64)[faces]
    e1, e2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    d1, d2 = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    determinant = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    area = np.linalg.norm(np.cross(e1, e2), axis=1)
    scale = np.where(np.abs(determinant) > 1e-14, area * np.sign(determinant), 0.0)[:, None]
    along_u = unit(e1 * d2[:, 1:] - e2 * d1[:, 1:], least=1e-20) * scale
    along_v = unit(e2 * d1[:, :1] - e1 * d2[:, :1], least=1e-20) * scale
    tangent, bitangent = np.zeros_like(vertices, np.float64), np.zeros_like(vertices, np.float64)
    for corner in range(3):
        np.add.at(tangent, faces[:, corner], along_u)
        np.add.at(bitangent, faces[:, corner], along_v)
    n = normals.astype(np.float64)
    tangent -= n * (tangent * n).sum(1, keepdims=True)
    fallback = np.cross(n, np.eye(3)[np.argmin(np.abs(n), axis=1)])
    short = np.linalg.norm(tangent, axis=1) < 1e-12
    tangent = unit(np.where(short[:, None], fallback, tangent), least=1e-20)
    sign = np.where((np.cross(n, tangent) * bitangent).sum(1) < 0.0, -1.0, 1.0)
    return np.concatenate([tangent, sign[:, None]], axis=1).astype(np.float32)
