"""Collar, placket and buttons of a shirt, on a draped body hull.

The collar is one swept profile: a stand that rises along the neck, a fold, and a leaf that falls
outside it, longer towards its two points in front.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
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
    ring_faces,
    sheet_block,
)
from portraiture.ops.vectors import unit

BUTTON_RADIUS_M = 0.0052
BUTTON_HEIGHTS_M = (0.497, 0.435, 0.376)
"""Heights of the buttons on the base mesh."""

_END_RAD = 0.42
_STRIP_HALF_M = 0.0165
_LEAF = np.array([0.0, 0.15, 0.35, 0.55, 0.75, 0.92, 1.0])


def collar_block(draped: Draped, line: neckline.Line, shape: HeadShape) -> Block:
    """Build the collar's stand and leaf, open in front."""
    half = np.linspace(_END_RAD, np.pi, 41)
    samples = np.concatenate([half, 2 * np.pi - half[-2::-1]])
    samples = np.where(samples > np.pi, samples - 2 * np.pi, samples)
    front = np.clip(1.0 - (np.abs(samples) - _END_RAD) / 0.9, 0.0, 1.0) ** 1.5
    angle, level = neckline.angle_of(draped.hull.points), line.level(draped.hull.points)
    rows = pattern.ring(draped.hull, level, angle, samples)
    above = pattern.ring(draped.hull, level + 0.010, angle, samples)
    base, normal = rows @ draped.points, unit(rows @ draped.normals)
    up = unit(0.55 * unit(above @ draped.points - base) + 0.45 * np.array([0.0, 1.0, 0.12]))
    out = unit(normal - (normal * up).sum(1, keepdims=True) * up)
    side = np.sign(samples)[:, None] * np.array([1.0, 0.0, 0.0])

    def point(u: ndarray, o: ndarray, lateral: ndarray) -> ndarray:
        return base + u[:, None] * up + o[:, None] * out + lateral[:, None] * side

    none = np.zeros(len(samples))
    stand = 0.030 - 0.008 * front
    rings = [
        point(share * stand + shift, none + o, none)
        for share, shift, o in (
            (0.0, -0.004, 0.0),
            (0.4, 0.0, 0.0010),
            (0.8, 0.0, 0.0012),
            (1.0, -0.0012, 0.0017),
            (1.0, 0.0, 0.0030),
        )
    ]
    rings = [clear_of_skin(ring, shape, 0.0015) for ring in rings]
    leaf = 0.040 + 0.022 * front
    flare = 0.30 + 0.25 * front
    for share in _LEAF:
        down = share * leaf
        lateral = 0.010 * share * front
        free = point(stand - 0.0015 - down * np.cos(flare), 0.0045 + down * np.sin(flare), lateral)
        rings.append(_clear_of_cloth(free, draped, 0.0028))
    rings.append(rings[-1] - 0.0012 * out)
    rings.append(_clear_of_cloth(rings[-3] - 0.0014 * out, draped, 0.0008))
    vertices = np.concatenate(rings)
    count = len(samples)
    faces = ring_faces(len(rings), count, closed=False)[:, ::-1]
    profile = arc_length(np.stack([ring[count // 2] for ring in rings]))
    uv = np.stack(
        [np.tile(arc_length(base), len(rings)), np.repeat(fabric_v(0.36 + profile), count)], axis=1
    )
    normals = vertex_normals(vertices, faces)
    return Block(vertices, normals, uv, faces, pattern.stack([rows] * len(rings)))


def _clear_of_cloth(points: ndarray, draped: Draped, clearance: float) -> ndarray:
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
