"""Ray sampling config and result of a volume render, shared by the torch reference
(`triplane.volume`) and the fused kernels (`triplane.volume_fused`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.triplane.planes import PlaneAxes
from portraiture.triplane.sampling import box_limits, stratified


@dataclass(frozen=True)
class RenderingConfig:
    """How rays are sampled. Lengths are in EG3D units.

    ray_limits: "fixed" samples every ray from ray_start to ray_end; "box" where it crosses the cube
    that the planes span (`box_limits`), as in the published generators of cats and cars, whose
    configs say `auto`; ray_start and ray_end are then bounds of these crossings' depths. box_warp:
    side of the cube. depth_resolution, importance_resolution: coarse and importance samples per
    ray.
    """

    ray_start: float = 2.25
    ray_end: float = 3.3
    ray_limits: Literal["fixed", "box"] = "fixed"
    box_warp: float = 1.0
    depth_resolution: int = 48
    importance_resolution: int = 48
    white_background: bool = False
    plane_axes: PlaneAxes = "original"


@dataclass(frozen=True)
class Volume:
    """Result of a volume render. features: (B, C, n, n) in [-1, 1], the first three are the colour.
    depth: (B, 1, n, n) along the ray. opacity: (B, 1, n, n) in [0, 1]."""

    features: Float[Tensor, "B C n n"]
    depth: Float[Tensor, "B 1 n n"]
    opacity: Float[Tensor, "B 1 n n"]


def sample_uniforms(
    b: int, r: int, config: RenderingConfig, deterministic: bool,
    generator: torch.Generator | None, like: Tensor,
) -> tuple[Tensor | float, Tensor]:  # fmt: skip
    """Jitter of the coarse samples and uniform numbers of importance sampling for all rays."""
    kind = {"device": like.device, "dtype": like.dtype}
    count = config.importance_resolution
    if deterministic:
        return 0.5, torch.linspace(0, 1, count, **kind).expand(b, r, count)
    jitter = torch.rand(b, r, config.depth_resolution, generator=generator, **kind)
    return jitter, torch.rand(b, r, count, generator=generator, **kind)


def coarse_depths(
    jitter: Float[Tensor, "B R S"] | float, origins: Float[Tensor, "B R 3"],
    directions: Float[Tensor, "B R 3"], config: RenderingConfig,
) -> Float[Tensor, "B R S"]:  # fmt: skip
    """Depths of the stratified samples of all rays. A ray's limits may depend on other rays
    (`box_limits`), so this must not be called in chunks."""
    match config.ray_limits:
        case "fixed":
            start, end = config.ray_start, config.ray_end
        case "box":
            start, end = box_limits(origins, directions, config.box_warp)
    return stratified(jitter, start, end, origins, config.depth_resolution)
