"""Procedural hair: cards grown from the scalp, and the scalp shaded underneath.

style ─▶ plans ──grow──▶ strands ──ribbons──▶ cards ┐
pigments ───────────────strand_atlas───▶ texture ───┴─▶ Part "hair"
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from portraiture.engine.hair.cards import Cards, join, ribbons
from portraiture.engine.hair.curls import curly_long, curly_medium
from portraiture.engine.hair.edge import hairline_wisps
from portraiture.engine.hair.fringe import FRINGE_HEM
from portraiture.engine.hair.guides import grow, over_face, scaled
from portraiture.engine.hair.layered import layered_bob, pixie, side_swept, wavy_medium
from portraiture.engine.hair.long import (
    band_strands,
    bob,
    bun,
    bun_strands,
    long_straight,
    long_wavy,
    ponytail,
)
from portraiture.engine.hair.patch import Piece
from portraiture.engine.hair.plait_texture import plait_atlas
from portraiture.engine.hair.plaits import PLAITED, braids, cornrows
from portraiture.engine.hair.scalp import CENTRE
from portraiture.engine.hair.scalp_paint import paint_scalp
from portraiture.engine.hair.short import (
    afro,
    buzz,
    crop,
    curly,
    quiff,
    short,
    side_part,
    slick_back,
)
from portraiture.engine.hair.stray import let_stray
from portraiture.engine.hair.surface import SkinField, skin_field
from portraiture.engine.hair.texture import Weave, strand_atlas
from portraiture.engine.hair.thinned import horseshoe, receding
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, follow_head
from portraiture.ops.vectors import smooth
from portraiture.types import Material, Part, Segment

__all__ = ["make_hair", "paint_scalp"]


Atlas = tuple[UInt8[ndarray, "h w 4"], UInt8[ndarray, "h w"]]
"""sRGB with alpha, and roughness."""


def hair_atlas(parameters: AvatarParameters) -> Atlas:
    """Paint the strands of one person's hair, see `texture.strand_atlas`."""
    p = parameters
    if p.hair_style in PLAITED:
        return plait_atlas(p.hair_melanin, p.hair_redness, p.hair_grey)
    return strand_atlas(p.hair_melanin, p.hair_redness, p.hair_grey, _weave(p), roots=p.hair_roots)


def make_hair(
    parameters: AvatarParameters, shape: HeadShape, *, atlas: Atlas | None = None
) -> Part | None:
    """Build one person's hair, or None if bald. The result is deterministic, bit for bit. atlas: to
    be used instead of the person's own."""
    if parameters.hair_style == "bald":
        return None
    field = skin_field(shape)
    match parameters.hair_style:
        case "braids":
            cards = braids(parameters, shape, field)
        case "cornrows":
            cards = cornrows(parameters, shape, field)
        case _:
            cards = _cards(parameters, shape, field)
    texture, roughness = atlas or hair_atlas(parameters)
    joints, weights = hair_skinning(field.canonical(cards.vertices)[:, 1], shape)
    return Part(
        name="hair",
        vertices=cards.vertices,
        faces=cards.faces,
        normals=cards.normals,
        uv=cards.uv,
        material=Material(
            "hair",
            texture,
            roughness=roughness,
            alpha_mode="mask",
            alpha_cutoff=0.42,
            double_sided=True,
        ),
        segment=np.full(len(cards.faces), Segment.HAIR, np.uint8),
        joints=joints,
        weights=weights,
    )


class Lock(NamedTuple):
    """Strands of one piece. strands: (P, K+1, 3) metres, root first. width: (P,) metres, and tier:
    (P,), see `cards.ribbons`."""

    piece: Piece | None
    strands: Float[ndarray, "P K+1 3"]
    width: Float[ndarray, "P"]
    tier: Int[ndarray, "P"]


def hair_strands(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> list[Lock]:
    """Grow the strands of one person's hair, piece by piece; those of a bun's knot or a ponytail's
    band come last, without a piece."""
    locks = []
    pieces = _pieces(parameters, shape, field) + hairline_wisps(parameters, shape)
    for index, piece in enumerate(pieces):
        plan = scaled(piece.plan, field.scale)
        strands = grow(plan, field, seed=3 + index)
        kept = np.ones(len(strands), bool)
        if piece.bare_face:
            kept = ~over_face(strands, field) | (plan.hem > FRINGE_HEM)
        locks.append(Lock(piece, strands[kept], plan.width[kept], plan.tier[kept]))
    if parameters.hair_style in ("bun", "ponytail"):
        bun = parameters.hair_style == "bun"
        locks.append(Lock(None, *(bun_strands(parameters, field) if bun else band_strands(field))))
    return locks


def _cards(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> Cards:
    centre = hair_centre(field)
    cards = []
    for index, lock in enumerate(hair_strands(parameters, shape, field)):
        piece = lock.piece
        if piece is None:
            cards.append(ribbons(*lock[1:], centre, seed=9, roundness=0.3))
            continue
        cards.append(
            ribbons(
                *let_stray(*lock[1:], centre, seed=25 + index),
                centre,
                seed=5 + index,
                twist=piece.twist,
                roundness=piece.roundness,
                root_width=piece.root_width,
                tip_width=piece.tip_width,
            )
        )
    return join(cards)


def hair_centre(field: SkinField) -> Float[ndarray, "3"]:
    """Centre of this head's cranium."""
    return (CENTRE - field.to_canonical[3]) @ np.linalg.inv(field.to_canonical[:3])


def hair_skinning(height: Float[ndarray, "V"], shape: HeadShape) -> tuple[ndarray, ndarray]:
    """Joints and weights: the head, and below the chin also the neck and upper chest.

    height: of each vertex on the average head, metres.
    """
    joints, weights = follow_head(len(height), shape)
    names = shape.model.joint_names
    joints[:, 1], joints[:, 2] = names.index("neck"), names.index("upperChest")
    below = smooth((0.83 - height) / 0.08)
    on_chest = below * smooth((0.77 - height) / 0.08)
    weights[:, 0], weights[:, 1], weights[:, 2] = 1.0 - below, below - on_chest, on_chest
    joints[weights == 0.0] = 0
    return joints, weights


def _pieces(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> list[Piece]:
    match parameters.hair_style:
        case "bald" | "braids" | "cornrows":
            return []
        case "buzz":
            return buzz(parameters, shape)
        case "short":
            return short(parameters, shape)
        case "crop":
            return crop(parameters, shape)
        case "side_part":
            return side_part(parameters, shape)
        case "quiff":
            return quiff(parameters, shape)
        case "slick_back":
            return slick_back(parameters, shape)
        case "curly":
            return curly(parameters, shape)
        case "afro":
            return afro(parameters, shape)
        case "bob":
            return bob(parameters, shape)
        case "long_straight":
            return long_straight(parameters, shape)
        case "long_wavy":
            return long_wavy(parameters, shape)
        case "ponytail":
            return ponytail(parameters, shape, field)
        case "bun":
            return bun(parameters, shape, field)
        case "receding":
            return receding(parameters, shape)
        case "horseshoe":
            return horseshoe(parameters, shape)
        case "side_swept":
            return side_swept(parameters, shape)
        case "wavy_medium":
            return wavy_medium(parameters, shape)
        case "layered_bob":
            return layered_bob(parameters, shape)
        case "pixie":
            return pixie(parameters, shape)
        case "curly_medium":
            return curly_medium(parameters, shape)
        case "curly_long":
            return curly_long(parameters, shape)


def _weave(parameters: AvatarParameters) -> Weave:
    curl = parameters.hair_curl
    match parameters.hair_style:
        case "afro":
            return Weave(
                coil=0.10 + 0.06 * curl,
                coil_turns=2.5 + 2 * curl,
                gather=0.1,
                thinning=0.4,
                fray=0.8,
                hair_width=2.6,
            )
        case "curly":
            return Weave(coil=0.05 + 0.05 * curl, coil_turns=7.0, fray=0.3)
        case "curly_medium" | "curly_long":
            return Weave(coil=0.04 + 0.04 * curl, coil_turns=5.0, gather=0.6, fray=0.25)
        case "bob" | "long_straight":
            return Weave(coil=0.05 * curl, gather=0.7, fray=0.2)
        case "layered_bob":
            return Weave(coil=0.05 * curl, gather=0.35, fray=0.1)
        case "long_wavy" | "wavy_medium":
            return Weave(coil=0.05 * curl, fray=0.22)
        case "ponytail" | "bun":
            return Weave(coil=0.05 * curl)
        case _:
            return Weave(coil=0.05 * curl, gather=0.3, fray=0.5)
