"""Cuts in layers: side-swept, wavy to the jaw, layered bob and pixie.

Each style is one function from parameters and head to its pieces of hair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.hair.fringe import cut_fringe
from portraiture.engine.hair.guides import Plan, nearest_clump
from portraiture.engine.hair.long import curtain, hanging
from portraiture.engine.hair.patch import (
    MM,
    Patch,
    Piece,
    along_part,
    away_from_part,
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

SOFT = 0.7
"""`cut_fringe`'s softness in layered cuts."""


def side_swept(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Parted at the side; the top is lifted off the forehead and swept over to the other side."""
    parting = _beside(parameters.hair_parting)
    pieces = []
    for patch in (
        sow(parameters, shape, 1500, seed=103),
        along_part(parameters, shape, parting, seed=203),
    ):
        side, behind = away_from_part(patch, parting)
        fore = _fore(patch) * (1.0 - behind)
        across = np.stack([1.5 * side, 0.35 * fore, 0 * side], axis=1)
        across += mix(mix(0.8, 0.55, fore), 1.1, behind)[:, None] * over_the_crown(patch)
        low = (1 - patch.top)[:, None] * np.array([0.0, -0.7, -0.75])
        comb = patch.top[:, None] * across + low + patch.noise(0.09)
        pieces.append(Piece(_swept(patch, parameters, comb, fore), twist=0.24, tip_width=0.6))
    return pieces


def _swept(
    patch: Patch, parameters: AvatarParameters, comb: Float[ndarray, "P 3"], fore: ndarray
) -> Plan:
    """Strands of `side_swept`, longest and highest above the forehead."""
    volume, burn = parameters.hair_volume, sideburn(patch)
    back = smooth((np.abs(patch.azimuth) - 110.0) / 50.0)
    side = mix(16, 52, parameters.hair_length) * mix(1.0, 0.8, back)
    side = side * (0.5 + 0.5 * smooth(patch.roots.depth / 0.03))
    top = mix(62, 118, parameters.hair_length) * mix(0.8, 1.0, fore)
    lengths = mix(mix(side, top, patch.top), 12.0, burn) * MM * patch.vary(0.82, 1.1)
    crest = mix(5 + 13 * volume, 9 + 27 * volume, fore)
    return make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=9,
        droop=mix(0.025, 0.13, patch.top),
        lift=np.clip(mix(0.2, 0.22 + (0.2 + 0.45 * fore) * volume, patch.top), 0, 0.8),
        clearance=mix(4 + 11 * volume, crest, patch.top) * MM * patch.height,
        rise=mix(0.5 * lengths, 0.028, patch.top),
        stick=0.45,
        dodge=0.5,
        clump=mix(0.3, 0.25, patch.top),
        clump_every=8,
        curl_radius=6 * MM * parameters.hair_curl * patch.top,
        curl_wave=0.06,
        width=mix(7.0, 10.5, patch.top) * MM,
    )


def wavy_medium(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Over the ears to the jaw, in loose waves."""
    hem = mix(0.855, 0.768, parameters.hair_length)
    pieces = []
    for patch in curtain(parameters, shape, 760, seed=107):
        plan = _full(patch, parameters, hem=hem, layers=0.04, wave=6.5)
        plan = replace(
            plan,
            segments=16,
            clump=plan.clump + 0.45 * smooth((0.085 - patch.place[:, 2]) / 0.04),
            clump_of=nearest_clump(patch.start, 16),
            flat=0.8,
            curl_wave=plan.curl_wave * 0.95,
        )
        plan = cut_fringe(plan, patch, parameters, parameters.hair_fringe, soft=SOFT)
        pieces.append(Piece(plan, twist=0.28, tip_width=0.6, roundness=0.5, bare_face=True))
    return pieces


def layered_bob(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """A bob with a full crown, cut in layers, its tips turned in."""
    hem = mix(0.865, 0.785, parameters.hair_length)
    pieces = []
    for patch in curtain(parameters, shape, 990, seed=109):
        plan = _full(patch, parameters, hem=hem, layers=0.014, wave=3.0)
        assert plan.tuck is not None
        plan = replace(plan, tuck=1.8 * plan.tuck)
        fringe = parameters.hair_fringe
        plan = cut_fringe(plan, patch, parameters, fringe, wave=MM, soft=SOFT, sweep=2.2)
        pieces.append(Piece(plan, twist=0.22, tip_width=0.95, bare_face=True))
    return pieces


def _full(
    patch: Patch, parameters: AvatarParameters, *, hem: float | ndarray, layers: float, wave: float
) -> Plan:
    """Hanging hair that stands off the crown; outer strands are cut up to `layers` (metres)
    higher, and the tips turn in."""
    cut = hem + layers * patch.rng.random(patch.size) ** 1.5 * (patch.layer >= 1)
    cut = cut + 0.4 * layers * (patch.layer == 0) + 0.014 * (patch.layer == 3)
    plan = hanging(patch, parameters, hem=cut, wave=wave, backward=0.45)
    volume = parameters.hair_volume
    crown = smooth((patch.elevation - 10.0) / 60.0)
    off_part = patch.off_part(parameters.hair_parting)
    parted = smooth(1.0 - off_part / 0.03) * smooth((patch.place[:, 2] + 0.03) / 0.1)
    body = mix(6 + 22 * volume, 9 + 27 * volume, crown) * (1.0 - 0.5 * parted)
    return replace(
        plan,
        clearance=body * MM * patch.height,
        lift=(0.15 + 0.4 * volume * crown) * (1.0 - 0.6 * parted),
        rise=np.full(patch.size, 0.035),
        tuck=patch.vary(0.6, 1.0) * (22 + 28 * volume) * MM,
        width=plan.width * 0.85,
        aside=2.0,
        side=np.where(plan.comb[:, 0] < 0.0, -1.0, 1.0),
    )


def pixie(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Short all over with soft, feathered tips around the face; `hair_fringe` combs it forward."""
    patch = sow(parameters, shape, 1700, seed=113)
    back = smooth((np.abs(patch.azimuth) - 115.0) / 45.0)
    side = mix(22, 44, parameters.hair_length) * mix(1.0, 0.7, back)
    top = mix(38, 78, parameters.hair_length)
    lengths = mix(side * (0.6 + 0.4 * smooth(patch.roots.depth / 0.03)), top, patch.top)
    lengths = lengths * MM * patch.vary(0.75, 1.12)
    sweep = float(np.copysign(1.3, parameters.hair_parting - 0.5))
    fore = (_fore(patch) * patch.top)[:, None]
    comb = away_from_whorl(patch) * (1.0 - 0.7 * fore) + patch.noise(0.2)
    comb += fore * ([sweep, 0.0, 0.0] + 0.55 * over_the_crown(patch))
    comb += (1.0 - patch.top)[:, None] * np.array([0.0, -0.6, 0.15])
    volume = parameters.hair_volume
    plan = make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=8,
        droop=mix(0.03, 0.07, patch.top),
        lift=np.clip(mix(0.2, 0.25 + 0.4 * volume, patch.top), 0, 0.8),
        clearance=mix(3 + 5 * volume, 6 + 16 * volume, patch.top) * MM * patch.height,
        rise=0.4 * lengths,
        stick=0.4,
        dodge=0.3,
        clump=0.45,
        clump_every=7,
        curl_radius=5 * MM * parameters.hair_curl,
        curl_wave=0.05,
        width=mix(7.0, 9.0, patch.top) * MM,
        hem=np.where(np.abs(patch.azimuth) < 58.0, 0.937, -np.inf),
    )
    plan = cut_fringe(plan, patch, parameters, parameters.hair_fringe, soft=SOFT)
    return [Piece(plan, twist=0.35, tip_width=0.4)]


def _beside(parting: float) -> float:
    """The parting moved away from the middle, at least 0.14."""
    off = parting - 0.5
    return float(np.clip(0.5 + np.copysign(0.14 + 0.75 * abs(off), off - 1e-9), 0.0, 1.0))


def _fore(patch: Patch) -> Float[ndarray, "P"]:
    """1 above the forehead, 0 behind the ears."""
    return smooth((patch.place[:, 2] - 0.03) / 0.075)
