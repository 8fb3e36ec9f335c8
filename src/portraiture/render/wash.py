"""Watercolour: pale washes whose edges are darker, on grained paper."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.ndimage import gaussian_filter

PALE, EDGE, GRAIN = 0.9, 3.0, 0.05
"""Share of a colour's darkness that is kept; how much darker pigment gathers at edges; depth of the
paper's grain."""
FINE, COARSE = 1.0 / 420.0, 1.0 / 60.0
"""Widths of edges and of blooms, as fractions of the image's height."""


def washed(rgba: Float32[ndarray, "h w 4"]) -> Float32[ndarray, "h w 4"]:
    """The image, sRGB with straight alpha, as if painted in watercolour."""
    height = rgba.shape[0]
    fine, coarse = max(FINE * height, 0.6), COARSE * height
    alpha = rgba[..., 3]
    dark = alpha[..., None] * (1.0 - rgba[..., :3])
    luma = dark @ np.array([0.299, 0.587, 0.114], np.float32)
    near, far = gaussian_filter(luma, fine), gaussian_filter(luma, 3.0 * fine)
    edge = np.clip(near - far, 0.0, 0.2)
    rng = np.random.default_rng(11)
    noise = rng.normal(0.0, 1.0, alpha.shape).astype(np.float32)
    grain = gaussian_filter(noise, fine) * 2.5 * fine
    bloom = gaussian_filter(noise, coarse) * 3.5 * coarse
    strength = PALE * (1.0 + 0.09 * np.clip(bloom, -1.5, 1.5)) + EDGE * edge
    strength = strength * (1.0 + GRAIN * np.clip(grain, -1.5, 1.5))
    out = rgba.copy()
    out[..., :3] = np.clip(1.0 - (1.0 - rgba[..., :3]) * strength[..., None], 0.0, 1.0)
    return out
