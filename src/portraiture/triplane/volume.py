"""The volume renderer: planes, decoder and camera in, features and depth out.

planes ─sample_planes─▶ decoder ─▶ colour, density ─march─▶ importance ─▶ again, merged ─▶ Volume
This is the torch reference and the training path; `triplane.volume_fused` has the fused twins. Rays
are rendered in chunks; with gradients, each chunk is recomputed in the backward pass to bound the
memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from portraiture.triplane.planes import sample_planes
from portraiture.triplane.rendering import RenderingConfig, Volume, coarse_depths, sample_uniforms
from portraiture.triplane.sampling import Marched, importance, make_rays, march
from portraiture.triplane.tables import FusedDecoder, VolumeBackend, choose_backend
from portraiture.triplane.volume_fused import render_fused

CHUNK, CHUNK_GPU = 1 << 18, 1 << 22
"""Samples decoded at once: sized for the CPU's cache, and for a GPU with about 4 GB."""

Decode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Features (…, C) → colours (…, K) in about [0, 1] and raw densities (…)."""


def render_volume(
    planes: Float[Tensor, "B 3 C H W"],
    decode: Decode,
    camera: Float[Tensor, "B 25"],
    config: RenderingConfig,
    *,
    resolution: int,
    backend: VolumeBackend = "auto",
    deterministic: bool = False,
    generator: torch.Generator | None = None,
) -> Volume:
    """Render resolution² rays per camera.

    backend: `auto` takes the device's fused twin if it is installed (on the CPU without gradients).
    deterministic: the stratified jitter is half a bin and importance samples are evenly spaced in
    probability; otherwise both are sampled from `generator`. Raises RuntimeError if a backend
    requested by name is unavailable.
    """
    chosen = choose_backend(backend, decode, planes, fixed=(camera,))
    if chosen != "torch":
        assert isinstance(decode, FusedDecoder)
        return render_fused(
            chosen, planes, decode, camera, config, resolution=resolution,
            deterministic=deterministic, generator=generator,
        )  # fmt: skip
    origins, directions = make_rays(camera, resolution)
    marched = render_rays(
        planes, decode, origins, directions, config,
        deterministic=deterministic, generator=generator,
    )  # fmt: skip

    def image(x: Tensor) -> Tensor:
        return x.transpose(1, 2).reshape(len(camera), -1, resolution, resolution)

    opacity = marched.weights.sum(-1, keepdim=True)
    return Volume(image(marched.color), image(marched.depth[..., None]), image(opacity))


def render_rays(
    planes: Float[Tensor, "B 3 C H W"],
    decode: Decode,
    origins: Float[Tensor, "B R 3"],
    directions: Float[Tensor, "B R 3"],
    config: RenderingConfig,
    *,
    deterministic: bool = False,
    generator: torch.Generator | None = None,
) -> Marched:
    """Colour, depth and weights of arbitrary rays; chunked over R. With ray_limits "box", limits
    depend on all of these rays together."""
    b, r = origins.shape[:2]
    jitter, u = sample_uniforms(b, r, config, deterministic, generator, like=origins)
    coarse = coarse_depths(jitter, origins, directions, config)
    span = coarse.detach().aminmax()
    samples = config.depth_resolution + config.importance_resolution
    chunk = CHUNK_GPU if origins.is_cuda else CHUNK
    step = max(1, chunk // (b * samples))
    recompute = torch.is_grad_enabled() and r > step
    pieces: list[Marched] = []
    for first in range(0, r, step):
        rays = slice(first, first + step)
        arguments = (
            planes, decode, origins[:, rays], directions[:, rays], coarse[:, rays], u[:, rays],
            (span.min, span.max), config,
        )  # fmt: skip
        if recompute:
            pieces.append(checkpoint(_march_twice, *arguments, use_reentrant=False))  # type: ignore
        else:
            pieces.append(_march_twice(*arguments))
    if len(pieces) == 1:
        return pieces[0]
    return Marched(*(torch.cat(parts, 1) for parts in zip(*pieces, strict=True)))


def _march_twice(
    planes: Tensor, decode: Decode, origins: Tensor, directions: Tensor,
    coarse: Tensor, u: Tensor, span: tuple[Tensor, Tensor], config: RenderingConfig,
) -> Marched:  # fmt: skip
    """Coarse pass, importance samples from its weights, and the merged pass."""

    def query(depths: Tensor) -> tuple[Tensor, Tensor]:
        points = origins[:, :, None] + depths[..., None] * directions[:, :, None]
        features = sample_planes(
            planes, points.flatten(1, 2), box_warp=config.box_warp, axes=config.plane_axes
        )
        color, density = decode(features)
        return color.unflatten(1, depths.shape[1:]), density.unflatten(1, depths.shape[1:])

    white = config.white_background
    color, density = query(coarse)
    if not config.importance_resolution:
        return march(color, density, coarse, white_background=white, span=span)
    with torch.no_grad():
        weights = march(color, density, coarse).weights
        fine = importance(coarse, weights, u)
    fine_color, fine_density = query(fine)
    depths, order = torch.cat([coarse, fine], -1).sort(-1)
    density = torch.cat([density, fine_density], -1).gather(-1, order)
    color = torch.cat([color, fine_color], -2)
    color = color.gather(-2, order[..., None].expand_as(color))
    return march(color, density, depths, white_background=white, span=span)
