"""Fine short hairs along the forehead's hairline, without which combed hair ends like a cap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from portraiture.engine.hair.patch import (
    MM,
    Piece,
    away_from_part,
    make_plan,
    over_the_crown,
    sow,
)
from portraiture.engine.parameters import AvatarParameters, HairStyle
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth

COMBED_BACK: tuple[HairStyle, ...] = ("slick_back", "ponytail", "bun")
PARTED: tuple[HairStyle, ...] = (
    *("side_part", "long_straight", "long_wavy", "bob"),
    *("side_swept", "wavy_medium", "layered_bob", "curly_medium", "curly_long"),
)

_LOWER = 0.1
"""How much lower their hairline is than that of the other hair, in units of recession."""

_BAND = 0.007
"""Width of the band they grow on, metres."""


def hairline_wisps(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Wisps that follow the comb of the style loosely; none on styles that are combed forward."""
    style = parameters.hair_style
    if style not in COMBED_BACK and style not in PARTED:
        return []
    recession = max(parameters.hair_line - _LOWER, 0.0)
    patch = sow(parameters, shape, 5200, seed=151, edge=0.004, recession=recession)
    patch = patch.take(
        (np.abs(patch.azimuth) < 64.0)
        & (patch.roots.depth < _BAND * patch.vary(0.3, 1.0))
        & (patch.elevation > 0.0)
    )
    comb = over_the_crown(patch, np.ones(patch.size)) + patch.noise(0.22)
    if style in PARTED:
        side, _ = away_from_part(patch, parameters.hair_parting, sharpness=0.02)
        comb[:, 0] += 1.1 * side
    low = smooth((24.0 - patch.elevation) / 16.0)
    comb[:, 1] -= 0.9 * low
    plan = make_plan(
        patch,
        length=patch.vary(9.0, 30.0) * MM,
        comb=comb,
        segments=2,
        droop=0.06,
        lift=patch.vary(0.02, 0.22),
        clearance=patch.vary(0.6, 2.6) * MM,
        rise=0.012,
        stick=0.5,
        curl_radius=2.5 * MM * parameters.hair_curl,
        curl_wave=0.03,
        width=patch.vary(2.2, 4.2) * MM,
    )
    plan = replace(plan, tier=patch.rng.choice([3, 4], patch.size))
    return [Piece(plan, twist=0.3, root_width=0.6, tip_width=0.35)]
