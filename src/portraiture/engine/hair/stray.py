"""Flyaways: single hairs that leave the surface of the hair, whose outline is no helmet's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from portraiture.engine.hair.cards import volume_normal
from portraiture.ops.vectors import unit

_SHARE = 0.045
"""Fraction of the outer strands that stray."""

_STRAIGHT = 0.66
"""Distance of the ends over the length below which a strand is curled and stays."""

_OUT, _ASIDE = (0.02, 0.09), 0.05
"""How far hairs stray: out of the hair and to the sides, as a fraction of their length."""

_MOST_M = 0.008
_WIDTH_M = (0.0006, 0.0012)


def let_stray(
    strands: Float[ndarray, "P K+1 3"],
    width: Float[ndarray, "P"],
    tier: Int[ndarray, "P"],
    centre: Float[ndarray, "3"],
    *,
    seed: int,
) -> tuple[Float[ndarray, "P K+1 3"], Float[ndarray, "P"], Int[ndarray, "P"]]:
    """Turn a few outer strands into thin ones that rise out of the hair and wave. centre: of the
    cranium. Returns strands, widths (metres) and tiers."""
    rng = np.random.default_rng(seed)
    length = np.linalg.norm(np.diff(strands, axis=1), axis=2).sum(1)
    straight = np.linalg.norm(strands[:, -1] - strands[:, 0], axis=1) > _STRAIGHT * length
    outer = straight & (tier >= 2) & (tier <= 3)
    chosen = np.flatnonzero(outer & (rng.random(len(tier)) < _SHARE))
    count, points = len(chosen), strands.shape[1]
    own, length = strands[chosen], length[chosen]
    along = np.linspace(0.0, 1.0, points)[None]
    wave = np.sin(rng.uniform(2.0, 7.0, (count, 1)) * along + rng.uniform(0.0, 6.0, (count, 1)))
    out = np.minimum(rng.uniform(*_OUT, count) * length, _MOST_M)[:, None]
    aside = np.minimum(_ASIDE * length, _MOST_M)[:, None] * wave
    outward = volume_normal(own, centre)
    across = unit(np.cross(outward, unit(np.gradient(own, axis=1))))
    rising = np.sin(np.pi * np.minimum(along * rng.uniform(0.6, 1.3, (count, 1)), 1.0))
    moved = own + (out * rising)[..., None] * outward + (aside * along)[..., None] * across
    strands, width, tier = strands.copy(), width.copy(), tier.copy()
    strands[chosen] = moved
    width[chosen] = rng.uniform(*_WIDTH_M, count)
    tier[chosen] = 3
    return strands, width, tier
