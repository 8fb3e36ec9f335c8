"""Clothes of the bust: T-shirts, a shirt, and jackets over a shirt with or without tie or a blouse.

body_hull ──drape──▶ surface off the skin ──cut at neckline, sleeves, bottom──▶ sheet ┐
          ──rings around the neck──▶ ribbing, or stand, collar, strip, buttons ───────┼─▶ Parts
          ──ease──▶ jacket: sheet, lapels, collar; and the tie ───────────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy import ndarray
from scipy.sparse import csr_matrix

from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.collar import CLOSED, OPEN, buttons, collar_block, front_strip
from portraiture.engine.wear.fabric import RIB_V, WIDTH_M, cloth_material
from portraiture.engine.wear.garment import Block, Draped, drape, fabric_v, join, sheet_block
from portraiture.engine.wear.jacket import jacket_blocks
from portraiture.engine.wear.sheet import BOTTOM_M, armhole_seams, band, caps, cut_sheet
from portraiture.engine.wear.tie import tie_block
from portraiture.ops.vectors import unit
from portraiture.types import Material, Part, Segment

_SLIVER_M2 = 1e-9
"""Least area of a triangle, doubled."""


def make_clothes(parameters: AvatarParameters, shape: HeadShape) -> tuple[Part, ...]:
    """Build the garment of `parameters.neckline`: a part `clothes`, and under a jacket `shirt` and
    perhaps `tie`. Nothing for bare shoulders."""
    kind, model = parameters.neckline, shape.model
    if kind == "bare":
        return ()
    draped = drape(shape, folds=1.0 if kind in ("crew", "v_neck") else 0.8)
    cloth = (parameters.cloth_red, parameters.cloth_green, parameters.cloth_blue)
    if kind in ("crew", "v_neck"):
        line = neckline.neckline(model, kind)
        blocks = [*_bodice(draped, line), _ribbing(draped, line)]
        return (_part("clothes", blocks, model, cloth_material("jersey", cloth)),)
    if kind == "shirt":
        blocks = [*_bodice(draped, neckline.neckline(model, kind)), *_shirt_front(draped, shape)]
        return (_part("clothes", blocks, model, cloth_material("oxford", cloth)),)
    jacket = jacket_blocks(draped, model, collar_ease=0.004 if kind == "blouse_jacket" else 0.0105)
    parts = [_part("clothes", jacket, model, cloth_material("wool", cloth))]
    line = neckline.neckline(model, kind)
    sheet = cut_sheet(draped.hull, line, over=neckline.opening(model))
    blocks = [sheet_block(draped, sheet)]
    if kind == "blouse_jacket":
        blocks.append(_hem(draped, line))
    elif kind == "suit_open":
        blocks += _shirt_front(draped, shape)
    else:
        blocks.append(collar_block(draped, CLOSED, shape))
    shirt = (parameters.shirt_red, parameters.shirt_green, parameters.shirt_blue)
    weave = "jersey" if kind == "blouse_jacket" else "oxford"
    parts.append(_part("shirt", blocks, model, cloth_material(weave, shirt)))
    if kind == "suit_tie":
        tie = (parameters.tie_red, parameters.tie_green, parameters.tie_blue)
        parts.append(_part("tie", [tie_block(draped)], model, cloth_material("satin", tie)))
    return tuple(parts)


def _bodice(draped: Draped, line: neckline.Line) -> list[Block]:
    """The sheet with its hems and seams."""
    sheet = sheet_block(draped, cut_sheet(draped.hull, line))
    return [sheet, *caps(draped, line), *armhole_seams(draped)]


def _shirt_front(draped: Draped, shape: HeadShape) -> list[Block]:
    """Everything of an open shirt but its sheet."""
    return [
        _hem(draped, neckline.neckline(shape.model, "shirt")),
        collar_block(draped, OPEN, shape),
        front_strip(draped, neckline.SHIRT_TIP_M, BOTTOM_M),
        *buttons(draped),
    ]


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


def _part(name: str, blocks: list[Block], model: HeadModel, material: Material) -> Part:
    block = _without_slivers(join(blocks))
    rows = block.rows @ pattern.body_hull(model).rows
    joints, weights = _blend_weights(rows, model.arrays)
    return Part(
        name=name,
        vertices=block.vertices.astype(np.float32),
        faces=block.faces.astype(np.int32),
        normals=unit(block.normals).astype(np.float32),
        uv=(block.uv / [WIDTH_M, 1.0]).astype(np.float32),
        material=material,
        segment=np.full(len(block.faces), Segment.CLOTH, np.uint8),
        joints=joints,
        weights=weights,
    )


def _without_slivers(block: Block) -> Block:
    """Leave out triangles without area."""
    corners = block.vertices[block.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return replace(block, faces=block.faces[np.linalg.norm(across, axis=1) > _SLIVER_M2])


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
