"""Tile images into grids."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.ops.resize import resized


def tile(
    images: Float[Tensor, "N C H W"],
    *,
    columns: int,
    side: int | None = None,
    span: tuple[float, float] = (-1.0, 1.0),
) -> UInt8[ndarray, "H2 W2 3"]:
    """Tile images row by row in a grid of `columns`, without gaps.

    images: 3 channels or 1. side: of each image in pixels, its own by default; pixels are repeated
    to enlarge and averaged to shrink. span: values that become black and white. An incomplete last
    row is filled with black.
    """
    if side is not None:
        images = resized(images, side, grow="nearest")
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
