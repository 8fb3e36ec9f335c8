"""Fine short hairs along the forehead's hairline, without which combed hair ends like a cap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from portraiture.engine.hair.patch import (
    MM,
    Piece,
    away_from_part,
    away_from_whorl,
    make_plan,
    over_the_crown,
    sow,
)
from portraiture.engine.parameters import AvatarParameters, HairStyle
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth

COMBED_BACK: tuple[HairStyle, ...] = ("slick_back", "ponytail", "bun", "quiff")
PARTED: tuple[HairStyle, ...] = (
    *("side_part", "long_straight", "long_wavy", "bob"),
    *("side_swept", "wavy_medium", "layered_bob", "curly_medium", "curly_long"),
)

BARE: tuple[HairStyle, ...] = ("bald", "buzz", "cornrows", "braids", "receding", "horseshoe")
"""Styles without wisps."""

_LOWER, _BARELY = 0.15, 0.06
"""How much lower their hairline is than that of the other hair, in units of recession, where it is
combed off the forehead and where not."""

_BAND = 0.015
"""Width of the band they grow on, metres."""


def hairline_wisps(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Wisps that follow the comb of the style loosely; where it is not combed off the forehead,
    short ones that follow the growth of the hair."""
    style = parameters.hair_style
    if style in BARE:
        return []
    combed = style in COMBED_BACK or style in PARTED
    recession = max(parameters.hair_line - (_LOWER if combed else _BARELY), 0.0)
    patch = sow(parameters, shape, 6400, seed=151, edge=0.012, recession=recession)
    patch = patch.take(
        (np.abs(patch.azimuth) < 64.0)
        & (patch.roots.depth < _BAND * patch.vary(0.3, 1.0))
        & (patch.elevation > 0.0)
    )
    if combed:
        comb = over_the_crown(patch, np.ones(patch.size)) + patch.noise(0.22)
    else:
        comb = away_from_whorl(patch) + patch.noise(0.45)
    if style in PARTED:
        side, _ = away_from_part(patch, parameters.hair_parting, sharpness=0.02)
        comb[:, 0] += 1.1 * side
    low = smooth((24.0 - patch.elevation) / 16.0)
    comb[:, 1] -= 0.9 * low
    plan = make_plan(
        patch,
        length=(patch.vary(8.0, 28.0) if combed else patch.vary(5.0, 13.0)) * MM,
        comb=comb,
        segments=2,
        droop=0.06,
        lift=patch.vary(0.02, 0.22),
        clearance=patch.vary(0.5, 2.2) * MM,
        rise=0.012,
        stick=0.5,
        curl_radius=2.5 * MM * parameters.hair_curl,
        curl_wave=0.03,
        width=patch.vary(1.2, 2.6) * MM,
    )
    plan = replace(plan, tier=patch.rng.choice([3, 4], patch.size))
    return [Piece(plan, twist=0.3, root_width=0.6, tip_width=0.35)]
