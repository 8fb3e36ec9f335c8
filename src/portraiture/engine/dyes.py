"""Colours of clothes, sRGB in [0, 1], and samples of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

CLOTHES = (
    (0.12, 0.17, 0.28), (0.20, 0.21, 0.23), (0.88, 0.87, 0.85), (0.86, 0.81, 0.72),
    (0.55, 0.62, 0.53), (0.62, 0.32, 0.22), (0.42, 0.13, 0.18), (0.33, 0.44, 0.58),
    (0.70, 0.56, 0.28), (0.16, 0.29, 0.23), (0.08, 0.08, 0.09), (0.55, 0.56, 0.58),
    (0.74, 0.62, 0.59), (0.17, 0.42, 0.46), (0.66, 0.53, 0.40), (0.66, 0.76, 0.86),
    (0.37, 0.33, 0.44), (0.36, 0.30, 0.26),
)  # fmt: skip
"""Common clothing colours, sRGB: navy, charcoal, white, cream, sage, rust, wine, denim, …"""

SUITS = (
    (0.10, 0.12, 0.19), (0.14, 0.15, 0.17), (0.07, 0.07, 0.08), (0.24, 0.25, 0.28),
    (0.15, 0.19, 0.30), (0.23, 0.19, 0.17),
)  # fmt: skip
"""Colours of suits, sRGB: navy, charcoal, black, grey, blue, brown."""
SHIRTS = (
    (0.94, 0.94, 0.95), (0.94, 0.94, 0.95), (0.74, 0.82, 0.92), (0.92, 0.90, 0.86),
    (0.90, 0.80, 0.82), (0.80, 0.84, 0.88),
)  # fmt: skip
TIES = (
    (0.10, 0.14, 0.33), (0.55, 0.08, 0.12), (0.33, 0.08, 0.14), (0.20, 0.33, 0.55),
    (0.12, 0.12, 0.14), (0.36, 0.22, 0.42), (0.14, 0.30, 0.24), (0.62, 0.45, 0.18),
)  # fmt: skip


def dyed(rng: Generator, dyes: Sequence[tuple[float, float, float]]) -> list[float]:
    """Sample one of the dyes, a little lighter or darker and off its hue."""
    dye = np.array(dyes[int(rng.integers(len(dyes)))])
    varied = dye * rng.uniform(0.85, 1.1) + rng.normal(0.0, 0.015, 3)
    return [float(np.clip(value, 0.0, 1.0)) for value in varied]
