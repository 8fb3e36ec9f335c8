"""Host code of the fused volume renderers, for CPU and GPU.

camera ─rays, depths─▶ numba: everything in one kernel ─────────────────────────────▶ Volume
                   └─▶ triton: densities ─march─▶ importance ─march─▶ shares ─compose ─▶ Volume
Letters: B batch, R rays, S samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.triplane.rendering import RenderingConfig, Volume, coarse_depths, sample_uniforms
from portraiture.triplane.sampling import importance, make_rays, march
from portraiture.triplane.tables import Chosen, FusedDecoder, RaySampling, make_tables


def render_fused(
    backend: Chosen,
    planes: Float[Tensor, "B 3 C H W"],
    decode: FusedDecoder,
    camera: Float[Tensor, "B 25"],
    config: RenderingConfig,
    *,
    resolution: int,
    deterministic: bool,
    generator: torch.Generator | None,
) -> Volume:
    """`render_volume` by numba or triton, at the same depths as the reference."""
    origins, directions = make_rays(camera, resolution)
    b, r = origins.shape[:2]
    jitter, u = sample_uniforms(b, r, config, deterministic, generator, like=origins)
    coarse = coarse_depths(jitter, origins, directions, config)
    if backend == "triton":
        return _render_triton(planes, decode, origins, directions, coarse, u, config)
    return _render_numba(planes, decode, origins, directions, coarse, u, config, deterministic)


def _render_numba(
    planes: Tensor, decode: FusedDecoder, origins: Tensor, directions: Tensor,
    coarse: Tensor, u: Tensor, config: RenderingConfig, deterministic: bool,
) -> Volume:  # fmt: skip
    """Render column by column: vertically adjacent pixels share most of their texels."""
    from portraiture.triplane.volume_numba import render_pixels

    side = round(origins.shape[1] ** 0.5)
    weights = decode.weights()
    same_depths = deterministic and config.ray_limits == "fixed"

    def columns(x: Tensor) -> Tensor:
        return x.unflatten(0, (side, side)).transpose(0, 1).flatten(0, 1)

    found = []
    for b in range(len(planes)):
        depths = coarse[b, :1] if same_depths else columns(coarse[b])
        sampling = RaySampling(depths, u[b, :1] if deterministic else columns(u[b]))
        pixels = render_pixels(
            make_tables(planes[b], weights.first, axes=config.plane_axes), weights,
            columns(origins[b]), columns(directions[b]), sampling,
            box_warp=config.box_warp, white_background=config.white_background,
        )  # fmt: skip
        found.append(pixels)
    near, far = min(p.near for p in found), max(p.far for p in found)

    def image(parts: list[Tensor]) -> Tensor:
        whole = torch.stack(parts).reshape(len(parts), side, side, -1)
        return whole.permute(0, 3, 2, 1).contiguous()

    return Volume(
        image([p.color for p in found]),
        image([p.depth for p in found]).clamp(near, far),
        image([p.opacity for p in found]),
    )


def _render_triton(
    planes: Tensor, decode: FusedDecoder, origins: Tensor, directions: Tensor,
    coarse: Tensor, u: Tensor, config: RenderingConfig,
) -> Volume:  # fmt: skip
    """March in torch, on densities alone, with gradients by autograd."""
    from portraiture.triplane.volume_triton import FusedField

    weights = decode.weights()
    field = FusedField(planes, weights, box_warp=config.box_warp, axes=config.plane_axes)
    depths, density = coarse, field.densities(origins, directions, coarse)
    if config.importance_resolution:
        with torch.no_grad():
            fine = importance(coarse, march(_no_color(density), density, coarse).weights, u)
        depths, order = torch.cat([coarse, fine], -1).sort(-1)
        more = field.densities(origins, directions, fine)
        density = torch.cat([density, more], -1).gather(-1, order)
    marched = march(_no_color(density), density, depths)
    before, after = F.pad(marched.weights, (1, 0)), F.pad(marched.weights, (0, 1))
    opacity = marched.weights.sum(-1, keepdim=True)
    color = field.compose(origins, directions, depths, 0.5 * (before + after))
    color = color * (1 + 2 * weights.margin) - weights.margin * opacity
    if config.white_background:
        color = color + 1 - opacity
    side = round(origins.shape[1] ** 0.5)

    def image(x: Tensor) -> Tensor:
        return x.transpose(1, 2).reshape(len(planes), -1, side, side)

    return Volume(image(color * 2 - 1), image(marched.depth[..., None]), image(opacity))


def _no_color(density: Tensor) -> Tensor:
    """Colours without channels, for a march that needs only the weights."""
    return density.new_empty(*density.shape, 0)
