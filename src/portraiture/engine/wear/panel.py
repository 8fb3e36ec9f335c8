"""Panels: grids of cloth laid on a draped hull, with thick borders (lapels, collars, ties).

A panel is a grid of M rows and N columns. Its pattern points lie on the base mesh; `laid` gives
their weights of hull vertices, by which they follow every body.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix

from portraiture.engine.face.closest import closest_on_mesh
from portraiture.engine.shape import vertex_normals
from portraiture.engine.wear import pattern
from portraiture.engine.wear.fabric import EDGE_V
from portraiture.engine.wear.garment import Block, Draped, fabric_v, join, onto, ring_faces
from portraiture.ops.vectors import unit

SHADOW_M = 0.005
"""Width of the soft shadow along a panel's border."""

SOFTNESS = 1.0
"""How far the normals of a border lean to those of the cloth: rolled edges, not cut ones."""


def laid(hull: pattern.Hull, points: Float[ndarray, "P 3"]) -> csr_matrix:
    """(P, H) weights of the hull's points nearest to `points` on the base mesh."""
    face, barycentric = closest_on_mesh(points, hull.points, hull.faces)
    count = len(points)
    index = (np.repeat(np.arange(count), 3), hull.faces[face].ravel())
    return csr_matrix((barycentric.ravel(), index), shape=(count, len(hull.points)))


def coons(
    top: Float[ndarray, "N D"],
    bottom: Float[ndarray, "N D"],
    left: Float[ndarray, "M D"],
    right: Float[ndarray, "M D"],
) -> Float[ndarray, "M N D"]:
    """Interpolate a grid between its four sides (Coons 1967), which share their corners."""
    s = np.linspace(0.0, 1.0, len(left))[:, None, None]
    t = np.linspace(0.0, 1.0, len(top))[None, :, None]
    ruled = (1 - s) * top[None] + s * bottom[None] + (1 - t) * left[:, None] + t * right[:, None]
    corners = (1 - s) * ((1 - t) * top[0] + t * top[-1]) + s * (
        (1 - t) * bottom[0] + t * bottom[-1]
    )
    return ruled - corners


def polyline(knots: Float[ndarray, "K D"], count: int) -> Float[ndarray, "N D"]:
    """`count` points along straight lines between knots, evenly spaced but for the corners, each
    of which is kept by the point that is nearest to it."""
    knots = np.asarray(knots, np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], count)
    for corner in along[1:-1]:
        at[1 + np.argmin(np.abs(at[1:-1] - corner))] = corner
    return np.stack([np.interp(at, along, knots[:, d]) for d in range(knots.shape[1])], axis=1)


def panel(
    points: Float[ndarray, "M N 3"],
    rows: csr_matrix,
    outward: Float[ndarray, "M N 3"],
    uv: Float[ndarray, "M N 2"],
    thickness: float,
    *,
    under: Draped | None = None,
) -> Block:
    """Build a grid of cloth with a border `thickness` metres thick.

    points: of its outer face. rows: (M * N, H). outward: unit vectors off the body. uv: as in
    `Block`. under: cloth down to which the border reaches instead, and on which a soft shadow lies
    along all sides but the first column.
    """
    height, width = points.shape[:2]
    vertices = points.reshape(-1, 3)
    faces = ring_faces(height, width, closed=False)
    normals = vertex_normals(vertices, faces).astype(np.float64)
    flipped = (normals * outward.reshape(-1, 3)).sum() < 0.0
    if flipped:
        faces, normals = faces[:, ::-1], -normals
    flat = uv.reshape(-1, 2)
    face = Block(vertices, normals, flat, faces, rows)
    border = _perimeter(height, width)
    off = outward.reshape(-1, 3)[border]
    rim = vertices[border]
    rings = [rim, rim - thickness * off]
    v = fabric_v(np.array([0.40, 0.40 + thickness]))
    if under is not None:
        along = np.roll(rim, -1, axis=0) - np.roll(rim, 1, axis=0)
        away = unit(np.cross(along, off)) * (-1.0 if flipped else 1.0)
        width_of = np.where(border % width == 0, 0.0, SHADOW_M)[:, None]
        rings = [rim, onto(rim, under, 0.0010), onto(rim + width_of * away, under, 0.0017)]
        v = np.array([EDGE_V[1], EDGE_V[0], EDGE_V[1]])
    side = np.concatenate(rings)
    around = ring_faces(len(rings), len(border), closed=True)
    around = around if flipped else around[:, ::-1]
    length = np.linalg.norm(np.roll(rim, 1, axis=0) - rim, axis=1).cumsum()
    uv_side = np.stack([np.tile(length, len(rings)), np.repeat(v, len(border))], axis=1)
    side_rows = pattern.stack([csr_matrix(rows[border])] * len(rings))
    leaning = vertex_normals(side, around) + SOFTNESS * np.tile(off, (len(rings), 1))
    return join([face, Block(side, unit(leaning), uv_side, around, side_rows)])


def _perimeter(height: int, width: int) -> ndarray:
    """Indices of a grid's border, once around."""
    grid = np.arange(height * width).reshape(height, width)
    sides = (grid[0, :-1], grid[:-1, -1], grid[-1, :0:-1], grid[:0:-1, 0])
    return np.concatenate(sides)


def lie(
    draped: Draped, rows: csr_matrix, raised: Float[ndarray, "P"]
) -> tuple[Float[ndarray, "P 3"], Float[ndarray, "P 3"]]:
    """Points `raised` metres off the draped hull, and its unit normals there."""
    normals = unit(rows @ draped.normals)
    return rows @ draped.points + np.asarray(raised)[:, None] * normals, normals
