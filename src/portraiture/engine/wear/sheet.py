"""Sheets of cloth around the torso, with their hems, bands and seams, on a draped body hull."""

from __future__ import annotations

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


def arm_distance(points: Float[ndarray, "N 3"]) -> Float[ndarray, "N"]:
    """Distance (metres) along either upper arm past the shoulder joint, on the base mesh."""
    mirrored = np.stack([np.abs(points[:, 0]), points[:, 1], points[:, 2]], axis=1)
    return (mirrored - SHOULDER) @ ARM


def cut_sheet(
    draped: Draped, line: neckline.Line, *, within: Float[ndarray, "H"] | None = None
) -> pattern.Cut:
    """Cut the sheet below a neckline, down to the lower end and the sleeves' ends. within: level of
    the hull's vertices that is positive where cloth is kept."""
    points = draped.hull.points
    whole = pattern.Cut(pattern.diagonal(np.ones(len(points))), draped.hull.faces)
    level = np.minimum(line.level(points), points[:, 1] - BOTTOM_M)
    level = np.minimum(level, _SLEEVE_M - arm_distance(points))
    return pattern.cut(whole, level if within is None else np.minimum(level, within))


def caps(draped: Draped, sheet: pattern.Cut) -> list[Block]:
    """Rolled hems that close the sleeves and the lower end."""
    blocks = []
    for loop in pattern.border_loops(sheet.faces):
        rows = sheet.rows[loop]
        if (rows @ draped.hull.points)[:, 1].mean() < 0.52:
            blocks.append(_cap(draped, rows))
    return blocks


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
    angle = neckline.angle_of(draped.hull.points)
    level = line.level(draped.hull.points)
    rows, positions = [], []
    for offset, height in zip(levels, raised, strict=True):
        ring = pattern.ring(draped.hull, level - offset, angle, line.samples)
        rows.append(ring)
        positions.append(ring @ draped.points + height * unit(ring @ draped.normals))
    around = arc_length(positions[len(positions) // 2])
    uv = np.stack([np.tile(around, len(v)), np.repeat(v, len(around))], axis=1)
    vertices = np.concatenate(positions)
    faces = ring_faces(len(v), len(line.samples), closed=False)
    normals = closed_normals(vertices, faces, len(v), len(line.samples))
    return Block(vertices, normals, uv, faces, pattern.stack(rows))


def armhole_seams(draped: Draped) -> list[Block]:
    """Build the ridges of the armhole seams."""
    points = draped.hull.points
    samples = np.linspace(-np.pi, np.pi, 65)
    v = fabric_v(np.array([0.44, 0.442, 0.444, 0.446]))
    blocks = []
    for side in (1.0, -1.0):
        out = _ARMHOLE_NORMAL * [side, 1.0, 1.0]
        offset = points - _ARMHOLE * [side, 1.0, 1.0]
        up = unit(np.cross(out, [0.0, 0.0, side]))
        angle = np.arctan2(offset @ np.cross(out, up), offset @ up)
        along = offset @ out
        radius = np.linalg.norm(offset - along[:, None] * out, axis=1)
        among = (radius < 0.09) & (np.abs(along) < 0.05)
        rows, positions = [], []
        for shift, height in ((-3e-3, -4e-4), (-1.2e-3, 7e-4), (1.2e-3, 7e-4), (3e-3, -4e-4)):
            ring = pattern.ring(draped.hull, along - shift, angle, samples, among=among)
            rows.append(ring)
            positions.append(ring @ draped.points + height * unit(ring @ draped.normals))
        vertices = np.concatenate(positions)
        uv = np.stack([np.tile(arc_length(positions[1]), 4), np.repeat(v, 65)], axis=1)
        faces = ring_faces(4, 65, closed=False)
        rows = pattern.stack(rows)
        normals = unit(rows @ draped.normals)
        blocks.append(Block(vertices, normals, uv, _facing(faces, vertices, normals), rows))
    return blocks


def _facing(faces: ndarray, vertices: ndarray, normals: ndarray) -> ndarray:
    """Flip the winding of all triangles if most of them face against the normals."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    agree = (across * normals[faces].sum(1)).sum(1)
    return faces if agree.sum() >= 0 else faces[:, ::-1]
