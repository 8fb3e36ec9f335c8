"""Skin that comes from a photo, moved to another tone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.hair.color import to_linear, to_srgb
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.tone import TABLE_SIZE, tone_table

TONE = ("skin_melanin", "skin_haemoglobin", "skin_undertone")
MOST = 6.0
"""Largest change of a channel."""


def tone(parameters: AvatarParameters) -> Float[ndarray, "3"]:
    """Colour of plain skin as `skin.paint` paints it, linear."""
    table = tone_table(round(parameters.skin_undertone, 2)).astype(np.float64)
    pigments = 0.03 + 0.94 * parameters.skin_melanin, 0.16 + 0.20 * parameters.skin_haemoglobin
    at = [pigment * (TABLE_SIZE - 1) for pigment in pigments]
    low = [min(int(x), TABLE_SIZE - 2) for x in at]
    u, v = (x - floor for x, floor in zip(at, low, strict=True))
    near = table[low[0] : low[0] + 2, low[1] : low[1] + 2]
    return np.einsum("a,b,abc->c", [1 - u, u], [1 - v, v], near)


def change(before: AvatarParameters, after: AvatarParameters) -> Float[ndarray, "3"]:
    """Factor on linear albedo from one tone to another."""
    return np.clip(tone(after) / tone(before), 1.0 / MOST, MOST)


def toned(
    albedo: UInt8[ndarray, "s s 3"], before: AvatarParameters, after: AvatarParameters
) -> UInt8[ndarray, "s s 3"]:
    """The albedo of a photo as if its skin had the tone of `after` and not that of `before`."""
    if all(getattr(before, name) == getattr(after, name) for name in TONE):
        return albedo
    levels = to_linear(np.arange(256) / 255.0)[:, None] * change(before, after)
    table = (to_srgb(levels) * 255.0 + 0.5).astype(np.uint8)
    return np.stack([table[albedo[..., channel], channel] for channel in range(3)], axis=-1)
