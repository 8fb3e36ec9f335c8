"""Short cuts: buzz, short, crop, side part, quiff, slicked back, curly and afro.

Each style is one function from parameters and head to its pieces of hair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.hair.guides import Plan
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
from portraiture.ops.vectors import smooth, unit


def buzz(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """A few millimetres all over."""
    patch = sow(parameters, shape, 4200, seed=13, edge=0.008, layers=(0.0, 0.45, 0.25, 0.3))
    lengths = mix(3.0, 9.0, parameters.hair_length) * MM * patch.vary(0.8, 1.15)
    lengths *= 0.6 + 0.4 * smooth(patch.roots.depth / 0.02)
    plan = make_plan(
        patch,
        length=lengths,
        comb=away_from_whorl(patch) + patch.noise(0.3),
        segments=2,
        lift=0.5 + 0.2 * parameters.hair_volume,
        clearance=lengths * 0.7,
        rise=lengths,
        width=6 * MM,
    )
    return [Piece(plan, twist=0.6, roundness=0.85, root_width=0.9, tip_width=0.9)]


def short(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Longer on top, brushed forward and to the side away from the parting."""
    patch, lengths = _tapered(parameters, shape, top_mm=(20, 62), side_mm=(11, 26), seed=11)
    comb = away_from_whorl(patch) + patch.noise(0.25)
    comb += _front(patch)[:, None] * np.array([_sweep(parameters), 0.0, 0.1])
    return [Piece(_short_plan(patch, parameters, lengths, comb, clump=0.4))]


def crop(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Very short sides, a textured top brushed forward into a short fringe."""
    patch, lengths = _tapered(parameters, shape, top_mm=(16, 42), side_mm=(7, 13), seed=23)
    front = _front(patch)
    comb = away_from_whorl(patch) + patch.noise(0.38)
    comb += front[:, None] * np.array([0.35 * _sweep(parameters), 0.0, 1.2])
    plan = _short_plan(patch, parameters, lengths, comb, clump=0.75, lift=0.12)
    return [Piece(plan, twist=0.45)]


def side_part(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Combed away from a sharp parting that is never exactly central."""
    off = parameters.hair_parting - 0.5
    parting = float(np.clip(0.5 + np.copysign(0.12 + 0.8 * abs(off), off - 1e-9), 0.0, 1.0))
    sides = _tapered(parameters, shape, top_mm=(45, 95), side_mm=(15, 32), seed=29)
    line = along_part(parameters, shape, parting, seed=129)
    pieces = []
    for patch, lengths in (sides, (line, 0.7 * mix(45, 95, parameters.hair_length) * MM)):
        side, behind = away_from_part(patch, parting)
        across = np.stack([side, 0 * side, 0 * side], axis=1)
        across += mix(0.8, 0.9, behind)[:, None] * over_the_crown(patch)
        weight = (patch.top * (1.0 - behind))[:, None]
        comb = mix(away_from_whorl(patch), across, weight) + patch.noise(0.1)
        comb += (1 - patch.top)[:, None] * np.array([0.0, -0.4, -0.5])
        plan = _short_plan(
            patch,
            parameters,
            np.broadcast_to(lengths, (patch.size,)),
            comb,
            clump=0.3,
            lift=0.05,
            height=0.8,
            droop=0.1,
            segments=8,
        )
        pieces.append(Piece(plan, twist=0.28))
    return pieces


def quiff(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Short sides; the top swept up from the forehead and back."""
    patch, lengths = _tapered(parameters, shape, top_mm=(55, 105), side_mm=(9, 18), seed=31)
    front = _front(patch)
    fore = front * smooth((patch.place[:, 2] - 0.045) / 0.06)
    fore = fore * smooth((0.078 - np.abs(patch.place[:, 0])) / 0.06)
    volume = parameters.hair_volume
    comb = away_from_whorl(patch) * (1 - patch.top)[:, None] + patch.noise(0.05)
    comb += patch.top[:, None] * over_the_crown(patch)
    comb[:, 0] += 0.3 * _sweep(parameters) * patch.top
    comb[:, 0] -= 4.0 * patch.place[:, 0] * patch.top
    crest = mix(6 + 8 * volume, 16 + 34 * volume, fore)
    plan = make_plan(
        patch,
        length=lengths * mix(1.0, mix(0.7, 1.0, fore) * patch.vary(0.75, 1.05), patch.top),
        comb=comb,
        segments=8,
        droop=mix(0.03, 0.25, patch.top),
        lift=np.clip(mix(0.25, 0.3 + 0.42 * fore, patch.top), 0, 0.88),
        clearance=mix(2.5 + 4 * volume, crest, patch.top) * MM * patch.height,
        rise=mix(0.5 * lengths, 0.022 + 0.02 * fore, patch.top),
        stick=0.5,
        clump=0.22,
        clump_every=14,
        curl_radius=4 * MM * parameters.hair_curl * patch.top,
        curl_wave=0.06,
        width=mix(7.5, 12.0, patch.top) * MM,
    )
    return [Piece(plan, twist=0.25, tip_width=0.5)]


def slick_back(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Combed straight back, close to the head."""
    patch = sow(parameters, shape, 1250, seed=37)
    lengths = mix(70, 130, parameters.hair_length) * MM * patch.vary(0.85, 1.1)
    low = 1.0 - patch.top
    lengths *= 1.0 - 0.5 * low * smooth((np.abs(patch.azimuth) - 100) / 60)
    burn = sideburn(patch)
    lengths = mix(lengths, 0.014, burn)
    comb = over_the_crown(patch) + patch.noise(0.05) + burn[:, None] * [0.0, -1.5, 0.6]
    comb[:, 0] += 0.25 * _sweep(parameters) * patch.top
    comb += low[:, None] * [0.0, -0.4, -0.4]
    volume = parameters.hair_volume
    plan = make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=9,
        droop=mix(0.045, 0.14, patch.top),
        lift=0.2 + 0.35 * volume * patch.top,
        clearance=(2.5 + (4 + 8 * patch.top) * volume) * MM * patch.height,
        rise=0.03,
        stick=0.8,
        dodge=1.0,
        hem=mix(0.862, 0.80, parameters.hair_length) + patch.rng.normal(0, 0.004, patch.size),
        clump=0.45,
        clump_every=6,
        curl_radius=5 * MM * parameters.hair_curl,
        curl_wave=0.06,
        width=8.5 * MM,
    )
    return [Piece(plan, twist=0.2, roundness=0.7)]


def curly(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Locks of curls all over."""
    patch = sow(parameters, shape, 820, seed=41, layers=(0.3, 0.36, 0.26, 0.08))
    curl = parameters.hair_curl
    side = mix(0.6, 1.0, smooth((patch.elevation + 10) / 60)) * mix(
        0.55, 1.0, smooth(patch.roots.depth / 0.03)
    )
    lengths = mix(55, 135, parameters.hair_length) * MM * side * patch.vary(0.8, 1.15)
    comb = away_from_whorl(patch) + patch.noise(0.45)
    comb += _front(patch)[:, None] * np.array([0.8 * _sweep(parameters), 0.3, 0.0])
    volume = parameters.hair_volume
    plan = make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=14,
        droop=0.05,
        lift=0.5 + 0.25 * volume,
        clearance=(8 + 24 * volume) * side * MM * patch.height,
        rise=0.03,
        stick=0.25,
        hem=np.where(np.abs(patch.azimuth) < 58.0, 0.937, -np.inf),
        clump=0.25,
        clump_every=4,
        curl_radius=mix(6.0, 5.0, curl) * MM * patch.vary(0.7, 1.25),
        curl_wave=mix(0.045, 0.026, curl),
        width=8 * MM * patch.vary(0.8, 1.2),
    )
    return [Piece(plan, twist=0.3, roundness=0.35, root_width=0.9, tip_width=0.6)]


def afro(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Coils that stand off the head in all directions."""
    volume = parameters.hair_volume
    height = mix(18, 75, parameters.hair_length) * (0.8 + 0.4 * volume) * MM
    pieces = []
    for seed, count, low, high, layer in (
        (43, 1100, 0.0, 0.40, 0),
        (44, 1700, 0.30, 0.78, 1),
        (45, 3000, 0.62, 0.95, 2),
        (46, 1300, 0.75, 1.04, 3),
    ):
        patch = sow(parameters, shape, count, seed=seed, edge=0.004)
        patch.layer[:] = layer
        depth = smooth(patch.roots.depth / (0.01 + 0.5 * height)) * 0.9 + 0.1
        base = height * depth * patch.vary(low, high)
        patch.start[:] += patch.normal * base[:, None]
        patch.normal[:] = unit(patch.normal + 0.6 * patch.rng.normal(size=(patch.size, 3)))
        plan = make_plan(
            patch,
            length=np.minimum(0.012 + 0.08 * height, 0.017) * patch.vary(0.7, 1.3),
            comb=patch.noise(1.0) + np.array([0, -0.2, 0]),
            segments=2,
            droop=1.0,
            lift=patch.vary(0.25, 0.9),
            clearance=base,
            rise=1e-4,
            stick=0.0,
            width=15 * MM * patch.vary(0.75, 1.25),
        )
        plan = replace(plan, tier=patch.layer)
        pieces.append(Piece(plan, twist=0.8, roundness=0.95, root_width=0.9, tip_width=0.95))
    return pieces


def _tapered(
    parameters: AvatarParameters,
    shape: HeadShape,
    *,
    top_mm: tuple[float, float],
    side_mm: tuple[float, float],
    seed: int,
) -> tuple[Patch, Float[ndarray, "P"]]:
    """Roots and lengths of a cut that is longer on top and tapers towards the hairline."""
    patch = sow(parameters, shape, 1700, seed=seed)
    top = mix(*top_mm, parameters.hair_length) * MM
    side = mix(*side_mm, parameters.hair_length) * MM
    taper = 0.45 + 0.55 * smooth(patch.roots.depth / 0.03)
    return patch, mix(side * taper, top, patch.top) * patch.vary(0.8, 1.12)


def _short_plan(
    patch: Patch,
    parameters: AvatarParameters,
    lengths: Float[ndarray, "P"],
    comb: Float[ndarray, "P 3"],
    *,
    clump: float,
    lift: float = 0.0,
    height: float = 1.0,
    droop: float = 0.06,
    segments: int = 6,
) -> Plan:
    volume = parameters.hair_volume
    beside = np.minimum((3.5 + 11 * volume) * MM, 0.6 * lengths)
    clearance = mix(beside, height * (6 + 14 * volume) * MM, patch.top) * patch.height
    return make_plan(
        patch,
        length=lengths,
        comb=comb,
        segments=segments,
        droop=mix(0.02, droop, patch.top),
        lift=np.clip(lift + mix(0.3, 0.4 + 0.25 * volume, patch.top), 0, 0.9),
        clearance=clearance,
        rise=0.45 * lengths,
        stick=0.4,
        dodge=1.1,
        clump=clump,
        clump_every=9,
        curl_radius=6 * MM * parameters.hair_curl * patch.top,
        curl_wave=0.04,
        width=mix(6.5, 9.0, patch.top) * MM,
    )


def _front(patch: Patch) -> Float[ndarray, "P"]:
    """1 on the top above the forehead, 0 at the sides and behind the crown."""
    return patch.top * smooth((95.0 - np.abs(patch.azimuth)) / 60.0)


def _sweep(parameters: AvatarParameters) -> float:
    """Sweep direction away from the parting: -1 to the person's right, 1 to the left."""
    return float(np.clip(3.0 * (parameters.hair_parting - 0.5), -1.0, 1.0))
