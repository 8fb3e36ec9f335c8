"""Hair of balding heads: receding and horseshoe.

Each style is one function from parameters and head to its pieces of hair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from portraiture.engine.hair.balding import density, recession
from portraiture.engine.hair.patch import (
    MM,
    Patch,
    Piece,
    away_from_whorl,
    make_plan,
    mix,
    over_the_crown,
    sideburn,
    sow,
)
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth


def receding(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Deep temples and a high forehead; the thin top is brushed back, the sides are short."""
    patch = _remaining(parameters, shape, 3300, seed=83, edge=0.016)
    thin = 1.0 - density(patch.azimuth, patch.elevation, parameters)
    inside = smooth(patch.roots.depth / 0.02)
    top = mix(24, 66, parameters.hair_length) * patch.vary(0.6, 1.15)
    side = mix(9, 26, parameters.hair_length) * patch.vary(0.8, 1.12)
    lengths = mix(side, top, patch.top) * (0.7 + 0.3 * inside) * MM
    comb = away_from_whorl(patch) * (1.0 - 0.85 * patch.top)[:, None] + patch.noise(0.16)
    comb += 0.8 * patch.top[:, None] * over_the_crown(patch)
    comb[:, 0] += 0.9 * patch.top * float(np.copysign(1.0, parameters.hair_parting - 0.5))
    comb += (1.0 - patch.top)[:, None] * np.array([0.0, -0.4, -0.5])
    volume = parameters.hair_volume
    plan = make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=4,
        droop=mix(0.02, 0.12, patch.top),
        lift=mix(0.22, 0.18 + 0.35 * volume * inside, patch.top),
        clearance=mix(2.5 + 7 * volume, (5 + 14 * volume) * (1 - 0.4 * thin), patch.top)
        * MM
        * patch.height,
        rise=0.5 * lengths,
        stick=0.5,
        dodge=0.6,
        clump=mix(0.3, 0.15, patch.top),
        clump_every=7,
        curl_radius=4 * MM * parameters.hair_curl * patch.top,
        curl_wave=0.045,
        width=mix(6.0, 8.0, patch.top) * (1.0 - 0.5 * np.maximum(thin, 1.0 - inside)) * MM,
    )
    sparse = (np.maximum(1.1 * thin, 1.0 - inside) > patch.vary(0.1, 0.9)) & (plan.tier < 3)
    fine = patch.rng.choice([3, 4], patch.size)
    return [Piece(replace(plan, tier=np.where(sparse, fine, plan.tier)), twist=0.3, tip_width=0.4)]


def horseshoe(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """A bald crown above short hair at the sides and the back."""
    patch = _remaining(parameters, shape, 3000, seed=89, edge=0.01)
    full = density(patch.azimuth, patch.elevation, parameters)
    lengths = mix(5, 26, parameters.hair_length) * MM * patch.vary(0.75, 1.15)
    lengths *= (0.5 + 0.5 * full) * (0.55 + 0.45 * smooth(patch.roots.depth / 0.025))
    lengths = mix(lengths, np.minimum(lengths, 0.009), sideburn(patch))
    comb = np.array([0.0, -0.7, -0.8]) + patch.noise(0.22)
    volume = parameters.hair_volume
    plan = make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=5,
        droop=0.03,
        lift=0.25,
        clearance=(2.5 + 9 * volume) * (0.35 + 0.65 * full) * MM * patch.height,
        rise=0.5 * lengths,
        stick=0.4,
        dodge=0.6,
        clump=0.3,
        clump_every=7,
        curl_radius=3 * MM * parameters.hair_curl * (lengths / 0.03),
        curl_wave=0.035,
        width=6 * MM * patch.vary(0.75, 1.15),
    )
    sparse = (full < patch.vary(0.2, 0.95)) & (plan.tier < 3)
    return [Piece(replace(plan, tier=np.where(sparse, 3, plan.tier)), twist=0.35)]


def _remaining(
    parameters: AvatarParameters, shape: HeadShape, count: int, *, seed: int, edge: float
) -> Patch:
    """Roots inside the receded hairline, thinned to the density."""
    receded = recession(parameters)
    patch = sow(parameters, shape, count, seed=seed, edge=edge, recession=receded)
    kept = patch.rng.random(patch.size) < density(patch.azimuth, patch.elevation, parameters)
    return patch.take(kept)
