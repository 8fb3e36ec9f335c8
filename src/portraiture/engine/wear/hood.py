"""The hood of a hooded sweater, lying on shoulders and back, and its drawstrings."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import PchipInterpolator
from scipy.sparse import coo_matrix, csr_matrix

from portraiture.engine.face.closest import closest_on_mesh
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.fabric import TRIM_V
from portraiture.engine.wear.garment import (
    Block,
    Draped,
    arc_length,
    closed_normals,
    fabric_v,
    ring_faces,
)
from portraiture.engine.wear.sweep import tube
from portraiture.ops.vectors import unit

_ANGLE = np.array([0.0, 0.3, 0.8, 1.5, 2.2, 2.7, np.pi])
_RISE_M = np.array([0.004, 0.013, 0.026, 0.031, 0.027, 0.023, 0.021])
_FALL_M = np.array([0.012, 0.016, 0.022, 0.032, 0.075, 0.115, 0.128])
_BULK_M = np.array([0.009, 0.014, 0.020, 0.026, 0.036, 0.046, 0.050])
"""By angle around the neck: how far the hood rises along the neck, how far it falls over the
shoulders and the back, and how thick it lies."""

_PROFILE = np.array([
    (0.0, 0.02), (-0.45, 0.08), (-0.82, 0.2), (-1.0, 0.45), (-0.95, 0.72), (-0.6, 0.92),
    (-0.1, 1.0), (0.3, 0.98), (0.62, 0.86), (0.85, 0.62), (0.97, 0.34), (1.0, 0.12), (0.96, 0.0),
])  # fmt: skip
"""Rings from the seam up, over the fold and down: share of the rise (negative) or fall, and of the
bulk."""

_CORD_ANGLE, _CORD_M, _CORD_RADIUS_M = 0.30, 0.125, 0.0026


def hood(draped: Draped, line: neckline.Line) -> list[Block]:
    """Build the hood, sewn on at a neckline, and two drawstrings."""
    rows = _rings(draped.hull, line)
    bulk = _around(_BULK_M, line.samples)
    swell = 1.0 + 0.07 * np.sin(5.0 * line.samples + 0.7) + 0.05 * np.sin(9.0 * line.samples)
    positions = [
        ring @ draped.points + (0.002 + share * swell * bulk)[:, None] * unit(ring @ draped.normals)
        for ring, share in zip(rows, _PROFILE[:, 1], strict=True)
    ]
    count, vertices = len(line.samples), np.concatenate(positions)
    profile = arc_length(np.stack([ring[count // 4] for ring in positions]))
    around = arc_length(positions[len(positions) // 2])
    v = np.repeat(fabric_v(0.36 + profile), count)
    uv = np.stack([np.tile(around, len(rows)), v], axis=1)
    faces = ring_faces(len(rows), count, closed=False)[:, ::-1]
    normals = closed_normals(vertices, faces, len(rows), count)
    cords = [_cord(draped, positions, line, side) for side in (1.0, -1.0)]
    return [Block(vertices, normals, uv, faces, pattern.stack(rows)), *cords]


@lru_cache(maxsize=4)
def _rings(hull: pattern.Hull, line: neckline.Line) -> list[csr_matrix]:
    """Hull weights of the rings of `_PROFILE`."""
    angle = neckline.angle_of(hull.points)
    rise, fall = _around(_RISE_M, line.samples), _around(_FALL_M, line.samples)
    rings = []
    for share, _ in _PROFILE:
        shifted = line.descent + share * (fall if share > 0.0 else rise)
        moved = neckline.Line(line.samples, shifted)
        rings.append(pattern.ring(hull, moved.level(hull.points), angle, line.samples))
    return rings


def _around(values: Float[ndarray, "K"], samples: Float[ndarray, "N"]) -> Float[ndarray, "N"]:
    return PchipInterpolator(_ANGLE, values)(np.abs(samples))


def _cord(draped: Draped, rings: list[ndarray], line: neckline.Line, side: float) -> Block:
    """A drawstring that comes out of the hood and hangs down the chest. side: 1 the person's left,
    -1 the right."""
    column = int(np.argmin(np.abs(line.samples - side * _CORD_ANGLE)))
    start = rings[6][column]
    share = np.linspace(0.0, 1.0, 22)[:, None]
    sway = 0.004 * side * np.sin(4.0 * share + side)
    path = start + share * [0.008 * side, -_CORD_M, 0.0] + sway * [1.0, 0.0, 0.0]
    upper = draped.hull.faces[draped.hull.points[draped.hull.faces][:, :, 2].min(1) > 0.0]
    face, barycentric = closest_on_mesh(path, draped.points, upper)
    corner = upper[face]
    foot = np.einsum("pk,pkc->pc", barycentric, draped.points[corner])
    normal = unit(np.einsum("pk,pkc->pc", barycentric, draped.normals[corner]))
    lying = foot + 1.1 * _CORD_RADIUS_M * normal
    off = np.linalg.norm(start - foot[0]) * np.exp(-((share / 0.16) ** 2))
    path = lying + off * normal
    turn = np.linspace(0.0, 2.0 * np.pi, 9)[:-1, None]
    tangent = unit(np.gradient(path, axis=0))
    right = unit(np.cross(normal, tangent))
    girth = _CORD_RADIUS_M * np.where(share > 0.93, 1.35, 1.0)
    ring = (
        np.cos(turn)[None] * right[:, None] + np.sin(turn)[None] * np.cross(tangent, right)[:, None]
    )
    solid = tube(path[:, None] + girth[:, None] * ring)
    near, weights = closest_on_mesh(solid.vertices, draped.points, upper)
    index = np.repeat(np.arange(len(near)), 3)
    rows = coo_matrix(
        (weights.ravel(), (index, upper[near].ravel())), shape=(len(near), len(draped.points))
    )
    uv = np.stack([solid.uv[:, 0], np.full(len(near), 0.5 * sum(TRIM_V))], axis=1)
    return Block(solid.vertices, solid.normals, uv, solid.faces, csr_matrix(rows))
