"""Kuwahara filter: regions become even and edges stay, as in brush strokes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.ndimage import uniform_filter


def kuwahara(
    image: Float32[ndarray, "h w C"], radius: int, *, sharpness: float = 4.0
) -> Float32[ndarray, "h w C"]:
    """Mean of the four quarters round each pixel, weighted by their evenness (Papari, Petkov and
    Campisi 2007, equation 8, with four overlapping tent-shaped windows).

    image: any range. radius: pixels, at least 1. sharpness: exponent q of the inverse standard
    deviation; large values choose the most even quarter alone, as Kuwahara 1976.
    """
    image = image.astype(np.float32)
    grey = image.mean(2)
    total = np.zeros_like(image)
    weights = np.zeros((*image.shape[:2], 1), np.float32)
    means, levels, squares = (_blurred(x, radius) for x in (image, grey, grey * grey))
    away = max(round(0.7 * radius), 1)
    for down in (-away, away):
        for right in (-away, away):
            level, square = (_moved(x, down, right) for x in (levels, squares))
            deviation = np.sqrt(np.maximum(square - level * level, 0.0)) + 1e-3
            weight = (deviation ** (-sharpness))[:, :, None]
            total += weight * _moved(means, down, right)
            weights += weight
    return total / weights


def _blurred(image: ndarray, radius: int) -> ndarray:
    """Tent filter: a box filter twice, whose half pixels of even boxes cancel."""
    side = radius + 1
    once = uniform_filter(image, side, axes=(0, 1))
    return uniform_filter(once, side, origin=side % 2 - 1, axes=(0, 1))


def _moved(image: ndarray, down: int, right: int) -> ndarray:
    """The image read (down, right) pixels away, the nearest pixel beyond its borders."""
    rows = np.clip(np.arange(image.shape[0]) + down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) + right, 0, image.shape[1] - 1)
    return image[rows][:, columns]
