"""Drape a garment over one person: sheets and rings of fabric on the body hull."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import csr_matrix

from portraiture.engine.face.closest import closest_on_mesh
from portraiture.engine.face.follicles import closest_on_skin
from portraiture.engine.shape import HeadShape, vertex_normals
from portraiture.engine.wear import pattern
from portraiture.engine.wear.fabric import FABRIC_HEIGHT_M, FABRIC_V
from portraiture.engine.wear.neckline import descent_of
from portraiture.ops.vectors import unit

CLEARANCE_M = 0.003
"""Minimum distance between cloth and skin."""

NECK_CLEARANCE_M = 0.0045
"""Distance of a collar from the neck."""

SHOULDER = np.array([0.168, 0.525, 0.015])
ARM = np.array([0.636, -0.772, -0.009])
"""Shoulder joint and unit direction of the person's left upper arm on the base mesh, metres."""

NECK_DESCENT_M = 0.06
"""Descent (see `neckline`) above which cloth hugs the neck instead of bridging to it."""

_ARMPIT = np.array([0.158, 0.455, 0.0])
_NECK_TOP_M, _NAPE_TOP_M = 0.64, 0.69


@dataclass(frozen=True)
class Block:
    """Triangles of a garment. rows: (N, H) hull weights, from which skinning is derived. uv: u in
    metres and texture v."""

    vertices: Float[ndarray, "N 3"]
    normals: Float[ndarray, "N 3"]
    uv: Float[ndarray, "N 2"]
    faces: Int[ndarray, "F 3"]
    rows: csr_matrix


@dataclass(frozen=True)
class Draped:
    """The hull on one body: points (H, 3) clear of the skin, and unit normals."""

    hull: pattern.Hull
    points: Float[ndarray, "H 3"]
    normals: Float[ndarray, "H 3"]


def drape(shape: HeadShape, *, folds: float = 1.0, hug: float = NECK_DESCENT_M) -> Draped:
    """Drape the hull over this body: bridge hollows, add folds and push it off the skin.

    folds: factor on the depth of the folds. hug: descent (metres, see `neckline`) down to which the
    cloth follows the skin instead.
    """
    hull = pattern.body_hull(shape.model)
    points = hull.rows @ shape.vertices.astype(np.float64)
    smooth, pinned = smoothing(hull)
    bridge = 0.5 * ~pinned * beyond_armpits(hull)
    bridge *= np.clip((descent_of(hull.points) - hug) / 0.04, 0.0, 1.0)
    for _ in range(6):
        points = points + bridge[:, None] * (smooth @ points - points)
    normals = vertex_normals(points, hull.faces).astype(np.float64)
    points = points + normals * (0.0015 + folds * _folds(hull.points))[:, None]
    points = clear_of_skin(points, shape, CLEARANCE_M + 0.0005)
    points = _hug_neck(points, normals, hull, shape, hug)
    points = _over_bumps(points, hull, shape)
    return Draped(hull, points, vertex_normals(points, hull.faces).astype(np.float64))


def _hug_neck(
    points: ndarray, normals: ndarray, hull: pattern.Hull, shape: HeadShape, hug: float
) -> Float[ndarray, "H 3"]:
    """Pull the cloth around the neck in to `NECK_CLEARANCE_M` off the skin."""
    share = np.clip((hug + 0.015 - descent_of(hull.points)) / 0.025, 0.0, 1.0)
    near = np.flatnonzero(share > 0.0)
    feet = closest_on_skin(points[near], shape, _torso(shape))
    away = ((points[near] - feet.position) * feet.normal).sum(1)
    surplus = np.clip(away - NECK_CLEARANCE_M, 0.0, 0.02) * share[near]
    points = points.copy()
    points[near] -= surplus[:, None] * unit(normals[near] + feet.normal)
    return points


def _torso(shape: HeadShape) -> Int[ndarray, "T"]:
    """Triangles of the skin below the chin, and behind it below the hairline."""
    canonical = shape.model.arrays["template"][shape.model.arrays["skin_vertex"]]
    corners = canonical[shape.faces]
    top, front = corners[:, :, 1].max(1), corners[:, :, 2].max(1)
    return np.flatnonzero((top < _NECK_TOP_M) | ((top < _NAPE_TOP_M) & (front < 0.03)))


def beyond_armpits(hull: pattern.Hull) -> Float[ndarray, "H"]:
    """0 in the armpits, where cloth of arm and chest meets, and 1 from 6 cm off them."""
    mirrored = np.abs(hull.points) * [1.0, 1.0, 0.0] + hull.points * [0.0, 0.0, 0.5]
    return np.clip((np.linalg.norm(mirrored - _ARMPIT, axis=1) - 0.02) / 0.04, 0.0, 1.0)


def _over_bumps(points: ndarray, hull: pattern.Hull, shape: HeadShape) -> ndarray:
    """Push out the triangles through which skin vertices would protrude."""
    canonical = shape.model.arrays["template"][shape.model.arrays["skin_vertex"]]
    skin = shape.skin[canonical[:, 1] < _NECK_TOP_M - 0.04].astype(np.float64)
    for _ in range(3):
        face, barycentric = closest_on_mesh(skin, points, hull.faces)
        corners = hull.faces[face]
        normals = vertex_normals(points, hull.faces)
        foot = np.einsum("pk,pkc->pc", barycentric, points[corners])
        out = unit(np.einsum("pk,pkc->pc", barycentric, normals[corners]))
        reach = skin - foot
        depth = (reach * out).sum(1) + 0.5 * CLEARANCE_M
        depth = np.where(np.linalg.norm(reach, axis=1) < 0.03, np.clip(depth, 0.0, 0.02), 0.0)
        push = np.zeros(len(points))
        np.maximum.at(push, corners.ravel(), np.repeat(depth, 3))
        for _ in range(3):
            beside = push.copy()
            np.maximum.at(beside, hull.edges[:, 0], 0.85 * push[hull.edges[:, 1]])
            np.maximum.at(beside, hull.edges[:, 1], 0.85 * push[hull.edges[:, 0]])
            push = beside
        points = points + push[:, None] * normals
    return points


@lru_cache(maxsize=2)
def smoothing(hull: pattern.Hull) -> tuple[csr_matrix, ndarray]:
    """Neighbour-averaging matrix of the hull (H, H), and which vertices are on its border."""
    count = len(hull.points)
    both = np.concatenate([hull.edges, hull.edges[:, ::-1]])
    matrix = csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count))
    pinned = np.zeros(count, bool)
    for loop in pattern.border_loops(hull.faces):
        pinned[loop] = True
    sums = np.asarray(matrix.sum(1)).ravel()
    return (matrix.multiply(1.0 / sums[:, None])).tocsr(), pinned


def _folds(points: Float[ndarray, "H 3"]) -> Float[ndarray, "H"]:
    """Depth in metres of the folds that pull from the armpits across chest, back and sleeves."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    left = points[:, 0] > 0
    dx, dy = 0.150 - x, y - 0.455
    reach = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx) + 0.35 * np.sin(22.0 * reach + np.where(left, 0.0, 2.0))
    rays = np.where(z > 0.02, 8.0, 6.5) * angle + np.where(left, 0.6, 2.2) + 9.0 * reach
    ridge = np.exp(-((np.sin(0.5 * rays) / 0.42) ** 2)) - 0.3
    pull = ridge * np.exp(-(((reach - 0.065) / 0.05) ** 2))
    hang = np.sin(70.0 * x + 25.0 * (y - 0.4) + np.where(left, 0.4, 1.5))
    sag = hang * np.exp(-(((y - 0.375) / 0.05) ** 2)) * (z > 0.0)
    arm = (np.stack([x, y, z], axis=1) - SHOULDER) @ ARM
    sleeve = np.sin(130.0 * arm + 22.0 * z) * np.clip((arm - 0.005) / 0.05, 0.0, 1.0)
    return 0.0065 * pull + 0.0022 * sag + 0.0018 * sleeve


def clear_of_skin(
    points: Float[ndarray, "N 3"], shape: HeadShape, clearance: float | Float[ndarray, "N"]
) -> Float[ndarray, "N 3"]:
    """Move points inside the torso or neck, or nearer to its skin than `clearance` metres, out
    along the skin's normal."""
    torso = _torso(shape)
    points = points.copy()
    clearance = np.broadcast_to(clearance, len(points))
    moving = np.arange(len(points))
    for _ in range(3):
        feet = closest_on_skin(points[moving], shape, torso)
        reach = points[moving] - feet.position
        away = (reach * feet.normal).sum(1)
        near = np.linalg.norm(reach, axis=1) < 0.05
        push = np.where(near, np.clip(clearance[moving] - away, 0.0, 0.03), 0.0)
        points[moving] += push[:, None] * feet.normal
        moving = moving[push > 0.0]
        if not len(moving):
            break
    return points


def onto(points: Float[ndarray, "N 3"], draped: Draped, height: float) -> Float[ndarray, "N 3"]:
    """The points of the draped hull nearest to these, raised by `height` metres."""
    face, barycentric = closest_on_mesh(points, draped.points, draped.hull.faces)
    corners = draped.hull.faces[face]
    foot = np.einsum("pk,pkc->pc", barycentric, draped.points[corners])
    return foot + height * unit(np.einsum("pk,pkc->pc", barycentric, draped.normals[corners]))


def sheet_block(draped: Draped, sheet: pattern.Cut, *, raised: float = 0.0) -> Block:
    """Build the sheet, `raised` metres off the hull; vertices are split where fabric panels
    meet."""
    canonical = sheet.rows @ draped.hull.points
    corners = canonical[sheet.faces]
    normal = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    normal[:, 1] *= 0.8
    panel = np.argmax(normal, axis=1)
    pairs, inverse = np.unique(
        np.stack([sheet.faces.ravel(), np.repeat(panel, 3)], axis=1), axis=0, return_inverse=True
    )
    rows = sheet.rows[pairs[:, 0]]
    x, y, z = (rows @ draped.hull.points).T
    across = np.where(pairs[:, 1] == 0, z, x)
    up = np.where(pairs[:, 1] == 1, 0.5 + z, y)
    uv = np.stack([across, fabric_v(up)], axis=1)
    normals = unit(rows @ draped.normals)
    return Block(
        rows @ draped.points + raised * normals,
        normals,
        uv,
        inverse.reshape(-1, 3),
        rows,
    )


def fabric_v(height: Float[ndarray, "N"]) -> Float[ndarray, "N"]:
    """Texture v at a height (metres) on the base mesh."""
    share = np.clip((height - 0.345) / FABRIC_HEIGHT_M, 0.0, 1.0)
    return FABRIC_V[0] + share * (FABRIC_V[1] - FABRIC_V[0])


def ring_faces(rings: int, count: int, *, closed: bool) -> Int[ndarray, "F 3"]:
    """Triangles between consecutive rings of `count` vertices; `closed` joins last and first."""
    k = np.arange(count if closed else count - 1)
    after = (k + 1) % count
    first = [np.stack([k, after, count + after], 1), np.stack([k, count + after, count + k], 1)]
    quad = np.concatenate(first)
    return (np.arange(rings - 1)[:, None, None] * count + quad).reshape(-1, 3)


def closed_normals(
    vertices: Float[ndarray, "N 3"], faces: Int[ndarray, "F 3"], rings: int, count: int
) -> Float[ndarray, "N 3"]:
    """Smooth normals of rings whose last column coincides with the first."""
    normals = vertex_normals(vertices, faces).reshape(rings, count, 3)
    seam = unit(normals[:, 0] + normals[:, -1])
    normals[:, 0] = normals[:, -1] = seam
    return normals.reshape(-1, 3)


def arc_length(points: Float[ndarray, "N 3"]) -> Float[ndarray, "N"]:
    """Arc length (metres) of a polyline up to each of its points."""
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(step)])


def join(blocks: list[Block]) -> Block:
    """Concatenate several blocks."""
    start = np.cumsum([0] + [len(block.vertices) for block in blocks])
    return Block(
        np.concatenate([block.vertices for block in blocks]),
        np.concatenate([block.normals for block in blocks]),
        np.concatenate([block.uv for block in blocks]),
        np.concatenate([block.faces + k for block, k in zip(blocks, start[:-1], strict=True)]),
        pattern.stack([block.rows for block in blocks]),
    )
