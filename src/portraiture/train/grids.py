"""Write grids of images as PNG."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor


def tile(
    images: Float[Tensor, "N C H W"], *, columns: int, span: tuple[float, float] = (-1.0, 1.0)
) -> UInt8[ndarray, "H2 W2 3"]:
    """Images row by row in a grid of `columns`, without gaps.

    images: 3 channels or 1. span: values that become black and white. A last row that is not full
    is filled with black.
    """
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    low, high = span
    images = ((images.detach().float().cpu() - low) / (high - low)).clamp(0, 1)
    n, c, h, w = images.shape
    rows = -(-n // columns)
    images = torch.cat([images, images.new_zeros(rows * columns - n, c, h, w)])
    grid = images.view(rows, columns, c, h, w).permute(0, 3, 1, 4, 2)
    return (grid.reshape(rows * h, columns * w, c).numpy() * 255 + 0.5).astype(np.uint8)


def stack_rows(*rows: UInt8[ndarray, "H W 3"]) -> UInt8[ndarray, "H W 3"]:
    """Stack images vertically; narrower ones are padded with black."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows])


def at_size(images: Float[Tensor, "N C h w"], size: int) -> Float[Tensor, "N C H W"]:
    """Images at size² for a grid: nearest when growing, averaged when shrinking."""
    if images.shape[-1] == size:
        return images
    if images.shape[-1] < size:
        return F.interpolate(images, size=(size, size), mode="nearest")
    kind = {"mode": "bilinear", "align_corners": False, "antialias": True}
    return F.interpolate(images, size=(size, size), **kind)
