"""Sample the learned details of skin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

from portraiture.engine.details import DETAIL_RANGE, DETAILS
from portraiture.engine.prior import TRUNCATION
from portraiture.engine.skin.appearance import load_appearance

DETAIL_SPREAD = (0.75, 0.4)
"""Standard deviations of sampled details that are symmetric and antisymmetric, of the learned ones:
with all of it faces look worn, and asymmetry is in part the light of the portraits."""


def sample_detail(rng: Generator) -> dict[str, float]:
    """Sample details in [0, 1] by name; see `skin.appearance`."""
    return detail_from(sample_normal(rng))


def sample_normal(rng: Generator) -> Float[ndarray, "D"]:
    """Standard normal numbers of the details, truncated at `TRUNCATION`."""
    normal = rng.standard_normal(len(DETAILS))
    while (far := np.abs(normal) > TRUNCATION).any():
        normal[far] = rng.standard_normal(int(far.sum()))
    return normal


def detail_from(normal: Float[ndarray, "D"]) -> dict[str, float]:
    """Details in [0, 1] by name from standard normal numbers, clipped at `TRUNCATION`."""
    even = load_appearance().even
    spread = np.clip(normal, -TRUNCATION, TRUNCATION) * np.where(even, *DETAIL_SPREAD)
    return {
        name: float(np.clip(0.5 + 0.5 * value / DETAIL_RANGE, 0.0, 1.0))
        for name, value in zip(DETAILS, spread, strict=True)
    }
