"""Strand atlas: columns of fine hairs with gaps in one transparent texture.

Columns are grouped in tiers: 0 dense and dark (deep in the hair), 1 middle, 2 bright (outside),
3 sparse wisps, 4 separate short hairs. Row 0 is the root (v = 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from portraiture.engine.hair.color import WHITE, pigment_rgb, root_and_tip, to_srgb
from portraiture.ops.inner import kernel
from portraiture.types import as_uint8

COLUMNS = 16
TIER_COLUMNS = ((0, 3), (3, 7), (7, 11), (11, 13), (13, 16))
"""First and last column of each tier."""

_STRANDS = (76, 60, 48, 16, 26)
_SHADE = (0.74, 0.9, 1.0, 0.97, 0.94)

_LOCKS = 5
"""Locks of a column: hairs that lie side by side, share a tone and converge."""

_SALT, _SALT_GREY = 0.28, 0.33
"""How far a drawn hair differs from the mean share of white hairs, in hair that begins to grey, and
how much more in white hair: 0 uniform grey, 1 either white or pigmented."""


@dataclass(frozen=True)
class Weave:
    """Appearance of the hairs in the atlas.

    coil: lateral amplitude of each hair, in columns [0, 0.5]; coil_turns: waves along the card.
    gather: how strongly tips converge into tufts. thinning: fraction of the hairs that are drawn.
    fray: fraction of the length over which tips end. hair_width: texels, in a 64-texel column.
    regrown: fraction of the length over which dark roots fade.
    """

    coil: float = 0.0
    coil_turns: float = 6.0
    gather: float = 1.0
    thinning: float = 1.0
    fray: float = 0.35
    hair_width: float = 1.5
    regrown: float = 0.3


def column_span(tier: Int[ndarray, "P"], pick: Float[ndarray, "P"]) -> tuple[ndarray, ndarray]:
    """u of the left and right edge of one column of each tier, selected by `pick` in [0, 1)."""
    first = np.array([a for a, _ in TIER_COLUMNS])[tier]
    count = np.array([b - a for a, b in TIER_COLUMNS])[tier]
    column = first + np.minimum((pick * count).astype(int), count - 1)
    margin = 1.5 / 64.0
    return (column + margin) / COLUMNS, (column + 1 - margin) / COLUMNS


def strand_atlas(
    melanin: float,
    redness: float,
    grey: float,
    weave: Weave,
    *,
    roots: float = 0.0,
    size: tuple[int, int] = (512, 1024),
    seed: int = 0,
) -> tuple[UInt8[ndarray, "h w 4"], UInt8[ndarray, "h w"]]:
    """Paint the atlas: sRGB with alpha, and roughness. The hairs of one head vary in pigment and
    gloss; `grey` is the fraction without pigment. roots: 0 even hair, 1 dark roots and fair tips.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    colour = np.zeros((height, width, 4), np.float32)
    alpha = np.zeros((height, width), np.float32)
    cell = width // COLUMNS
    table = np.array([pigment_rgb(m, redness) for m in np.linspace(0, 1, 65)])
    for tier, (first, last) in enumerate(TIER_COLUMNS):
        for column in range(first, last):
            hairs = _hairs(tier, column - first, weave, cell, rng)
            shade = _SHADE[tier] * rng.uniform(0.92, 1.07)
            own = melanin + rng.normal(0, 0.015 + 0.02 * (1.0 - melanin))
            lock = np.minimum((hairs[:, 0] / cell * _LOCKS).astype(int), _LOCKS - 1)
            tone = _tones(lock, (own, roots), _streak(grey, rng), table, rng) * shade
            rough = rng.uniform(0.28, 0.85, (len(hairs), 1))
            tone = np.concatenate([tone[0], rough, tone[1]], axis=1)
            part = slice(column * cell, (column + 1) * cell)
            draw_hairs(
                hairs, tone.astype(np.float32), weave.regrown, colour[:, part], alpha[:, part]
            )
    lit = colour / np.maximum(alpha, 1e-4)[..., None]
    mean = (1 - grey) * pigment_rgb(melanin, redness) + grey * WHITE
    lit = np.where(alpha[..., None] > 0.02, lit, np.append(0.7 * mean, 0.6))
    rgba = np.concatenate([to_srgb(lit[..., :3]), alpha[..., None]], axis=2)
    return as_uint8(rgba), as_uint8(lit[..., 3])


def _hairs(
    tier: int, variant: int, weave: Weave, cell: int, rng: np.random.Generator
) -> Float[ndarray, "N 9"]:
    """Rows: x at root and tip, bend, wave amplitude, turns, phase, width, start, end."""
    count = int(_STRANDS[tier] * weave.thinning)
    order = rng.permutation(count)
    margin = 0.15 if tier == 3 else 0.07
    across = (order + rng.random(count)) / count
    thin_rim = (0.05, 0.1, 0.1, 0.0, 0.0)[tier] * np.sin(2 * np.pi * across)
    x = margin + (1 - 2 * margin) * (across + thin_rim)
    groups = np.sort(rng.uniform(0.15, 0.85, 3 + variant % 3))
    group = np.argmin(np.abs(x[:, None] - groups), axis=1)
    nearest = groups[group]
    gather = weave.gather * rng.uniform(0.5, 0.95, count) * (0.7, 1.0, 1.0, 0.8, 0.25)[tier]
    tip = x + gather * (nearest - x) + rng.normal(0, 0.012, count)
    bend = 0.03 * np.sin(9.0 * x + rng.uniform(0, 6.0)) + rng.normal(0, 0.02, count)
    amplitude = weave.coil * rng.uniform(0.5, 1.1, count) + 0.006
    turns = weave.coil_turns * rng.uniform(0.75, 1.3, count)
    shared = rng.uniform(0, 2 * np.pi, 4)
    phase = shared[rng.integers(0, 4, count)] + rng.normal(0, 0.5, count)
    width = weave.hair_width * rng.uniform(0.6, 1.25, count) * (cell / 64.0)
    width *= 1.35 if tier == 0 else 1.0
    start = rng.uniform(0.0, (0.05, 0.05, 0.05, 0.12, 0.25)[tier], count)
    fray = max(weave.fray * (0.7 if tier == 0 else 1.0), 0.5 * (tier == 4))
    outer = np.minimum(np.abs(x - nearest) / 0.2, 1.0)
    lock = rng.random(len(groups))[group]
    end = 1.0 - fray * (0.4 * outer + 0.35 * lock + 0.25 * rng.random(count) ** 1.6)
    rows = np.stack([x, tip, bend, amplitude, turns, phase, width / cell, start, end], axis=1)
    return rows * np.array([cell, cell, cell, cell, 1, 1, cell, 1, 1])


def _tones(
    lock: Int[ndarray, "N"],
    melanin: tuple[float, float],
    grey: float,
    table: ndarray,
    rng: np.random.Generator,
) -> Float[ndarray, "2 N 3"]:
    """Linear colour of each hair, beyond and at its root; those drawn last (in front) are slightly
    lighter. Hairs of one lock are alike. melanin: the hair's, and how dark the roots are.
    One drawn hair represents several, so it is never entirely white or entirely pigmented."""
    count = len(lock)
    whole, roots = melanin
    own = whole + rng.normal(0, 0.03, _LOCKS)[lock] + rng.normal(0, 0.03, count)
    own = np.clip(own - 0.03 * np.linspace(-1, 1, count), 0, 1)
    dark, fair = root_and_tip(own, roots)
    tone = table[np.rint(np.stack([fair, dark]) * 64).astype(int)]
    white = rng.random(count) < grey
    salt = _SALT + _SALT_GREY * grey
    share = (grey + salt * (white - grey))[:, None]
    tone = (1.0 - share) * tone + share * WHITE * rng.uniform(0.9, 1.08, (count, 1))
    light = rng.uniform(0.74, 1.2, _LOCKS)[lock] * rng.uniform(0.72, 1.2, count)
    return tone * (light * np.linspace(0.62, 1.26, count))[:, None]


def _streak(grey: float, rng: np.random.Generator) -> float:
    """The share of white hairs in one column; mixed hair greys in streaks."""
    return float(np.clip(grey + 0.6 * grey * (1.0 - grey) * rng.uniform(-1.0, 1.0), 0.0, 1.0))


@kernel
def draw_hairs(hairs, tones, regrown, colour, alpha):
    """Composite hairs in order over one column; colour is premultiplied. tones: (N, 7) colour and
    roughness, and the colour at the root."""
    height, cell = alpha.shape
    for n in range(hairs.shape[0]):
        root, tip, bend, amplitude, turns, phase, width, start, end = hairs[n]
        for row in range(int(start * height), int(end * height)):
            v = (row + 0.5) / height
            x = root + (tip - root) * v * v * v + bend * np.sin(np.pi * v)
            x += amplitude * np.sin(2 * np.pi * turns * v + phase) * min(1.0, 3.0 * v)
            x = min(max(x, 1.0), cell - 1.0)
            taper = min(1.0, (end - v) / 0.15)
            half = 0.5 * width * (0.3 + 0.7 * taper)
            shade = 0.5 + 0.5 * min(1.0, v / 0.25)
            grown = min(max(v / regrown - 0.3, 0.0), 1.0)
            root_share = 1.0 - grown * grown * (3.0 - 2.0 * grown)
            for column in range(max(int(x - half - 1), 0), min(int(x + half + 2), cell)):
                cover = min(max(half + 0.5 - abs(column + 0.5 - x), 0.0), 1.0)
                if cover <= 0.0:
                    continue
                rim = 1.0 - 0.25 * abs(column + 0.5 - x) / (half + 0.5)
                for c in range(4):
                    value = tones[n, c]
                    if c < 3:
                        value += root_share * (tones[n, 4 + c] - value)
                        value *= shade * rim
                    colour[row, column, c] = colour[row, column, c] * (1 - cover) + value * cover
                alpha[row, column] = alpha[row, column] * (1 - cover) + cover
