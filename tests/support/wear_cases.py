"""Heads that differ, for the tests of what people wear."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head

CASES = (
    AvatarParameters(sex=0.05, age=0.5, african=0.05, asian=0.05, caucasian=0.9),
    AvatarParameters(sex=0.95, age=0.45, african=0.05, asian=0.9, caucasian=0.05, weight=0.85),
    AvatarParameters(sex=0.1, age=0.8, african=0.9, asian=0.05, caucasian=0.05, muscle=0.9),
    AvatarParameters(
        sex=0.6,
        age=0.35,
        shape={"nose_scale_horiz": 0.75, "eye_trans_out": 0.3, "head_scale_horiz": 0.7},
    ),
)


@lru_cache(maxsize=8)
def shape_of(case: int) -> HeadShape:
    """The head of one of the cases."""
    return shape_head(CASES[case])


def moved_by(shape: HeadShape, action: str, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Displacement of skin points by an action, from the baked shapes directly."""
    rows = shape.model.arrays["skin_vertex"][shape.faces[face]]
    deltas = shape.action_deltas(action)
    return sum(weights[:, k, None] * deltas[rows[:, k]] for k in range(3))


def dense_morph(part, action: str) -> np.ndarray:
    """A part's morph target as displacements of all its vertices."""
    out = np.zeros_like(part.vertices)
    if action in part.morphs:
        morph = part.morphs[action]
        out[morph.indices] = morph.deltas
    return out


def signed_distance(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Brute force over every triangle: distance to the nearest point of the surface, negative
    where that point's face normal looks away from the query. (P,)"""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    ab, ac = b - a, c - a
    normal = np.cross(ab, ac)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    out = np.empty(len(points))
    for i, p in enumerate(np.asarray(points, np.float64)):
        foot = _closest_points(p, a, b, c, ab, ac)
        gap = p - foot
        square = (gap * gap).sum(1)
        near = square <= square.min() + 1e-14
        side = (gap[near] * normal[near]).sum(1)
        out[i] = np.sqrt(square.min()) * np.sign(side[np.argmax(np.abs(side))])
    return out


def _closest_points(p, a, b, c, ab, ac):
    """Closest point of every triangle to p by Voronoi regions (Ericson 2005, section 5.1.5)."""
    ap, bp, cp = p - a, p - b, p - c
    d1, d2 = (ab * ap).sum(1), (ac * ap).sum(1)
    d3, d4 = (ab * bp).sum(1), (ac * bp).sum(1)
    d5, d6 = (ab * cp).sum(1), (ac * cp).sum(1)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = np.where(np.abs(va + vb + vc) > 1e-30, va + vb + vc, 1.0)
    out = a + (vb / total)[:, None] * ab + (vc / total)[:, None] * ac

    def put(region, point):
        out[region] = point[region]

    put((va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0), b + _share(d4 - d3, d5 - d6) * (c - b))
    put((vb <= 0) & (d2 >= 0) & (d6 <= 0), a + _share(d2, -d6) * ac)
    put((vc <= 0) & (d1 >= 0) & (d3 <= 0), a + _share(d1, -d3) * ab)
    put((d6 >= 0) & (d5 <= d6), c)
    put((d3 >= 0) & (d4 <= d3), b)
    put((d1 <= 0) & (d2 <= 0), a)
    return out


def _share(first, second):
    total = first + second
    return (first / np.where(np.abs(total) > 1e-30, total, 1.0))[:, None]


def covered(
    points: np.ndarray, directions: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """Whether the ray from each point meets a triangle within 8 cm (Moeller and Trumbore 1997)."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    e1, e2 = b - a, c - a
    out = np.zeros(len(points), bool)
    for i, (p, d) in enumerate(zip(np.asarray(points, float), directions, strict=True)):
        h = np.cross(d, e2)
        det = (e1 * h).sum(1)
        det = np.where(np.abs(det) < 1e-18, 1e-18, det)
        u = ((p - a) * h).sum(1) / det
        q = np.cross(p - a, e1)
        v, t = (q @ d) / det, (e2 * q).sum(1) / det
        e = 1e-9
        out[i] = ((u >= -e) & (v >= -e) & (u + v <= 1 + e) & (t > 0) & (t < 0.08)).any()
    return out
