"""Triangle rasterisation, differentiable in vertices and attributes.

vertices ──homogeneous_points──▶ points ──rasterize──▶ Fragments ──interpolate──▶ image
                                   └─────────────────────────────────antialias──▶ smooth image

Points are homogeneous pixel coordinates (x z, y z, z): x to the right and y down in pixels, with
pixel centres at +0.5, and z the camera-space depth, which may be negative. A backend finds the
nearest triangle without gradients; barycentrics and depth are then recomputed from its corners, so
that gradients flow to the points. Gradients due to moving silhouettes are provided by `antialias`.

Letters: B images, V vertices, F triangles, H height, W width, C channels.
"""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from portraiture.render.alpha_test import AlphaTest
from portraiture.render.silhouette import blend_silhouettes

Backend = Literal["auto", "numba", "torch"]

NEAR = 0.01
"""Default near plane, metres."""

_PAIRS = 1 << 21
"""Candidate (triangle, pixel) pairs per batch of the reference."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fragments:
    """The nearest surface at every pixel centre.

    triangle: (B, H, W) int64, -1 for none. barycentric: (B, H, W, 3), perspective-correct, zero
    for none. depth: (B, H, W) along the camera's z, inf for none. faces: (F, 3).
    """

    triangle: Int[Tensor, "B H W"]
    barycentric: Float[Tensor, "B H W 3"]
    depth: Float[Tensor, "B H W"]
    faces: Int[Tensor, "F 3"]


def homogeneous_points(
    vertices: Float[Tensor, "B V 3"],
    T_cam_world: Float[Tensor, "B 4 4"],
    intrinsics: Float[Tensor, "B 3 3"],
    size: tuple[int, int],
) -> Float[Tensor, "B V 3"]:
    """Project world vertices to homogeneous pixels; intrinsics normalised as in `types.Camera`."""
    scale = vertices.new_tensor([[size[1]], [size[0]], [1.0]])
    camera = vertices @ T_cam_world[:, :3, :3].mT + T_cam_world[:, None, :3, 3]
    return camera @ (intrinsics * scale).mT


def rasterize(
    points: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    size: tuple[int, int],
    *,
    near: float = NEAR,
    cull: bool = False,
    backend: Backend = "auto",
) -> Fragments:
    """The nearest triangle at every pixel centre, with differentiable barycentrics and depth.

    Triangles that cross the near plane or extend behind the camera are visible in front of it. A
    sample on a shared edge belongs to exactly one of its two triangles. cull: back-face culling
    (counter-clockwise is the front).
    Raises ValueError on wrong shapes, indices or sizes, and RuntimeError when `backend` is missing.
    """
    if points.ndim != 3 or points.shape[2] != 3:
        raise ValueError(f"points must be (B, V, 3), not {tuple(points.shape)}")
    arrays = points.detach().to("cpu", torch.float64).numpy()
    faces_array = faces.detach().cpu().numpy().astype(np.int32)
    drop = np.full(len(faces_array), cull, np.uint8)
    found = [
        visible(p, faces_array, size, near=near, cull=drop, backend=backend)[0] for p in arrays
    ]
    triangle = torch.from_numpy(np.stack(found)).to(points.device, torch.int64)
    faces = faces.to(points.device, torch.int64)
    barycentric, depth = _barycentric(points, faces, triangle)
    return Fragments(triangle, barycentric, depth, faces)


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "B V C"] | Float[Tensor, "V C"]
) -> Float[Tensor, "B H W C"]:
    """Interpolate vertex attributes at every pixel, zero for background. Without a batch dimension,
    `attributes` are shared by all images."""
    hit = fragments.triangle >= 0
    image = torch.nonzero(hit)[:, 0]
    corner = fragments.faces[fragments.triangle[hit]]
    values = attributes[corner] if attributes.ndim == 2 else attributes[image[:, None], corner]
    weighted = (fragments.barycentric[hit][:, :, None] * values).sum(1)
    out = weighted.new_zeros((*hit.shape, attributes.shape[-1]))
    out[hit] = weighted
    return out


def antialias(
    image: Float[Tensor, "B H W C"], fragments: Fragments, points: Float[Tensor, "B V 3"]
) -> Float[Tensor, "B H W C"]:
    """Blend neighbouring pixels across silhouettes by analytic coverage (after Laine et al. 2020,
    "Modular primitives for high-performance differentiable rendering", section 3.6).

    Where a silhouette edge crosses the line between two pixel centres, the pixel that it enters is
    blended with the other's colour by the covered fraction, so that the image changes smoothly, and
    with gradients, as silhouettes move. Mostly vertical edges act between horizontal neighbours and
    all others between vertical ones, so that each edge is counted once.
    """
    return blend_silhouettes(image, fragments.triangle, fragments.depth, points, fragments.faces)


def visible(
    points: Float[ndarray, "V 3"],
    faces: Int[ndarray, "F 3"],
    size: tuple[int, int],
    *,
    near: float = NEAR,
    cull: Int[ndarray, "F"] | None = None,
    alpha: AlphaTest | None = None,
    backend: Backend = "auto",
) -> tuple[Int[ndarray, "H W"], Float[ndarray, "H W 3"], Float[ndarray, "H W"]]:
    """Rasterise one image without gradients: triangle (int32, -1 for none), barycentric and depth.

    cull: (F,) non-zero culls the triangle if it faces away. Both backends give identical triangles.
    Raises as `rasterize` does.
    """
    points = np.ascontiguousarray(points, np.float64)
    faces = np.ascontiguousarray(faces, np.int32)
    if points.ndim != 2 or points.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"points and faces must be (·, 3), not {points.shape}, {faces.shape}")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(points):
        raise ValueError(f"faces must hold indices from 0 to {len(points) - 1}")
    if min(size) < 1 or near <= 0.0:
        raise ValueError(f"size {size} and near {near} must be positive")
    drop = np.zeros(len(faces), np.uint8) if cull is None else np.asarray(cull, np.uint8)
    if _resolve(backend) == "numba":
        from portraiture.render.rasterize_numba import rasterize_numba

        return rasterize_numba(points, faces, size, near=near, cull=drop, alpha=alpha)
    return rasterize_torch(points, faces, size, near=near, cull=drop, alpha=alpha)


def _resolve(backend: Backend) -> Literal["numba", "torch"]:
    if backend not in ("auto", "numba", "torch"):
        raise ValueError(f"backend must be auto, numba or torch, not {backend!r}")
    if backend == "torch" or _numba_missing():
        if backend == "numba":
            raise RuntimeError("backend 'numba' was requested but numba is not installed")
        if backend == "auto":
            _log_fallback()
        return "torch"
    return "numba"


def _numba_missing() -> bool:
    return importlib.util.find_spec("numba") is None


@lru_cache(maxsize=1)
def _log_fallback() -> None:
    _log.warning("numba is not installed: rasterising with the slow torch reference")


def _barycentric(points: Tensor, faces: Tensor, triangle: Tensor) -> tuple[Tensor, Tensor]:
    """Differentiable barycentrics (B, H, W, 3) and depth (B, H, W) of known triangles.

    With corners translated so that the pixel's centre is the origin, the edge functions are twice
    the signed areas X_j Y_k - Y_j X_k, and depth is det divided by their sum.
    """
    hit = triangle >= 0
    image, row, column = torch.nonzero(hit).unbind(1)
    corner = points[image[:, None], faces[triangle[hit]]]
    centre = torch.stack([column, row], dim=1).to(points.dtype) + 0.5
    z = corner[:, :, 2]
    xy = corner[:, :, :2] - centre[:, None] * z[:, :, None]
    nxt, last = xy.roll(-1, 1), xy.roll(-2, 1)
    edge = nxt[..., 0] * last[..., 1] - nxt[..., 1] * last[..., 0]
    total = edge.sum(1)
    barycentric = points.new_zeros((*triangle.shape, 3))
    barycentric[hit] = edge / total[:, None]
    depth = points.new_full(triangle.shape, torch.inf)
    depth[hit] = (edge * z).sum(1) / total
    return barycentric, depth


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
