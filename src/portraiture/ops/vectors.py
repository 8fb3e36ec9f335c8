"""Vectors as arrays, and a smooth step."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def unit(vectors: Float[ndarray, "*n D"], *, least: float = 1e-12) -> Float[ndarray, "*n D"]:
    """Vectors of length one along the last axis; those shorter than `least` are divided by it, so
    that zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), least)


def smooth(t: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """Hermite step from 0 at t = 0 to 1 at t = 1."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
