"""Sample the learned details of skin (`sample_detail`)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from portraiture.engine.details import DETAIL_RANGE, DETAILS
from portraiture.engine.prior import TRUNCATION
from portraiture.engine.skin.appearance import load_appearance

DETAIL_SPREAD = (0.75, 0.4)
"""Standard deviations of sampled details that are symmetric and antisymmetric, of the learned ones:
with all of it faces look worn, and asymmetry is in part the light of the portraits."""


def sample_detail(rng: Generator) -> dict[str, float]:
    """Sample details in [0, 1] by name; see `skin.appearance`."""
    even = load_appearance().even
    normal = rng.standard_normal(len(even))
    while (far := np.abs(normal) > TRUNCATION).any():
        normal[far] = rng.standard_normal(int(far.sum()))
    normal *= np.where(even, *DETAIL_SPREAD)
    return {
        name: float(np.clip(0.5 + 0.5 * value / DETAIL_RANGE, 0.0, 1.0))
        for name, value in zip(DETAILS, normal, strict=True)
    }
