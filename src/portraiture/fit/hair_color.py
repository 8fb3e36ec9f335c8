"""Estimate the pigments of hair from its pixels and from what people would call its colour.

pixels of hair ─mean, less gloss, over shade─▶ colour ─┐
`hair_name`: chance of black, brown, grey … ───────────┴─ search ─▶ melanin, redness, grey
pixels over the forehead, beside the jaw ────────────────▶ roots
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from portraiture.engine.classes import HAIR_COLOURS, HAIR_SPREAD, hair_colour_name
from portraiture.engine.hair.color import hair_rgb, to_linear
from portraiture.fit.hair_name import name_chances
from portraiture.fit.light import decode
from portraiture.fit.parse import Looks
from portraiture.fit.regions import Regions
from portraiture.perception.looks import LOOKS

HAIR_SHADE, LONG_SHADE, HAIR_GLOSS = 0.87, 0.52, 0.012
"""Hair of colour c renders as HAIR_SHADE c + HAIR_GLOSS on average, long hair as LONG_SHADE c +
HAIR_GLOSS (measured on fits of 17 portraits in their own light)."""
FEWEST = 150
"""Pixels of hair without which its colour is a guess."""
QUANTILES = (0.02, 0.98)
"""Luminances beyond which pixels are rather background."""
TRUST = 4.0
"""Weight of the name, as negative log probability, against the pixels, which are of unknown light.
"""
TYPICAL, UNGREY = 0.15, 0.06
"""Weight of the squared distance from the name's typical pigments, in standard deviations; and the
standard deviation of grey in colours without it: a few grey hairs, spread over dark ones, look like
more."""
LIGHT, CHROMA, FLOOR = 2.5, 10.0, 0.02
"""Weights of luminance, which depends on the photo's light, and of chroma, and what is added to
both colours, linear."""
CHANNELS = np.array([1.0, 1.0, 0.2])
"""Weights of the channels: blue is next to nothing in fair and brown hair."""
FAIR = 0.62
"""Melanin, and share of grey hairs, above which dark roots do not show."""
EVEN, REGROWN = -0.45, 1.05
"""Log brightness of the lengths over that of the roots: of even hair, which is lit from above
(measured under an older studio light: -0.65; the rest is a margin, as shaded crowns look like
roots), and how much more with `hair_roots` of 1."""


class Pigments(NamedTuple):
    """In `AvatarParameters`' units, each in [0, 1]."""

    melanin: float
    redness: float
    grey: float


def hair_pigments(regions: Regions, looks: Looks) -> Pigments:
    """The pigments whose colour is nearest to the hair's and that its likely names allow; without
    enough hair, those of the likeliest name."""
    pixels, chances = regions.image[regions.hair], name_chances(regions, looks)
    if len(pixels) < FEWEST:
        return Pigments(*HAIR_COLOURS[LOOKS["colour"][int(chances.argmax())]])
    pigments, colours, names, unusual = _candidates()
    cost = _pixel_cost(_mean(pixels, hair_shade(looks)), colours)
    cost = cost - TRUST * np.log(chances)[names] + TYPICAL * unusual
    return Pigments(*(float(value) for value in pigments[int(cost.argmin())]))


def dark_roots(regions: Regions, pigments: Pigments) -> float:
    """`hair_roots` from how much brighter fair hair is beside the jaw than over the forehead."""
    if pigments.melanin > FAIR or pigments.grey > FAIR:
        return 0.0
    x, y = regions.head_coordinates()
    zones = (regions.hair & (y > 0.95) & (np.abs(x) < 0.8), regions.hair & (y < -0.1))
    if min(zone.sum() for zone in zones) < FEWEST:
        return 0.0
    root, tip = (float(np.median(decode(regions.image[zone]).mean(-1))) for zone in zones)
    brighter = np.log(max(tip, 1e-3) / max(root, 1e-3))
    return float(np.clip((brighter - EVEN) / REGROWN, 0.0, 1.0))


def hair_shade(looks: Looks) -> float:
    """What part of its colour hair of the photo's likely length shows."""
    return HAIR_SHADE + looks.chance("hair", "long") * (LONG_SHADE - HAIR_SHADE)


def _mean(pixels: Float[ndarray, "P 3"], shade: float) -> Float[ndarray, "3"]:
    """Linear colour of hair as the engine's parameters mean it."""
    linear = decode(pixels)
    light = linear.sum(1)
    low, high = np.quantile(light, QUANTILES)
    mean = linear[(light >= low) & (light <= high)].mean(0)
    return np.maximum(mean - HAIR_GLOSS, 0.002) / shade


def _pixel_cost(seen: Float[ndarray, "3"], colours: Float[ndarray, "K 3"]) -> Float[ndarray, "K"]:
    """Squared log distance to every candidate's colour."""
    gap = np.log(colours + FLOOR) - np.log(seen + FLOOR)
    light = np.average(gap, axis=1, weights=CHANNELS)
    return LIGHT * light**2 + CHROMA * ((gap - light[:, None]) ** 2 @ CHANNELS)


class Candidates(NamedTuple):
    """Pigments on a grid, their linear colours, their names as indices of `LOOKS["colour"]`, and
    squared distances from those that are typical of the name, in standard deviations."""

    pigments: Float[ndarray, "K 3"]
    colours: Float[ndarray, "K 3"]
    names: Int[ndarray, "K"]
    unusual: Float[ndarray, "K"]


@lru_cache(maxsize=1)
def _candidates() -> Candidates:
    reds, greys = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75), (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)
    pigments = np.array(list(product(np.linspace(0.0, 1.0, 26), reds, greys)))
    names = [LOOKS["colour"].index(hair_colour_name(*one)) for one in pigments.tolist()]
    typical = np.array([HAIR_COLOURS[name] for name in LOOKS["colour"]])[names]
    spread = np.broadcast_to(HAIR_SPREAD, typical.shape).copy()
    spread[typical[:, 2] == 0.0, 2] = UNGREY
    shows = 1.0 - 0.9 * pigments[:, 2]
    weight = np.stack([shows, shows, np.ones_like(shows)], 1)
    unusual = (weight * ((pigments - typical) / spread) ** 2).sum(1)
    colours = np.array([to_linear(hair_rgb(*one)) for one in pigments])
    return Candidates(pigments, colours, np.array(names), unusual)
