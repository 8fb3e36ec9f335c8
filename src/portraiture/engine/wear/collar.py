"""Collar, placket and buttons of a shirt, on a draped body hull.

The collar is one swept profile: a stand that rises along the neck, a fold, and a leaf that falls
outside it, longer towards its two points in front.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import PchipInterpolator
from scipy.sparse import csr_matrix

from portraiture.engine.face.closest import closest_on_mesh
from portraiture.engine.shape import HeadShape, vertex_normals
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.fabric import TRIM_V
from portraiture.engine.wear.garment import (
    Block,
    Draped,
    arc_length,
    clear_of_skin,
    fabric_v,
    join,
    ring_faces,
    sheet_block,
)
from portraiture.engine.wear.neckline import Knots
from portraiture.ops.vectors import unit

BUTTON_RADIUS_M = 0.0052
BUTTON_HEIGHTS_M = (0.497, 0.435, 0.376)
"""Heights of the buttons on the base mesh."""

_STRIP_HALF_M = 0.0165
_LEAF = np.array([0.06, 0.18, 0.36, 0.54, 0.72, 0.88, 1.0])
_STAND = (
    (0.0, 0.004, 0.0004),
    (0.5, 0.0, 0.0006),
    (1.0, 0.0012, 0.0006),
    (1.0, -0.0004, 0.0020),
    (1.0, 0.0008, 0.0038),
)
"""Rings of the stand: share of the way from the seam to the fold, shift of the descent, and height
off the cloth, metres."""
_CLOTH_M = 0.0028
"""Distance of the collar's leaf from the cloth under it."""


@dataclass(frozen=True)
class Collar:
    """A shirt collar's cut: descents (see `neckline`) over the angle around the neck, radians.

    start, foot: angle of its two front ends at the fold and at the seam. fold: upper edge of the
    stand. edge: (angle along the fold, angle, descent) of points of the leaf's outer edge.
    """

    start: float
    foot: float
    fold: Knots
    edge: tuple[tuple[float, float, float], ...]


CLOSED = Collar(
    start=0.17,
    foot=0.06,
    fold=((0.0, 0.046), (0.6, 0.043), (1.4, 0.036), (2.2, 0.032), (np.pi, 0.031)),
    edge=(
        (0.17, 0.56, 0.115),
        (0.35, 0.85, 0.101),
        (0.9, 1.20, 0.089),
        (1.6, 1.70, 0.077),
        (2.3, 2.32, 0.072),
        (np.pi, np.pi, 0.071),
    ),
)
"""A collar closed in front, with points for a tie."""

OPEN = Collar(
    start=0.42,
    foot=0.34,
    fold=((0.0, 0.050), (0.6, 0.045), (1.4, 0.037), (2.2, 0.032), (np.pi, 0.031)),
    edge=(
        (0.42, 0.76, 0.120),
        (0.6, 0.97, 0.105),
        (1.0, 1.26, 0.092),
        (1.6, 1.70, 0.078),
        (2.3, 2.32, 0.072),
        (np.pi, np.pi, 0.071),
    ),
)
"""A collar with its top button open."""


def collar_block(draped: Draped, cut: Collar, shape: HeadShape) -> Block:
    """Build a collar: a stand that hugs the neck, a fold, and a leaf that falls outside it."""
    stand_rows, edge_rows = _pattern(draped.hull, cut)
    count = len(edge_rows.indptr) - 1
    rings = _stand(draped, stand_rows, shape)
    top = rings[-1]
    edge = edge_rows @ draped.points + _CLOTH_M * unit(edge_rows @ draped.normals)
    out = unit(stand_rows[-1] @ draped.normals + edge_rows @ draped.normals)
    leaf = [
        top + share * (edge - top) + 0.0035 * np.sin(np.pi * share**0.6) * out for share in _LEAF
    ]
    lower = clear_of_cloth(np.concatenate(leaf[2:]), draped, _CLOTH_M)
    rings += [*leaf[:2], *np.split(lower, len(leaf) - 2)]
    rings += [rings[-1] - 0.0016 * out, rings[-3] - 0.0018 * out]
    leaf_rows = [csr_matrix((1.0 - s) * stand_rows[-1] + s * edge_rows) for s in _LEAF]
    rows = [*stand_rows, *leaf_rows, leaf_rows[-1], leaf_rows[-3]]
    vertices = np.concatenate(rings)
    faces = ring_faces(len(rings), count, closed=False)[:, ::-1]
    normals = vertex_normals(vertices, faces)
    block = Block(vertices, normals, _collar_uv(rings), faces, pattern.stack(rows))
    ends = [_leaf_end(rings, rows, out, end) for end in (0, -1)]
    return join([block, *ends, _stand_outside(rings, rows, draped)])


@lru_cache(maxsize=4)
def _pattern(hull: pattern.Hull, cut: Collar) -> tuple[list[csr_matrix], csr_matrix]:
    """Hull weights of the stand's rings (see `_STAND`) and of the leaf's outer edge."""
    half = np.concatenate(
        [np.linspace(cut.start, cut.start + 0.5, 10)[:-1], np.linspace(cut.start + 0.5, np.pi, 30)]
    )
    samples = np.concatenate([half, -half[-2::-1]])
    lean = np.sign(samples) * (np.pi - np.abs(samples)) / (np.pi - cut.start)
    seam, fold = neckline.symmetric(neckline.SHIRT_SEAM), neckline.symmetric(cut.fold)
    stand = []
    for share, shift, _ in _STAND:
        descent = seam.descent + share * (fold.descent - seam.descent) + shift
        leaning = samples + (1.0 - share) * (cut.foot - cut.start) * lean
        stand.append(_around(hull, neckline.Line(seam.samples, descent), leaning))
    along, angle, descent = np.array(cut.edge).T
    turned = PchipInterpolator(along, angle)(half)
    edge = neckline.symmetric(tuple(zip(angle, descent, strict=True)))
    return stand, _around(hull, edge, np.concatenate([turned, -turned[-2::-1]]))


def _around(hull: pattern.Hull, line: neckline.Line, samples: Float[ndarray, "N"]) -> csr_matrix:
    return pattern.ring(hull, line.level(hull.points), neckline.angle_of(hull.points), samples)


def _stand(draped: Draped, rows: list[csr_matrix], shape: HeadShape) -> list[ndarray]:
    """Rings up the inside of the stand and over the fold."""
    off = np.repeat([height for _, _, height in _STAND], len(rows[0].indptr) - 1)
    stacked = pattern.stack(rows)
    points = stacked @ draped.points + off[:, None] * unit(stacked @ draped.normals)
    return np.split(clear_of_skin(points, shape, 0.0025 + off), len(rows))


def _stand_outside(rings: list[ndarray], rows: list, draped: Draped) -> Block:
    """The outer face of the stand, which shows between the ends of an open collar."""
    count = len(rings[0])
    stacked = [csr_matrix(rows[k]) for k in (3, 1, 0)]
    points = [rings[3], rings[1], rings[0]]
    raised = [
        point + height * unit(row @ draped.normals)
        for point, row, height in zip(points, stacked, (0.0, 0.0022, 0.0022), strict=True)
    ]
    vertices = np.concatenate(raised)
    faces = ring_faces(3, count, closed=False)[:, ::-1]
    v = np.repeat(fabric_v(np.array([0.40, 0.415, 0.43])), count)
    uv = np.stack([np.tile(arc_length(rings[3]), 3), v], axis=1)
    return Block(vertices, vertex_normals(vertices, faces), uv, faces, pattern.stack(stacked))


def _collar_uv(rings: list[ndarray]) -> Float[ndarray, "N 2"]:
    """Metres around the collar and across its profile at the nape."""
    count = len(rings[0])
    profile = arc_length(np.stack([ring[count // 2] for ring in rings]))
    around = np.tile(arc_length(rings[4]), len(rings))
    return np.stack([around, np.repeat(fabric_v(0.36 + profile), count)], axis=1)


def _leaf_end(rings: list[ndarray], rows: list, out: ndarray, end: int) -> Block:
    """The thickness of the leaf along one of its front edges."""
    leaf = slice(3, 3 + 2 + len(_LEAF))
    edge = np.stack([ring[end] for ring in rings[leaf]])
    vertices = np.concatenate([edge, edge - 0.0018 * out[end]])
    count = len(edge)
    faces = ring_faces(2, count, closed=False)
    faces = faces if end == -1 else faces[:, ::-1]
    around = np.tile(arc_length(edge), 2)
    uv = np.stack([around, np.repeat(fabric_v(np.array([0.40, 0.402])), count)], axis=1)
    picked = pattern.stack([csr_matrix(row)[end] for row in rows[leaf]])
    stacked = pattern.stack([picked, picked])
    return Block(vertices, vertex_normals(vertices, faces), uv, faces, stacked)


def clear_of_cloth(
    points: Float[ndarray, "P 3"], draped: Draped, clearance: float
) -> Float[ndarray, "P 3"]:
    """Push points out to at least `clearance` metres off the draped hull."""
    upper = draped.hull.faces[draped.hull.points[draped.hull.faces][:, :, 1].max(1) > 0.44]
    for _ in range(2):
        face, barycentric = closest_on_mesh(points, draped.points, upper)
        corner = upper[face]
        foot = np.einsum("pk,pkc->pc", barycentric, draped.points[corner])
        normal = unit(np.einsum("pk,pkc->pc", barycentric, draped.normals[corner]))
        away = ((points - foot) * normal).sum(1)
        points = points + np.clip(clearance - away, 0.0, 0.02)[:, None] * normal
    return points


def front_strip(draped: Draped, tip_m: float, bottom_m: float) -> Block:
    """Build the placket, the doubled strip with the buttons, from the opening's tip down."""
    points = draped.hull.points
    whole = pattern.Cut(pattern.diagonal(np.ones(len(points))), draped.hull.faces)
    level = np.minimum(_STRIP_HALF_M - np.abs(points[:, 0]), points[:, 1] - bottom_m)
    level = np.minimum(level, tip_m - 0.001 - points[:, 1])
    strip = pattern.cut(whole, np.where(points[:, 2] > 0.03, level, -0.01))
    flat = sheet_block(draped, strip, raised=0.0014)
    hem = []
    for loop in pattern.border_loops(strip.faces):
        rows = strip.rows[np.append(loop, loop[0])]
        hem.append(_edge(draped, rows))
    return join([flat, *hem])


def _edge(draped: Draped, rows: csr_matrix) -> Block:
    """Side faces that give a strip its thickness along its border."""
    points, normal = rows @ draped.points, unit(rows @ draped.normals)
    vertices = np.concatenate([points + 0.0014 * normal, points - 0.0010 * normal])
    count = len(points)
    faces = ring_faces(2, count, closed=False)
    around = arc_length(points)
    uv = np.stack([np.tile(around, 2), np.repeat(fabric_v(np.array([0.40, 0.403])), count)], axis=1)
    return Block(vertices, vertex_normals(vertices, faces), uv, faces, pattern.stack([rows, rows]))


def buttons(draped: Draped) -> list[Block]:
    """Build round buttons with a raised rim on the placket."""
    points, blocks = draped.hull.points, []
    front = draped.hull.faces[points[draped.hull.faces][:, :, 2].min(1) > 0.03]
    for height in BUTTON_HEIGHTS_M:
        face, barycentric = closest_on_mesh(np.array([[0.0, height, 0.2]]), points, front)
        # The closest point is searched from far in front; move it to the button's height.
        at = np.array([[0.0, height, float(points[front[face]].mean(1)[0, 2])]])
        face, barycentric = closest_on_mesh(at, points, front)
        row = csr_matrix((barycentric[0], ([0, 0, 0], front[face[0]])), shape=(1, len(points)))
        blocks.append(_button(draped, row))
    return blocks


def _button(draped: Draped, row: csr_matrix) -> Block:
    centre = np.asarray(row @ draped.points)[0]
    normal = unit(np.asarray(row @ draped.normals))[0]
    right = unit(np.cross([0.0, 1.0, 0.0], normal))
    up = np.cross(normal, right)
    turn = np.linspace(0.0, 2 * np.pi, 21)
    radii = BUTTON_RADIUS_M * np.array([1.0, 1.0, 0.93, 0.80, 0.70, 0.0])
    heights = 0.0014 + np.array([-0.0005, 0.0012, 0.0019, 0.0019, 0.0014, 0.0014])
    circle = np.cos(turn)[:, None] * right + np.sin(turn)[:, None] * up
    rings = [centre + r * circle + h * normal for r, h in zip(radii, heights, strict=True)]
    vertices = np.concatenate(rings)
    faces = ring_faces(len(radii), len(turn), closed=False)
    v = np.full(len(vertices), 0.5 * (TRIM_V[0] + TRIM_V[1]))
    uv = np.stack([np.tile(turn / 800.0, len(radii)), v], axis=1)
    rows = pattern.stack([row] * len(vertices))
    return Block(vertices, vertex_normals(vertices, faces), uv, faces, rows)
