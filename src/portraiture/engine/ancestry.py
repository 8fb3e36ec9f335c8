"""Clusters of ancestry, and what goes with each: face shape, skin, hair and eyes.

Frequencies are rough estimates, chosen for variety rather than to match a census.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import ndtr

from portraiture.engine.population import MELANIN

Range = tuple[float, float]
"""Mean and standard deviation."""


@dataclass(frozen=True)
class Ancestry:
    """One cluster of ancestry: its frequency and the distributions conditioned on it.

    mixture: Dirichlet concentrations of African, Asian and Caucasian face shape.
    melanin, undertone: of the skin. hair, iris: their melanin. curl: of the hair.
    red: probability of red hair. shape: offsets of local changes, in [-1, 1].
    """

    share: float
    mixture: tuple[float, float, float]
    melanin: Range
    undertone: Range
    hair: Range
    iris: Range
    curl: Range
    red: float
    shape: Mapping[str, float]


ANCESTRIES = (
    Ancestry(  # northern Europe
        0.24, (0.3, 0.3, 12), (0.12, 0.05), (0.42, 0.12), (0.55, 0.22), (0.25, 0.25),
        (0.22, 0.14), 0.09, {},
    ),
    Ancestry(  # Mediterranean, Middle East
        0.15, (1.2, 0.8, 12), (0.29, 0.08), (0.58, 0.1), (0.87, 0.08), (0.72, 0.18),
        (0.38, 0.18), 0.01, {"nose_scale_depth": 0.08},
    ),
    Ancestry(  # South Asia
        0.14, (1.5, 2.5, 9), (0.51, 0.11), (0.62, 0.1), (0.95, 0.03), (0.93, 0.05),
        (0.28, 0.14), 0.0, {},
    ),
    Ancestry(  # East Asia
        0.16, (0.2, 14, 0.5), (0.2, 0.06), (0.66, 0.1), (0.95, 0.04), (0.92, 0.05),
        (0.08, 0.07), 0.0, {"eye_epicanthus_out": -0.12},
    ),
    Ancestry(  # South-East Asia and the Pacific
        0.07, (1.8, 10, 1.0), (0.42, 0.1), (0.65, 0.1), (0.95, 0.04), (0.95, 0.04),
        (0.2, 0.15), 0.0, {"mouth_scale_vert": 0.06},
    ),
    Ancestry(  # West and Central Africa
        0.13, (14, 0.3, 0.4), (0.85, 0.08), (0.58, 0.12), (0.98, 0.02), (0.97, 0.02),
        (0.92, 0.06), 0.0, {},
    ),
    Ancestry(  # African America, East Africa, Caribbean
        0.12, (7, 0.6, 3.0), (0.68, 0.1), (0.58, 0.12), (0.96, 0.03), (0.92, 0.06),
        (0.82, 0.12), 0.0, {},
    ),
    Ancestry(  # Latin America
        0.11, (1.0, 3.5, 6), (0.36, 0.1), (0.6, 0.1), (0.92, 0.05), (0.85, 0.12),
        (0.25, 0.17), 0.0, {},
    ),
)  # fmt: skip

FORM_BOUNDS = (0.28, 0.55, 0.8)
"""Curl that parts straight, wavy, curly and afro hair."""
COLOUR_BOUNDS = (0.39, 0.58, 0.73, 0.88)
"""Melanin that parts blond, light brown, brown, dark brown and black hair."""
STRAIGHTENED = 0.4
"""Share of women whose hair is straight or wavy whatever grows."""
LEAST = 1e-4
"""Probability that is added to each form and colour, of which a normal distribution knows nothing.
"""


@lru_cache(maxsize=1)
def tone_chances() -> Float[ndarray, "6 C"]:
    """Probability of each of the C ancestries given a tone of skin (`population.TONES`)."""
    bounds = np.array(MELANIN)
    share = np.array([ancestry.share for ancestry in ANCESTRIES])
    middle, deviation = np.array([ancestry.melanin for ancestry in ANCESTRIES]).T
    below = ndtr((bounds[:, None] - middle) / deviation)
    below[0], below[-1] = 0.0, 1.0
    joint = share * np.diff(below, axis=0)
    return joint / joint.sum(1, keepdims=True)


def form_chances(ancestry: Ancestry, *, woman: bool | int) -> Float[ndarray, "4"]:
    """Probability of straight, wavy, curly and afro hair."""
    grown = _between(FORM_BOUNDS, ancestry.curl)
    if not woman:
        return grown
    return (1.0 - STRAIGHTENED) * grown + STRAIGHTENED * np.array([0.6, 0.4, 0.0, 0.0])


def colour_chances(ancestry: Ancestry) -> Float[ndarray, "6"]:
    """Probability of black, dark brown, brown, light brown, blond and red hair that is not grey."""
    own = (1.0 - ancestry.red) * _between(COLOUR_BOUNDS, ancestry.hair)[::-1]
    return np.append(own, ancestry.red)


def _between(bounds: tuple[float, ...], spread: Range) -> Float[ndarray, "B"]:
    """Probability of each interval between bounds under a normal distribution."""
    below = ndtr((np.array(bounds) - spread[0]) / spread[1])
    chance = np.diff(below, prepend=0.0, append=1.0) + LEAST
    return chance / chance.sum()
