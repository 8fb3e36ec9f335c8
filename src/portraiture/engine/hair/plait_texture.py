"""Texture of plaits: three locks that pass over one another, in columns of one image.

A lock of a flat plait runs across it as sin t and in depth as sin 2t; the three differ by a third
of a turn. The lock in front is seen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.hair.color import WHITE, pigment_rgb, to_srgb
from portraiture.types import as_uint8

COLUMNS = 8
REACH_M = 0.46
"""Length of the plait in the texture, metres; v falls from 1 at the root to 0 at this length."""

_PERIOD_M = 0.021
_SWING, _HALF = 0.5, 0.47
"""How far locks go to either side, and half their width, as fractions of half the plait's."""

_FIBRES = 14
"""Tones across a lock."""


def plait_atlas(
    melanin: float, redness: float, grey: float, *, size: tuple[int, int] = (1024, 512)
) -> tuple[UInt8[ndarray, "h w 4"], UInt8[ndarray, "h w"]]:
    """Paint the plaits: sRGB with alpha, and roughness; see `texture.strand_atlas`."""
    rng = np.random.default_rng(17)
    cell = size[1] // COLUMNS
    columns = [_column(melanin, redness, grey, (size[0], cell), rng) for _ in range(COLUMNS)]
    rgba = np.concatenate([colour for colour, _ in columns], axis=1)
    crest = np.concatenate([raised for _, raised in columns], axis=1)
    return as_uint8(rgba), as_uint8(0.95 - 0.45 * crest)


def column_edges(pick: Float[ndarray, "P"]) -> Float[ndarray, "2 P"]:
    """u of both edges of the column selected by `pick` in [0, 1)."""
    column = np.minimum((pick * COLUMNS).astype(int), COLUMNS - 1)
    return np.stack([column + 0.02, column + 0.98]) / COLUMNS


def _column(
    melanin: float, redness: float, grey: float, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Float[ndarray, "h w 4"], Float[ndarray, "h w"]]:
    """sRGB with alpha, and how far the locks stand out, 0 to 1."""
    height, width = size
    along = (np.arange(height)[:, None] + 0.5) / height * REACH_M
    u = 2.0 * (np.arange(width)[None] + 0.5) / width - 1.0
    turn = 2 * np.pi * (along / _PERIOD_M + rng.random()) + rng.normal(0, 0.2)
    front = np.full(size, -np.inf)
    colour = np.zeros((*size, 3))
    crest, cover = np.zeros(size), np.zeros(size)
    for k in range(3):
        t = turn + 2 * np.pi * k / 3.0
        across = (u - _SWING * np.sin(t)) / _HALF
        inside = np.clip((1.0 - np.abs(across)) * 0.5 * width * _HALF + 0.5, 0.0, 1.0)
        depth = np.where(inside > 0.0, np.sin(2.0 * t) - 0.35 * across**2, -np.inf)
        fibre = np.clip((0.5 + 0.5 * across) * _FIBRES, 0, _FIBRES - 1).astype(int)
        raised = np.sqrt(np.clip(1.0 - across**2, 0.0, 1.0)) * (0.82 + 0.18 * np.sin(2.0 * t))
        lit = _fibres(melanin, redness, grey, rng)[fibre] * (0.25 + 1.0 * raised[..., None])
        nearer = depth > front
        colour = np.where(nearer[..., None], lit, colour)
        crest = np.where(nearer, raised, crest)
        front = np.where(nearer, depth, front)
        cover = np.maximum(cover, inside)
    return np.concatenate([to_srgb(colour), cover[..., None]], axis=2), crest


def _fibres(
    melanin: float, redness: float, grey: float, rng: np.random.Generator
) -> Float[ndarray, "K 3"]:
    """Linear colours across one lock."""
    own = np.clip(melanin + rng.normal(0, 0.04, _FIBRES), 0.0, 1.0)
    pigment = np.array([pigment_rgb(m, redness) for m in own])
    white = np.clip(grey + 0.3 * rng.normal(size=(_FIBRES, 1)) * (4 * grey * (1 - grey)), 0, 1)
    return ((1.0 - white) * pigment + white * WHITE) * rng.uniform(0.85, 1.15, (_FIBRES, 1))
