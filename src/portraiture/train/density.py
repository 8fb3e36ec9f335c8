"""Density losses from known geometry: solid behind the surface, empty in front of it.

surface of a pixel ─before it─▶ empty, ─just behind it─▶ absorbs;   background pixel ─▶ empty ray
Letters: B people per step, C channels and P side of a plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.people_set import Example
from portraiture.train.patches import along_points
from portraiture.train.rng import StepRng
from portraiture.train.truth_config import TruthConfig

Rays = tuple[Tensor, Tensor]


def density_losses(
    network: TriPlaneGenerator, planes: Float[Tensor, "B 3 C P P"], batch: Example, rays: Rays,
    rng: StepRng, config: TruthConfig,
) -> dict[str, Tensor]:  # fmt: skip
    """Losses that make space in front of the surface empty and just behind it solid; weighted, by
    name. rays: origins and directions of the n² pixels."""
    span = network.config.rendering
    weight = batch.small_weight * batch.solid
    chosen = torch.multinomial(weight.flatten(1), config.surface_points, True, generator=rng.device)
    nothing = (batch.alpha == 0).float().flatten(1) + 1e-6
    points = config.empty_points * config.empty_tries
    vacant = torch.multinomial(nothing, points, True, generator=rng.device)
    depth = batch.depth.flatten(1).gather(1, chosen)
    u = _uniform((3, *depth.shape), rng, depth)
    near = depth - config.near * -torch.log(u[0].clamp_min(1e-6)) - 0.002
    far = span.ray_start + u[1] * (depth - 0.01 - span.ray_start)
    inside = depth + 0.003 + u[2] * config.behind
    u = _uniform(vacant.shape, rng, depth)
    empty = span.ray_start + u * (span.ray_end - span.ray_start)
    vacant, empty = _densest(network, planes, rays, (vacant, empty), config)
    pixels = torch.cat([chosen, chosen, vacant, chosen], 1)
    places = along_points(rays, pixels, torch.cat([near, far, empty, inside], 1))
    density = F.softplus(network.query(planes, places)[1] - 1.0)
    count = chosen.shape[1]
    before, free, behind = density.split([count, density.shape[1] - 2 * count, count], 1)
    opaque = -torch.log(-torch.expm1(-(behind * config.absorbing).clamp_min(1e-12)))
    clear = (before * config.absorbing).mean() + (free * config.clear).mean()
    return {
        "empty": config.density_weight * clear,
        "solid": config.density_weight * opaque.mean(),
    }


def _uniform(shape: Sequence[int], rng: StepRng, like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1), sampled on the device of `like`."""
    return torch.rand(*shape, generator=rng.device, device=like.device, dtype=like.dtype)


@torch.no_grad()
def _densest(
    network: TriPlaneGenerator, planes: Tensor, rays: Rays, tried: tuple[Tensor, Tensor],
    config: TruthConfig,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Hard-example mining in empty space: of random pixels and depths, those with the highest
    density."""
    if config.empty_tries == 1:
        return tried
    density = network.query(planes, along_points(rays, *tried))[1]
    worst = density.topk(config.empty_points, 1).indices
    pixels, depth = (part.gather(1, worst) for part in tried)
    return pixels, depth
