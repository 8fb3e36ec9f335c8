"""Clothes of the bust: T-shirts with a crew or V neck, and a shirt with collar and buttons.

body_hull ──drape──▶ surface off the skin ──cut at neckline, sleeves, bottom──▶ sheet ┐
          ──rings around the neck──▶ ribbing, or stand, collar, strip, buttons ───────┴─▶ Part
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, vertex_normals
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.collar import buttons, collar_block, front_strip, join
from portraiture.engine.wear.fabric import RIB_V, WIDTH_M, cloth_material
from portraiture.engine.wear.garment import (
    ARM,
    SHOULDER,
    Block,
    Draped,
    arc_length,
    closed_normals,
    drape,
    fabric_v,
    ring_faces,
    sheet_block,
)
from portraiture.ops.vectors import unit
from portraiture.types import Part, Segment

_SLEEVE_M = 0.118
_ARMHOLE, _ARMHOLE_NORMAL = np.array([0.160, 0.52, 0.012]), np.array([0.96, -0.28, 0.0])
_BOTTOM_M = 0.356


def make_clothes(parameters: AvatarParameters, shape: HeadShape) -> Part | None:
    """Build the garment of `parameters.neckline`; None for bare shoulders."""
    if parameters.neckline == "bare":
        return None
    draped = drape(shape, folds=0.8 if parameters.neckline == "shirt" else 1.0)
    line = neckline.neckline(shape.model, parameters.neckline)
    sheet = _sheet(draped, line)
    blocks = [sheet_block(draped, sheet), *_caps(draped, sheet), *_armhole_seams(draped)]
    if parameters.neckline == "shirt":
        blocks += [
            _hem(draped, line),
            collar_block(draped, line, shape),
            front_strip(draped, neckline.SHIRT_TIP_M, _BOTTOM_M),
            *buttons(draped),
        ]
    else:
        blocks.append(_ribbing(draped, line))
    return _part(join(blocks), shape, parameters)


def arm_distance(points: Float[ndarray, "N 3"]) -> Float[ndarray, "N"]:
    """Distance (metres) along either upper arm past the shoulder joint, on the base mesh."""
    mirrored = np.stack([np.abs(points[:, 0]), points[:, 1], points[:, 2]], axis=1)
    return (mirrored - SHOULDER) @ ARM


def _sheet(draped: Draped, line: neckline.Line) -> pattern.Cut:
    points = draped.hull.points
    whole = pattern.Cut(pattern.diagonal(np.ones(len(points))), draped.hull.faces)
    level = np.minimum(line.level(points), points[:, 1] - _BOTTOM_M)
    return pattern.cut(whole, np.minimum(level, _SLEEVE_M - arm_distance(points)))


def _caps(draped: Draped, sheet: pattern.Cut) -> list[Block]:
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


def _ribbing(draped: Draped, line: neckline.Line) -> Block:
    """Build the knitted neckband of a T-shirt, sewn over the sheet's edge and rolled inwards."""
    levels = np.array([0.0012, 0.0004, -0.0004, -0.003, -0.007, -0.011, -0.0135, -0.0142, -0.0135])
    raised = np.array([-0.0012, 0.0012, 0.0018, 0.0019, 0.0019, 0.0019, 0.0015, 0.0002, -0.0022])
    v = np.interp(np.arange(len(levels)), [0, len(levels) - 1], RIB_V)
    return band(draped, line, levels, raised, v)


def _hem(draped: Draped, line: neckline.Line) -> Block:
    """Build the edge of a shirt, turned in and stitched."""
    levels = np.array([0.0125, 0.0118, 0.0060, 0.0004, -0.0004, 0.0])
    raised = np.array([-0.0008, 0.0008, 0.0010, 0.0010, 0.0002, -0.0020])
    return band(draped, line, levels, raised, fabric_v(0.40 + levels))


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


def _armhole_seams(draped: Draped) -> list[Block]:
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


def _part(block: Block, shape: HeadShape, parameters: AvatarParameters) -> Part:
    rows = block.rows @ pattern.body_hull(shape.model).rows
    joints, weights = _blend_weights(rows, shape.model.arrays)
    return Part(
        name="clothes",
        vertices=block.vertices.astype(np.float32),
        faces=block.faces.astype(np.int32),
        normals=unit(block.normals).astype(np.float32),
        uv=(block.uv / [WIDTH_M, 1.0]).astype(np.float32),
        material=cloth_material(parameters),
        segment=np.full(len(block.faces), Segment.CLOTH, np.uint8),
        joints=joints,
        weights=weights,
    )


def _blend_weights(rows: csr_matrix, arrays: Mapping[str, ndarray]) -> tuple[ndarray, ndarray]:
    """The four largest joint weights of the averaged baked vertices, normalised to sum to 1."""
    count = int(arrays["vertex_joints"].max()) + 1
    vertices = np.arange(len(arrays["vertex_joints"]))[:, None]
    dense = np.zeros((len(vertices), count))
    np.add.at(dense, (vertices, arrays["vertex_joints"]), arrays["vertex_weights"])
    blended = rows @ dense
    joints = np.argsort(-blended, axis=1, kind="stable")[:, :4]
    weights = np.take_along_axis(blended, joints, axis=1)
    weights /= weights.sum(1, keepdims=True)
    return np.where(weights > 0, joints, 0).astype(np.uint8), weights.astype(np.float32)
