"""Triangle rasterisation in torch: the reference of `rasterize_numba`."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from portraiture.render.alpha_test import AlphaTest

_PAIRS = 1 << 21
"""Candidate (triangle, pixel) pairs per batch."""


def rasterize_torch(
    points: ndarray,
    faces: ndarray,
    size: tuple[int, int],
    *,
    near: float,
    cull: ndarray,
    alpha: AlphaTest | None = None,
) -> tuple[ndarray, ndarray, ndarray]:
    """Reference: test every pixel of every triangle's bounding box, with the kernel's arithmetic.

    points: (V, 3) float64. Returns what `visible` returns.
    """
    height, width = size
    corners = torch.from_numpy(points)[torch.from_numpy(faces).long()]
    edges, det = _edges(corners)
    box = _boxes(corners, det, torch.from_numpy(cull), height, width, near)
    nearest = torch.zeros(height * width, dtype=torch.float64)
    triangle = torch.full((height * width,), -1, dtype=torch.int64)
    bary = torch.zeros((height * width, 3), dtype=torch.float64)
    columns, rows = (box[:, 1] - box[:, 0] + 1).clamp_min(0), (box[:, 3] - box[:, 2] + 1)
    area = columns * rows.clamp_min(0)
    group = torch.div(area.cumsum(0), _PAIRS, rounding_mode="floor")
    for f in torch.arange(len(faces)).split(torch.bincount(group).tolist() if len(faces) else []):
        owner = f.repeat_interleave(area[f])
        start = area[f].cumsum(0) - area[f]
        index = torch.arange(len(owner)) - start.repeat_interleave(area[f])
        y = box[owner, 2] + torch.div(index, columns[owner], rounding_mode="floor")
        x = box[owner, 0] + index % columns[owner]
        e, covered = _evaluate(edges[owner], x, y)
        total = e[:, 0] + e[:, 1] + e[:, 2]
        inverse = total * (1.0 / det[owner].abs())
        covered &= inverse <= 1.0 / near
        if alpha is not None:
            covered[covered.clone()] &= _opaque(
                alpha,
                faces,
                owner[covered],
                e[covered] / total[covered, None],
                2 * (y[covered] & 1) + (x[covered] & 1),
            )
        _resolve_depth(
            nearest, triangle, bary, (y * width + x)[covered], inverse[covered], owner[covered],
            (e / total[:, None])[covered],
        )  # fmt: skip
    depth = torch.where(triangle >= 0, 1.0 / nearest, torch.inf)
    return (
        triangle.reshape(size).numpy().astype(np.int32),
        bary.reshape(*size, 3).numpy().astype(np.float32),
        depth.reshape(size).numpy().astype(np.float32),
    )


def _edges(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (F, 3, 3) of the edge functions, positive inside, and det (F,)."""
    nxt, last = corners.roll(-1, 1), corners.roll(-2, 1)
    cross = [
        nxt[..., i] * last[..., j] - nxt[..., j] * last[..., i] for i, j in ((1, 2), (2, 0), (0, 1))
    ]
    edges = torch.stack(cross, dim=2)
    a, u = corners[:, 0], edges[:, 0]
    det = a[:, 0] * u[:, 0] + a[:, 1] * u[:, 1] + a[:, 2] * u[:, 2]
    return edges * torch.where(det > 0, 1.0, -1.0)[:, None, None], det


def _boxes(
    corners: Tensor, det: Tensor, cull: Tensor, height: int, width: int, near: float
) -> Tensor:
    """Bounding boxes (F, 4): first and last column, first and last row; empty if not visible."""
    z = corners[:, :, 2]
    xy = corners[:, :, :2] / z[:, :, None]
    low = torch.floor(xy.amin(1) - 0.5)
    high = torch.ceil(xy.amax(1) - 0.5)
    crossing = (z < near).any(1)
    limit = torch.tensor([width - 1.0, height - 1.0], dtype=torch.float64)
    low = torch.where(crossing[:, None], 0.0, torch.clamp_min(low, 0.0))
    high = torch.where(crossing[:, None], limit, torch.minimum(high, limit))
    hidden = ~(det.abs() > 1e-300) | ((cull != 0) & (det > 0)) | (z < near).all(1)
    hidden |= (high < low).any(1) | torch.isnan(low + high).any(1)
    low, high = low.masked_fill(hidden[:, None], 0.0), high.masked_fill(hidden[:, None], -1.0)
    return torch.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], dim=1).long()


def _evaluate(edges: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Edge functions (N, 3) at N pixel centres, and whether each centre is inside."""
    a, b, c = edges.unbind(2)
    e = a * (x + 0.5)[:, None] + (b * (y + 0.5)[:, None] + c)
    tie = (a > 0) | ((a == 0) & (b > 0))
    return e, ((e > 0) | ((e == 0) & tie)).all(1)


def _resolve_depth(
    nearest: Tensor,
    triangle: Tensor,
    bary: Tensor,
    pixel: Tensor,
    inverse: Tensor,
    owner: Tensor,
    weights: Tensor,
) -> None:
    """Keep the largest 1/z so far at each pixel; on ties, the first triangle."""
    closer = inverse > nearest[pixel]
    pixel, inverse, owner, weights = (v[closer] for v in (pixel, inverse, owner, weights))
    nearest.scatter_reduce_(0, pixel, inverse, "amax")
    best = inverse == nearest[pixel]
    pixel, owner, weights = pixel[best], owner[best], weights[best]
    first = torch.full_like(triangle, torch.iinfo(torch.int64).max)
    first.scatter_reduce_(0, pixel, owner, "amin")
    keep = owner == first[pixel]
    triangle[pixel[keep]] = owner[keep]
    bary[pixel[keep]] = weights[keep]


def _opaque(
    alpha: AlphaTest, faces: ndarray, owner: Tensor, weights: Tensor, place: Tensor
) -> Tensor:
    """Whether each fragment passes the alpha test (bilinear, repeating). place: position in the
    2 × 2 pattern."""
    f = owner.numpy()
    uv = np.einsum("nk,nkc->nc", weights.numpy(), alpha.uv[faces[f]].astype(np.float64))
    offset, rows, columns = alpha.texture[f].T
    rows, columns = np.maximum(rows, 1), np.maximum(columns, 1)
    x = (uv[:, 0] % 1.0) * columns - 0.5
    y = (1.0 - uv[:, 1] % 1.0) * rows - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    value = np.zeros(len(f))
    for dy in (0, 1):
        for dx in (0, 1):
            texel = offset + 4 * ((y0 + dy) % rows * columns + (x0 + dx) % columns) + 3
            weight = np.abs(1 - dx - (x - x0)) * np.abs(1 - dy - (y - y0))
            value += weight * alpha.texels[np.minimum(texel, alpha.texels.size - 1)]
    turn = (np.array([0, 2, 3, 1])[place.numpy()] + f) % 4
    cutoff = alpha.cutoff[f] * (1.0 + alpha.spread * (turn - 1.5) / 1.5)
    return torch.from_numpy((cutoff < 0.0) | (value >= cutoff * 255.0))
