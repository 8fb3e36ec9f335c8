"""Textures of teeth, gums and tongue."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.detail import fractal
from portraiture.engine.skin.tone import encode_srgb
from portraiture.ops.inner import kernel

KINDS_OF_TOOTH = 7
"""Number of tooth types, central incisor to second molar, with one texture column each."""

SIZE = 256


def paint_teeth(parameters: AvatarParameters) -> UInt8[ndarray, "h w 4"]:
    """Texture of teeth and gum. Left three quarters: one column per tooth type, the neck of the
    tooth at the top. Right: gum.

    The occlusion of the mouth is painted in: teeth darken and redden towards the back.
    """
    x, y = np.meshgrid((np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE)
    kind = np.clip((x / 0.75 * KINDS_OF_TOOTH).astype(int), 0, KINDS_OF_TOOTH - 1)
    across = (x / 0.75 * KINDS_OF_TOOTH - kind - 0.5) * 2.0
    stain = float(np.clip((parameters.age - 0.4) / 0.6, 0.0, 1.0))
    neck = np.array([0.50, 0.40, 0.28]) * (1.0 - 0.15 * stain)
    body = np.array([0.60, 0.555, 0.48]) * (1.0 - np.array([0.06, 0.14, 0.30]) * stain)
    edge = np.array([0.54, 0.53, 0.49])
    to_body = _smooth(0.0, 0.35, y)[..., None]
    to_edge = (0.8 * _smooth(0.80, 1.0, y))[..., None]
    tooth = neck + to_body * (body - neck)
    tooth = tooth + to_edge * (edge - tooth)
    yellow = np.array([0.0, -0.02, -0.06])[None, None] * np.isin(kind, [2])[..., None]
    tooth = tooth + yellow
    depth_shade = np.array([1.0, 1.0, 0.97, 0.90, 0.80, 0.66, 0.5])[kind]
    side_shade = 1.0 - 0.30 * np.abs(across) ** 4
    neck_shade = 0.80 + 0.20 * _smooth(0.0, 0.12, y)
    tooth = tooth * (0.97 * side_shade * neck_shade)[..., None]
    tooth = tooth * depth_shade[..., None] ** np.array([1.0, 1.4, 1.6])

    along = np.clip((x - 0.76) / 0.23, 0.0, 1.0)
    melanin = parameters.skin_melanin
    gum = np.array([0.46, 0.165, 0.155]) * (1.0 - np.array([0.45, 0.35, 0.2]) * melanin)
    gum = gum * (0.8 + 0.2 * (1 - _smooth(0.25, 1.0, y)))[..., None]
    gum = gum * (1.0 - 0.5 * along)[..., None] + 0.02 * (y < 0.08)[..., None]
    color = np.where((x < 0.75)[..., None], tooth, gum)
    return _opaque(color)


@lru_cache(maxsize=1)
def paint_tongue() -> UInt8[ndarray, "h w 4"]:
    """Tongue from above, tip at the bottom, darker towards the throat. The array is shared: do not
    modify it."""
    x, y = np.meshgrid((np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE)
    base = np.array([0.34, 0.115, 0.105])
    coat = np.array([0.40, 0.185, 0.165])
    middle = np.exp(-(((x - 0.5) / 0.25) ** 2))
    color = base + (middle * 0.8)[..., None] * (coat - base)
    color = color * (1.0 + 0.06 * _papillae(SIZE))[..., None]
    reach = _smooth(0.1, 0.4, y) * (1.0 - _smooth(0.75, 0.95, y))
    groove = np.exp(-(((x - 0.5) / 0.018) ** 2)) * reach
    color = color * (1.0 - 0.35 * groove)[..., None]
    color = color * (0.35 + 0.65 * _smooth(0.1, 0.9, y))[..., None]
    return _opaque(color)


@kernel
def _papillae(size):
    out = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            out[row, column] = fractal(column * 85.0 / size, row * 85.0 / size, 0.0, 3, 41)
    return out


def _smooth(low: float, high: float, value: ndarray) -> ndarray:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _opaque(linear: ndarray) -> UInt8[ndarray, "h w 4"]:
    out = np.full((*linear.shape[:2], 4), 255, np.uint8)
    out[..., :3] = (encode_srgb(np.clip(linear, 0.0, 1.0)) * 255.0 + 0.5).astype(np.uint8)
    return out
