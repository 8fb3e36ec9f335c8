"""Rays, samples along them, and their compositing (Chan et al. 2022, section 4.1 and supplement).

camera ─rays─▶ origins, directions ─stratified─▶ depths ─(colour, density)─▶ march ─▶ weights
                                        └──────────importance◀──────────────────────────┘
Letters: B batch, R rays, S samples along a ray, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.camera import split_eg3d


class Marched(NamedTuple):
    """color: (B, R, C) in [-1, 1]. depth: (B, R) along the ray. weights: (B, R, S-1)."""

    color: Float[Tensor, "B R C"]
    depth: Float[Tensor, "B R"]
    weights: Float[Tensor, "B R T"]


def make_rays(
    camera: Float[Tensor, "B 25"], resolution: int
) -> tuple[Float[Tensor, "B R 3"], Float[Tensor, "B R 3"]]:
    """Origins and unit directions through the centres of resolution² pixels, row by row."""
    pose, intrinsics = split_eg3d(camera)
    steps = torch.arange(resolution, device=camera.device, dtype=camera.dtype)
    y, x = torch.meshgrid(*[(steps + 0.5) / resolution] * 2, indexing="ij")
    pixels = torch.stack([x.reshape(-1), y.reshape(-1)], -1).expand(len(camera), -1, -1)
    return rays_through(pixels, pose, intrinsics)


def rays_through(
    pixels: Float[Tensor, "B R 2"], pose: Float[Tensor, "B 4 4"], intrinsics: Float[Tensor, "B 3 3"]
) -> tuple[Float[Tensor, "B R 3"], Float[Tensor, "B R 3"]]:
    """Origins and unit directions through pixels given in [0, 1]² (x right, y down)."""
    x, y = pixels.unbind(-1)
    K = intrinsics[:, None]
    v = (y - K[..., 1, 2]) / K[..., 1, 1]
    u = (x - K[..., 0, 2] - K[..., 0, 1] * v) / K[..., 0, 0]
    local = torch.stack([u, v, torch.ones_like(u)], -1)
    directions = F.normalize(local @ pose[:, :3, :3].transpose(1, 2), dim=-1)
    return pose[:, None, :3, 3].expand_as(directions), directions


@torch.no_grad()
def box_limits(
    origins: Float[Tensor, "B R 3"], directions: Float[Tensor, "B R 3"], side: float
) -> tuple[Float[Tensor, "B R"], Float[Tensor, "B R"]]:
    """Depths at which rays enter and leave the cube of `side` around the origin (slab method; Kay
    and Kajiya 1986), without gradients; negative behind the origin of a ray.

    As in EG3D's program, rays that miss the cube start at the smallest start of all rays that hit
    it and end at the largest **start**. If no ray hits it, all limits are 0.
    """
    inverse = 1.0 / directions
    one, other = (-0.5 * side - origins) * inverse, (0.5 * side - origins) * inverse
    start = torch.minimum(one, other).amax(-1)
    end = torch.maximum(one, other).amin(-1)
    met = end > start
    if not met.any():
        return torch.zeros_like(start), torch.zeros_like(end)
    first, last = start[met].aminmax()
    return torch.where(met, start, first), torch.where(met, end, last)


def stratified(
    jitter: Float[Tensor, "B R S"] | float,
    start: Float[Tensor, "B R"] | float,
    end: Float[Tensor, "B R"] | float,
    like: Float[Tensor, "B R 3"],
    count: int,
) -> Float[Tensor, "B R S"]:
    """`count` stratified depths from start to end, offset by `jitter` ∈ [0, 1) of the spacing.
    start, end: both numbers, for all rays, or both per ray."""
    if isinstance(start, Tensor):
        length = (end - start)[..., None]
        shares = torch.arange(count, device=like.device, dtype=like.dtype) / (count - 1)
        return start[..., None] + (shares + jitter / (count - 1)) * length
    assert not isinstance(end, Tensor)
    steps = torch.linspace(start, end, count, device=like.device, dtype=like.dtype)
    spacing = (end - start) / (count - 1)
    return steps.expand(*like.shape[:2], count) + jitter * spacing


def importance(
    depths: Float[Tensor, "B R S"],
    weights: Float[Tensor, "B R T"],
    u: Float[Tensor, "B R N"],
    *,
    epsilon: float = 1e-5,
) -> Float[Tensor, "B R N"]:
    """Depths by inverse transform sampling of the smoothed weights (Barron et al. 2021, section
    4.2).

    weights: of the S - 1 intervals. u: in [0, 1]. No gradient flows to the weights.
    """
    lead = depths.shape[:2]
    depths, weights, u = (t.detach().flatten(0, 1) for t in (depths, weights, u))
    smooth = F.max_pool1d(weights[:, None], 2, 1, padding=1)
    smooth = F.avg_pool1d(smooth, 2, 1)[:, 0] + 0.01
    middles = 0.5 * (depths[:, :-1] + depths[:, 1:])
    inner = smooth[:, 1:-1] + epsilon
    cdf = F.pad((inner / inner.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
    index = torch.searchsorted(cdf, u.contiguous(), right=True)
    below, above = (index - 1).clamp_min(0), index.clamp_max(inner.shape[1])
    c0, c1 = cdf.gather(1, below), cdf.gather(1, above)
    d0, d1 = middles.gather(1, below), middles.gather(1, above)
    span = torch.where(c1 - c0 < epsilon, torch.ones_like(c0), c1 - c0)
    return (d0 + (u - c0) / span * (d1 - d0)).unflatten(0, lead)


FAINT = 1e-4
"""Opacity below which a ray's depth has no gradient, since it would scale with 1 / opacity²."""


def march(
    colors: Float[Tensor, "B R S C"],
    densities: Float[Tensor, "B R S"],
    depths: Float[Tensor, "B R S"],
    *,
    white_background: bool = False,
    span: tuple[Tensor, Tensor] | None = None,
) -> Marched:
    """Alpha compositing of interval midpoints (Barron et al. 2021; Max 1995).

    densities: raw; the absorption is softplus(density - 1). Depth is the weighted mean of hit
    depths, clamped to `span`, and its far end if nothing was hit. span: by default the range of all
    depths.
    """
    near, far_end = (depths.min(), depths.max()) if span is None else span
    delta = depths[..., 1:] - depths[..., :-1]
    color = 0.5 * (colors[..., :-1, :] + colors[..., 1:, :])
    density = F.softplus(0.5 * (densities[..., :-1] + densities[..., 1:]) - 1.0)
    middle = 0.5 * (depths[..., :-1] + depths[..., 1:])
    alpha = 1.0 - torch.exp(-density * delta)
    reaching = (1.0 - alpha + 1e-10).cumprod(-1)
    weights = alpha * F.pad(reaching[..., :-1], (1, 0), value=1.0)
    total = weights.sum(-1)
    nothing, far = total < FAINT, (weights * middle).sum(-1)
    faint = torch.nan_to_num((far / total).detach(), nan=float("inf"))
    depth = torch.where(nothing, faint, far / torch.where(nothing, 1.0, total))
    composed = (weights[..., None] * color).sum(-2)
    if white_background:
        composed = composed + 1.0 - total[..., None]
    return Marched(composed * 2.0 - 1.0, depth.clamp(near, far_end), weights)
