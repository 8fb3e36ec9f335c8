"""Clothes of the bust: T-shirts, shirts, sweaters, hoodies, dresses; jackets over shirt or blouse.

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
from portraiture.engine.wear.fabric import RIB_V, WIDTH_M, Weave, cloth_material
from portraiture.engine.wear.garment import (
    NECK_DESCENT_M,
    Block,
    Draped,
    drape,
    fabric_v,
    join,
    sheet_block,
)
from portraiture.engine.wear.hood import hood
from portraiture.engine.wear.jacket import jacket_blocks
from portraiture.engine.wear.sheet import BOTTOM_M, armhole_seams, band, caps, cut_sheet
from portraiture.engine.wear.tie import tie_block
from portraiture.ops.vectors import unit
from portraiture.types import Material, Part, Segment

_WIDE_M = 0.12
"""Descent (see `neckline`) down to which a dress with a wide neckline hugs the skin."""
_SLIVER_M2 = 1e-9
"""Least area of a triangle, doubled."""


def make_clothes(parameters: AvatarParameters, shape: HeadShape) -> tuple[Part, ...]:
    """Build the garment of `parameters.neckline`: a part `clothes`, and under a jacket `shirt` and
    perhaps `tie`. Nothing for bare shoulders."""
    kind, model = parameters.neckline, shape.model
    if kind == "bare":
        return ()
    draped = drape(
        shape,
        folds=0.8 if kind in ("shirt", "suit_tie", "suit_open") else 1.0,
        hug=_WIDE_M if kind == "dress" else NECK_DESCENT_M,
    )
    line = neckline.neckline(model, kind)
    if kind in ("suit_tie", "suit_open", "blouse_jacket"):
        return _with_jacket(parameters, shape, draped, line)
    sheet = sheet_block(draped, cut_sheet(draped.hull, line))
    blocks = [sheet, *caps(draped, line), *armhole_seams(draped)]
    weave: Weave = "jersey"
    if kind == "shirt":
        weave, blocks = "oxford", [*blocks, *_shirt_front(draped, line, shape)]
    elif kind == "knit":
        weave, blocks = "knit", [*blocks, _roll_neck(draped, line)]
    elif kind == "hoodie":
        blocks += hood(draped, line)
    else:
        blocks.append(_hem(draped, line) if kind == "dress" else _ribbing(draped, line))
    cloth = (parameters.cloth_red, parameters.cloth_green, parameters.cloth_blue)
    return (_part("clothes", blocks, model, cloth_material(weave, cloth)),)


def _with_jacket(
    parameters: AvatarParameters, shape: HeadShape, draped: Draped, line: neckline.Line
) -> tuple[Part, ...]:
    """The jacket, and what shows of the shirt or blouse and the tie under it."""
    kind, model = parameters.neckline, shape.model
    cloth = (parameters.cloth_red, parameters.cloth_green, parameters.cloth_blue)
    jacket = jacket_blocks(draped, model, collar_ease=0.004 if kind == "blouse_jacket" else 0.0105)
    parts = [_part("clothes", jacket, model, cloth_material("wool", cloth))]
    sheet = cut_sheet(draped.hull, line, over=neckline.opening(model))
    blocks = [sheet_block(draped, sheet)]
    if kind == "blouse_jacket":
        blocks.append(_hem(draped, line))
    elif kind == "suit_open":
        blocks += _shirt_front(draped, line, shape)
    else:
        blocks.append(collar_block(draped, CLOSED, shape))
    shirt = (parameters.shirt_red, parameters.shirt_green, parameters.shirt_blue)
    weave = "jersey" if kind == "blouse_jacket" else "oxford"
    parts.append(_part("shirt", blocks, model, cloth_material(weave, shirt)))
    if kind == "suit_tie":
        tie = (parameters.tie_red, parameters.tie_green, parameters.tie_blue)
        parts.append(_part("tie", [tie_block(draped)], model, cloth_material("satin", tie)))
    return tuple(parts)


def _shirt_front(draped: Draped, line: neckline.Line, shape: HeadShape) -> list[Block]:
    """Everything of an open shirt but its sheet."""
    return [
        _hem(draped, line),
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
    """Build an edge that is turned in and stitched."""
    levels = np.array([0.0125, 0.0118, 0.0060, 0.0004, -0.0004, 0.0])
    raised = np.array([-0.0008, 0.0008, 0.0010, 0.0010, 0.0002, -0.0020])
    return band(draped, line, levels, raised, fabric_v(0.40 + levels))


def _roll_neck(draped: Draped, line: neckline.Line) -> Block:
    """Build the ribbed collar of a sweater, which rises along the neck and is folded outwards."""
    levels = np.array(
        [0.0035, 0.0030, 0.0, -0.006, -0.013, -0.020, -0.0245, -0.0268, -0.0270, -0.0250, -0.016]
    )
    raised = np.array(
        [0.0004, 0.0062, 0.0078, 0.0086, 0.0086, 0.0078, 0.0064, 0.0040, 0.0018, 0.0004, -0.0010]
    )
    v = np.interp(np.arange(len(levels)), [0, len(levels) - 1], RIB_V)
    return band(draped, line, levels, raised, v)


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
