"""Sheets of cloth around the torso, with their hems, bands and seams, on a draped body hull."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix

from portraiture.engine.shape import vertex_normals
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.garment import (
    ARM,
    SHOULDER,
    Block,
    Draped,
    arc_length,
    closed_normals,
    fabric_v,
    ring_faces,
)
from portraiture.ops.vectors import unit

_SLEEVE_M = 0.118
_ARMHOLE, _ARMHOLE_NORMAL = np.array([0.160, 0.52, 0.012]), np.array([0.96, -0.28, 0.0])
BOTTOM_M = 0.356
"""Height of the lower end of every garment on the base mesh."""
UNDER_M = 0.02
"""How far what is worn under a jacket reaches beyond its opening."""


def arm_distance(points: Float[ndarray, "N 3"]) -> Float[ndarray, "N"]:
    """Distance (metres) along either upper arm past the shoulder joint, on the base mesh."""
    mirrored = np.stack([np.abs(points[:, 0]), points[:, 1], points[:, 2]], axis=1)
    return (mirrored - SHOULDER) @ ARM


@lru_cache(maxsize=16)
def cut_sheet(
    hull: pattern.Hull, line: neckline.Line, *, over: neckline.Line | None = None
) -> pattern.Cut:
    """Cut the sheet below a neckline, down to the lower end and the sleeves' ends.

    over: the opening of a garment above it, beyond which the sheet reaches by `UNDER_M` only.
    """
    points = hull.points
    whole = pattern.Cut(pattern.diagonal(np.ones(len(points))), hull.faces)
    level = np.minimum(line.level(points), points[:, 1] - BOTTOM_M)
    level = np.minimum(level, _SLEEVE_M - arm_distance(points))
    if over is not None:
        level = np.minimum(level, UNDER_M - over.level(points))
    return pattern.cut(whole, level)


def caps(draped: Draped, line: neckline.Line) -> list[Block]:
    """Build the rolled hems that close the sleeves and the lower end of a sheet."""
    return [_cap(draped, rows) for rows in _ends(draped.hull, line)]


@lru_cache(maxsize=8)
def _ends(hull: pattern.Hull, line: neckline.Line) -> list[csr_matrix]:
    """Hull weights of the lower end's and the sleeves' borders."""
    sheet = cut_sheet(hull, line)
    loops = [sheet.rows[loop] for loop in pattern.border_loops(sheet.faces)]
    return [csr_matrix(rows) for rows in loops if (rows @ hull.points)[:, 1].mean() < 0.52]


def _cap(draped: Draped, rows: csr_matrix) -> Block:
    mean = csr_matrix(np.asarray(rows.mean(0)))
    shares = (0.0, 0.012, 0.05, 0.12, 0.5, 1.0)
    sunk = (0.0, 0.0004, 0.0, -0.004, -0.006, -0.006)
    points = rows @ draped.points
    count = len(points)
    centre = np.asarray(mean @ draped.points).ravel()
    axis = unit(np.cross(points - centre, np.roll(points, -1, 0) - centre).sum(0))
    stack, positions = [], []
    for share, depth in zip(shares, sunk, strict=True):
        stack.append((1.0 - share) * rows + share * pattern.stack([mean] * count))
        positions.append(points + share * (centre - points) + axis * depth)
    vertices = np.concatenate(positions)
    faces = ring_faces(len(shares), count, closed=True)
    v = np.repeat(fabric_v(np.array([0.36, 0.362, 0.366, 0.375, 0.40, 0.43])), count)
    around = np.linspace(0.0, 0.4, count)
    uv = np.stack([np.tile(around, len(shares)), v], axis=1)
    normals = vertex_normals(vertices, faces)
    return Block(vertices, normals, uv, faces, pattern.stack(stack))


def band(
    draped: Draped,
    line: neckline.Line,
    levels: Float[ndarray, "K"],
    raised: Float[ndarray, "K"],
    v: Float[ndarray, "K"],
) -> Block:
    """Build a closed band of rings at `levels` of the neckline, `raised` metres off the cloth.

    v: texture v of each ring.
    """
    rows = _rings(draped.hull, line, tuple(levels.tolist()))
    positions = [
        ring @ draped.points + height * unit(ring @ draped.normals)
        for ring, height in zip(rows, raised, strict=True)
    ]
    around = arc_length(positions[len(positions) // 2])
    uv = np.stack([np.tile(around, len(v)), np.repeat(v, len(around))], axis=1)
    vertices = np.concatenate(positions)
    faces = ring_faces(len(v), len(line.samples), closed=False)
    normals = closed_normals(vertices, faces, len(v), len(line.samples))
    return Block(vertices, normals, uv, faces, pattern.stack(rows))


@lru_cache(maxsize=8)
def _rings(hull: pattern.Hull, line: neckline.Line, levels: tuple[float, ...]) -> list[csr_matrix]:
    """Hull weights of rings that lie `levels` metres of descent below a neckline."""
    angle, level = neckline.angle_of(hull.points), line.level(hull.points)
    return [pattern.ring(hull, level - offset, angle, line.samples) for offset in levels]


def armhole_seams(draped: Draped) -> list[Block]:
    """Build the ridges of the armhole seams."""
    v = fabric_v(np.array([0.44, 0.442, 0.444, 0.446]))
    blocks = []
    for rings in _armholes(draped.hull):
        positions = [
            ring @ draped.points + height * unit(ring @ draped.normals)
            for ring, height in zip(rings, (-4e-4, 7e-4, 7e-4, -4e-4), strict=True)
        ]
        vertices, count = np.concatenate(positions), len(positions[0])
        uv = np.stack([np.tile(arc_length(positions[1]), 4), np.repeat(v, count)], axis=1)
        faces = ring_faces(4, count, closed=False)
        rows = pattern.stack(rings)
        normals = unit(rows @ draped.normals)
        blocks.append(Block(vertices, normals, uv, _facing(faces, vertices, normals), rows))
    return blocks


@lru_cache(maxsize=2)
def _armholes(hull: pattern.Hull) -> list[list[csr_matrix]]:
    """Hull weights of four rings along the seam of either sleeve."""
    samples = np.linspace(-np.pi, np.pi, 65)
    sides = []
    for side in (1.0, -1.0):
        out = _ARMHOLE_NORMAL * [side, 1.0, 1.0]
        offset = hull.points - _ARMHOLE * [side, 1.0, 1.0]
        up = unit(np.cross(out, [0.0, 0.0, side]))
        angle = np.arctan2(offset @ np.cross(out, up), offset @ up)
        along = offset @ out
        radius = np.linalg.norm(offset - along[:, None] * out, axis=1)
        among = (radius < 0.09) & (np.abs(along) < 0.05)
        shifts = (-3e-3, -1.2e-3, 1.2e-3, 3e-3)
        sides.append(
            [pattern.ring(hull, along - shift, angle, samples, among=among) for shift in shifts]
        )
    return sides


def _facing(faces: ndarray, vertices: ndarray, normals: ndarray) -> ndarray:
    """Flip the winding of all triangles if most of them face against the normals."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    agree = (across * normals[faces].sum(1)).sum(1)
    return faces if agree.sum() >= 0 else faces[:, ::-1]
