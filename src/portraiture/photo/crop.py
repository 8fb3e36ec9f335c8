"""Cut a rotated rectangle out of an image, sampled as OpenCV's fixed-point ``warpPerspective``.

The face networks were trained on, and mediapipe runs them on, crops of this kind: bilinear between
positions rounded to 1/32 pixel, without a low-pass filter, pixel centres at integers in both
images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

_BITS = 5
_STEPS = 1 << _BITS
"""Subpixel positions per pixel."""


@dataclass(frozen=True)
class Rectangle:
    """centre: (2,) and size: (2,) in pixels, x first; angle: radians, clockwise on screen."""

    centre: Float[ndarray, "2"]
    size: Float[ndarray, "2"]
    angle: float = 0.0

    def to_image(self, points: Float[ndarray, "... 2"]) -> Float[ndarray, "... 2"]:
        """Pixel coordinates of points of the rectangle, whose corners are (0, 0) and (1, 1)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return ((points - 0.5) * self.size) @ np.array([[c, s], [-s, c]]) + self.centre


def whole(image: UInt8[ndarray, "h w 3"]) -> Rectangle:
    """The rectangle of the whole image."""
    size = np.array(image.shape[1::-1], np.float64)
    return Rectangle(size / 2, size)


def crop(
    image: UInt8[ndarray, "h w 3"],
    rectangle: Rectangle,
    side: int,
    *,
    outside: Literal["zero", "edge"],
) -> Float[Tensor, "s s 3"]:
    """Resample the rectangle to a square of `side` pixels, integers from 0 to 255; outside the
    image zero or the colour of its edge."""
    steps = np.arange(side) / side
    at = rectangle.to_image(np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2))
    fixed = torch.from_numpy(at).mul_(_STEPS).round_().int()
    near, part = fixed >> _BITS, (fixed & (_STEPS - 1)).float()
    last = torch.tensor(image.shape[1::-1], dtype=torch.int32) - 1
    ends = []
    for pixel, weight in ((near, _STEPS - part), (near + 1, part)):
        if outside == "zero":
            weight = weight * ((pixel >= 0) & (pixel <= last))
        ends.append((torch.minimum(pixel.clamp(min=0), last).unbind(-1), weight.unbind(-1)))
    pixels = np.ascontiguousarray(image).reshape(-1, 3)
    total = torch.full((side**2, 3), _STEPS**2 / 2)
    for (_, row), (_, up) in ends:
        for (column, _), (along, _) in ends:
            place = row * image.shape[1] + column
            total += torch.from_numpy(pixels.take(place, axis=0)) * (up * along)[:, None]
    return total.div_(_STEPS**2).floor_().view(side, side, 3)
