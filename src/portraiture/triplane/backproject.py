"""Distribute values at 3D points over three planes so that sampling the planes returns them.

points' values ─bilinear splats, weighted by share─▶ planes ─sample─▶ residual ─▶ repeat
This is least squares by simultaneous iterations (SIRT, Gilbert 1972): every texel is updated by the
mean residual of its points. The shares determine how the planes divide a value. [ours]
Letters: B heads, M points, C values of a point, P side of a plane.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.triplane.planes import sample_places

SEEN = 0.02
"""Texels with less splat weight get a proportionally smaller update."""


def backproject(
    values: Float[Tensor, "B M C"],
    places: Float[Tensor, "B 3 M 2"],
    shares: Float[Tensor, "B 3 M"],
    *,
    size: int,
    rounds: int,
) -> Float[Tensor, "B 3 C P P"]:
    """Find planes whose samples (`sample_places`, the mean over planes) at the places approximate
    the values; 0 where there are no points. places: in [-1, 1] along each side. shares: weights of
    the planes for a point's value, sum 1. size: P. rounds: number of iterations."""
    texels, weights = _corners(places, size)
    weights = weights * shares[..., None]
    ones = torch.ones_like(values[..., :1])
    count = _splat(ones, texels, weights, size).clamp_min(SEEN)
    found = _splat(values, texels, weights, size) / count
    for _ in range(rounds - 1):
        lacking = values - sample_places(found, places)
        found = found + _splat(lacking, texels, weights, size) / count
    return found


def _corners(
    places: Float[Tensor, "B 3 M 2"], size: int
) -> tuple[Float[Tensor, "B 3 M 4"], Float[Tensor, "B 3 M 4"]]:
    """Indices of the four texels around each place, and their bilinear weights (0 outside)."""
    at = (places + 1.0) * (0.5 * size) - 0.5
    low = at.floor()
    part = at - low
    texels, weights = [], []
    for right in (0, 1):
        for down in (0, 1):
            x, y = low[..., 0] + right, low[..., 1] + down
            inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
            weight = (part[..., 0] if right else 1.0 - part[..., 0]) * (
                part[..., 1] if down else 1.0 - part[..., 1]
            )
            weights.append(weight * inside)
            texels.append((y * size + x).clamp(0, size * size - 1))
    return torch.stack(texels, -1).long(), torch.stack(weights, -1)


def _splat(
    values: Float[Tensor, "B M C"], texels: Tensor, weights: Float[Tensor, "B 3 M 4"], size: int
) -> Float[Tensor, "B 3 C P P"]:
    """Adjoint of sampling: splat each value with its bilinear weights, a third to each plane."""
    b, _, c = values.shape
    flat = values.new_zeros(b * 3 * size * size, c)
    first = torch.arange(b * 3, device=values.device).view(b, 3, 1) * (size * size)
    for corner in range(4):
        part = values[:, None] * (weights[..., corner, None] / 3.0)
        flat.index_add_(0, (texels[..., corner] + first).flatten(), part.flatten(0, 2))
    return flat.view(b, 3, size, size, c).permute(0, 1, 4, 2, 3)
