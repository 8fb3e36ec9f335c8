"""Long hair: bob, straight, wavy, ponytail and bun.

Each style is one function from parameters and head to its pieces of hair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.hair.fringe import cut_fringe
from portraiture.engine.hair.guides import Plan, nearest_clump
from portraiture.engine.hair.patch import (
    MM,
    Patch,
    Piece,
    along_part,
    away_from_part,
    make_plan,
    mix,
    over_the_crown,
    sideburn,
    sow,
)
from portraiture.engine.hair.surface import SkinField
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth, unit

PONYTAIL = np.array([0.0, 0.962, -0.066])
BUN = np.array([0.0, 0.998, -0.040])
"""Position of the tie on the average head."""

_CURTAIN = (0.33, 0.37, 0.27, 0.03)
"""Fractions of the layers in hair that hangs as one mass."""


def bob(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Cut between jaw and neck. A parting near the middle (0.4 to 0.6) always has a full fringe."""
    hem = mix(0.855, 0.775, parameters.hair_length)
    middle = abs(parameters.hair_parting - 0.5) <= 0.1
    fringe = 1.0 if middle else parameters.hair_fringe
    pieces = []
    for patch in curtain(parameters, shape, 1100, seed=19):
        plan = replace(hanging(patch, parameters, hem=hem, wave=0.0), segments=12)
        plan = cut_fringe(plan, patch, parameters, fringe, soft=0.4)
        pieces.append(Piece(plan, twist=0.16, tip_width=0.95))
    return pieces


def long_straight(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Parted and falling to the shoulders or the chest."""
    hem = mix(0.74, 0.61, parameters.hair_length)
    pieces = []
    for patch in curtain(parameters, shape, 970, seed=17):
        plan = hanging(patch, parameters, hem=hem, wave=0.0)
        plan = cut_fringe(plan, patch, parameters, parameters.hair_fringe, soft=0.4)
        pieces.append(Piece(plan, twist=0.16, tip_width=0.85))
    return pieces


def long_wavy(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Parted, falling in waves that grow towards the tips."""
    hem = mix(0.76, 0.62, parameters.hair_length)
    pieces = []
    for patch in curtain(parameters, shape, 570, seed=47):
        plan = hanging(patch, parameters, hem=hem, wave=7.0)
        plan = replace(
            plan,
            segments=20,
            width=plan.width * 1.15,
            clump=plan.clump + 0.25,
            clump_of=nearest_clump(patch.start, 11),
            flat=0.6,
            curl_wave=plan.curl_wave * 1.25,
            crowding=1.1,
        )
        plan = cut_fringe(plan, patch, parameters, parameters.hair_fringe, soft=0.5)
        pieces.append(Piece(plan, twist=0.2, tip_width=0.7, roundness=0.5))
    return pieces


def curtain(
    parameters: AvatarParameters, shape: HeadShape, count: int, *, seed: int
) -> list[Patch]:
    """Roots over the scalp, and denser ones along the parting."""
    return [
        sow(parameters, shape, count, seed=seed, layers=_CURTAIN),
        along_part(parameters, shape, parameters.hair_parting, seed=seed + 100),
    ]


def ponytail(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> list[Piece]:
    """Pulled back to a tie at the back of the head, from which the tail falls."""
    tie = _on_head(PONYTAIL, field)
    pulled = _pulled(parameters, shape, tie, seed=53)
    count = 150
    rng = np.random.default_rng(59)
    disk = rng.normal(size=(count, 3)) * [6 * MM, 7 * MM, 5 * MM]
    out = unit(np.array([0.0, 0.05, -1.0]) + 0.3 * rng.normal(size=(count, 3)))
    hem = mix(0.86, 0.66, parameters.hair_length) + rng.normal(0, 0.012, count)
    volume = parameters.hair_volume
    tail = _free_plan(
        tie + disk,
        out,
        length=0.42,
        hem=hem,
        segments=14,
        lift=0.6,
        droop=0.018 + 0.03 * volume,
        clearance=rng.uniform(10, 18 + 16 * volume, count) * MM,
        curl_radius=(1.0 + 9 * parameters.hair_curl) * MM,
        curl_wave=0.075,
        width=11 * MM,
        rng=rng,
    )
    return [
        *pulled,
        Piece(replace(tail, crowding=1.6), twist=0.6, root_width=0.5, tip_width=0.5),
    ]


def bun(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> list[Piece]:
    """Pulled back and wound into a knot."""
    return _pulled(parameters, shape, _on_head(BUN, field), seed=61)


def band_strands(
    field: SkinField,
) -> tuple[Float[ndarray, "P K+1 3"], Float[ndarray, "P"], ndarray]:
    """Hair wrapped around a ponytail's tie: strands, widths and tiers."""
    rng = np.random.default_rng(71)
    count, points = 26, 13
    begin = rng.uniform(0, 2 * np.pi, (count, 1))
    angle = begin + np.linspace(0, 1.5 * np.pi, points)[None]
    radius = rng.uniform(8.5, 11.0, (count, 1)) * MM
    along = -rng.uniform(-2.0, 9.0, (count, 1)) * MM + 0 * angle
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), along], axis=-1)
    return _on_head(PONYTAIL, field) + ring, np.full(count, 5 * MM), rng.choice(2, count)


def bun_strands(
    parameters: AvatarParameters, field: SkinField
) -> tuple[Float[ndarray, "P K+1 3"], Float[ndarray, "P"], ndarray]:
    """The knot, a rope coiled around an axis pointing out of the head: strands, widths, tiers."""
    rng = np.random.default_rng(67)
    tie = _on_head(BUN, field)
    _, normal = field(tie[None])
    axis = unit(normal[0] + [0.0, 0.25, 0.0])
    right = unit(np.cross([0.0, 1.0, 0.0], axis))
    up = np.cross(axis, right)
    size = mix(0.75, 1.25, parameters.hair_length) * (0.85 + 0.3 * parameters.hair_volume)
    size = size * field.scale
    count, points = 190, 17
    t = np.linspace(0.0, 1.0, points)[None]
    begin = rng.uniform(0.0, 0.72, count)[:, None]
    w = begin + 0.28 * t
    angle = 2 * np.pi * 2.1 * w
    reach = size * 0.027 * (1.0 - 0.85 * w)
    rope = size * 0.0145 * (1.0 - 0.25 * w)
    turn = rng.uniform(0, 2 * np.pi, count)[:, None] + 9.0 * w
    layer = rng.choice(3, count, p=[0.25, 0.35, 0.4])
    rope = rope * np.array([0.75, 0.92, 1.0])[layer][:, None]
    rope = rope * rng.uniform(0.96, 1.08, (count, 1))
    radial = np.cos(angle)[..., None] * right + np.sin(angle)[..., None] * up
    centre = reach[..., None] * radial + (size * (0.002 + 0.020 * w))[..., None] * axis
    ring = np.cos(turn)[..., None] * radial + np.sin(turn)[..., None] * axis
    strands = tie + centre + rope[..., None] * ring
    distance, outward = field(strands.reshape(-1, 3))
    inside = np.maximum(0.001 - distance, 0.0)[:, None] * outward
    strands = strands + inside.reshape(strands.shape)
    return strands, 8.5 * MM * size * rng.uniform(0.8, 1.2, count), layer


def hanging(
    patch: Patch,
    parameters: AvatarParameters,
    *,
    hem: float | ndarray,
    wave: float,
    backward: float = 1.0,
) -> Plan:
    """Hair combed to both sides of a parting, then falling to the hem. backward: how strongly it
    is combed off the face, 0 to 1."""
    side, behind = away_from_part(patch, parameters.hair_parting)
    crown = smooth((patch.elevation - 32.0) / 28.0)
    back = mix(backward * mix(-0.7, -0.22, crown), -0.9, behind)
    comb = np.stack([side, 0 * side, 0 * side], axis=1) + patch.noise(0.04)
    comb -= back[:, None] * over_the_crown(patch, crown)
    volume, curl = parameters.hair_volume, parameters.hair_curl
    off_part = patch.off_part(parameters.hair_parting)
    over = mix(0.3, 1.0, smooth((patch.elevation + 5.0) / 45.0))
    near_part = patch.top * (1 - behind) * smooth(1.0 - off_part / 0.03)
    plan = make_plan(
        patch,
        length=0.52,
        comb=comb,
        segments=13,
        droop=mix(0.085, 0.07, crown),
        lift=0.05 + 0.2 * volume * (1.0 - near_part),
        clearance=(4 + 16 * volume) * MM * patch.height * over * (1.0 - 0.5 * near_part),
        rise=0.04,
        stick=mix(0.04, 0.25 - 0.09 * patch.layer, smooth((0.09 - patch.place[:, 2]) / 0.05)),
        hem=hem + patch.rng.normal(0, 0.006, patch.size) - 0.01 * (patch.layer == 3),
        clump=0.2 * smooth((0.08 - patch.place[:, 2]) / 0.04),
        clump_every=9,
        curl_radius=(wave + (2 + wave) * curl) * MM * patch.vary(0.7, 1.2),
        curl_wave=mix(0.11, 0.065, curl),
        width=mix(13.0, 15.0, volume) * MM,
        crowding=1.25,
        aside=1.5,
    )
    return replace(plan, taut=3)


def _pulled(
    parameters: AvatarParameters, shape: HeadShape, tie: ndarray, *, seed: int
) -> list[Piece]:
    """Hair combed flat to the tie."""
    patch = sow(parameters, shape, 1050, seed=seed, layers=(0.4, 0.36, 0.18, 0.06))
    patch = patch.take(sideburn(patch) < patch.vary(0.15, 1.1))
    side, behind = away_from_part(patch, parameters.hair_parting, sharpness=0.006)
    bow = np.stack([side, 0 * side, 0 * side], axis=1) * ((1 - behind) * patch.top)[:, None]
    volume = parameters.hair_volume
    plan = make_plan(
        patch,
        length=1.35 * np.linalg.norm(patch.start - tie, axis=1),
        comb=0.5 * bow + patch.noise(0.05),
        segments=9,
        droop=0.05,
        lift=0.03 + 0.3 * volume * patch.top,
        clearance=(2.5 + 8 * volume * (0.4 + 0.6 * patch.top)) * MM * patch.height,
        rise=0.055,
        stick=0.8,
        dodge=1.0,
        clump=0.2,
        clump_every=5,
        curl_radius=2.5 * MM * parameters.hair_curl,
        curl_wave=0.07,
        width=9 * MM,
    )
    return [Piece(replace(plan, tie=tie), twist=0.18, roundness=0.7, tip_width=0.7)]


def _free_plan(
    start: Float[ndarray, "P 3"],
    normal: Float[ndarray, "P 3"],
    *,
    length: float,
    hem: Float[ndarray, "P"],
    segments: int,
    lift: float,
    droop: float,
    clearance: Float[ndarray, "P"],
    curl_radius: float,
    curl_wave: float,
    width: float,
    rng: np.random.Generator,
) -> Plan:
    """Strands that start off the skin."""
    count = len(start)

    def each(value: float) -> Float[ndarray, "P"]:
        return np.full(count, value)

    return Plan(
        start=start,
        start_normal=normal,
        length=each(length),
        comb=normal.copy(),
        droop=each(droop),
        lift=each(lift),
        clearance=clearance,
        rise=each(0.02),
        stick=each(0.0),
        curl_radius=each(curl_radius),
        curl_wave=each(curl_wave),
        hem=hem,
        clump=each(0.35),
        clump_of=nearest_clump(start, 6),
        width=width * rng.uniform(0.8, 1.2, count),
        tier=rng.choice(4, count, p=[0.3, 0.36, 0.24, 0.1]),
        segments=segments,
    )


def _on_head(canonical: Float[ndarray, "3"], field: SkinField) -> Float[ndarray, "3"]:
    """Map a point of the average head to this head, 6 mm off the skin."""
    point = (canonical - field.to_canonical[3]) @ np.linalg.inv(field.to_canonical[:3])
    distance, normal = field(point[None])
    return point + (0.006 - distance[0]) * normal[0]
