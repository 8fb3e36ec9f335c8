"""The losses of FF3D's fine-tuning (Ma et al. 2023, Eqs. 5 to 7).

H(I_f) ─▶ planes ─G*(·, v)─▶ image ─ L1, perceptual ─ I_v;  density at x and at x + δ·x
Letters: B views, C channels and P side of a plane, N rows of w+, R side of an image, n neural
resolution, M points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.deferred import deferred_image
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.sparse_rays import march_some, pick
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.triplane.sampling import make_rays

Rendering = Literal["volume", "deferred"]
"""How G* is rendered for Eq. 5: whole volume renders, as published, or at the surface with some
volume-rendered rays for its shape [ours], which is many times faster without an accelerator."""


@dataclass(frozen=True)
class StyleLosses:
    """rec, dr: λ_rec and λ_dr (section 4.1). perceptual: weight of the perceptual distance within
    Eq. 5, 1 in the paper, whose network is VGG's. delta: standard deviation of δ [ours]. points: M.
    rendering: see `Rendering`; for "deferred" rays of a view, ray_samples coarse samples each and
    as many fine ones, and side, pixels of the depth map, 0 for all."""

    rec: float = 10.0
    dr: float = 0.2
    perceptual: float = 1.0
    delta: float = 0.004
    points: int = 1024
    rendering: Rendering = "volume"
    rays: int = 256
    ray_samples: int = 16
    side: int = 64


def style_losses(
    generator: TriPlaneGenerator,
    features: FeatureNetwork,
    planes: Float[Tensor, "B 3 C P P"],
    ws: Float[Tensor, "B N D"],
    cameras: Float[Tensor, "B 25"],
    wanted: Float[Tensor, "B 3 R R"],
    config: StyleLosses,
    rng: torch.Generator,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of Eq. 7 with their weights, by name; their sum is the loss. wanted: I_v."""
    match config.rendering:
        case "volume":
            volume = generator.render(planes, cameras, backend="torch", generator=rng)
            image = generator.upsample(volume.features, ws, backend="torch")
            terms = _reconstruction(features, image, wanted, config)
        case "deferred":
            image = surface_image(generator, planes, ws, cameras, config.side)
            terms = _reconstruction(features, image, wanted, config)
            terms["rays"] = config.rec * _rays(generator, planes, cameras, wanted, config, rng)
    if config.dr:
        points = points_in_view(generator, cameras, config.points, rng)
        rough = density_roughness(generator, planes, points, config.delta, rng)
        terms["density"] = config.dr * rough
    return terms


def _reconstruction(
    features: FeatureNetwork, image: Tensor, wanted: Tensor, config: StyleLosses
) -> dict[str, Tensor]:
    """Eq. 5, times λ_rec."""
    image = resized(image, wanted.shape[-1])
    return {
        "image": config.rec * (image - wanted).abs().mean(),
        "perceptual": config.rec
        * config.perceptual
        * perceptual_distance(features, image, wanted).mean(),
    }


def surface_image(
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "B 3 C P P"],
    ws: Float[Tensor, "B N D"],
    cameras: Float[Tensor, "B 25"],
    side: int = 0,
) -> Float[Tensor, "B 3 R R"]:
    """The image of colours at the rendered depth, whose gradients reach colours alone. side: of
    the depth map, all of the neural resolution for 0."""
    n = generator.config.neural_resolution
    with torch.no_grad():
        coarse = min(side or n, n)
        volume = generator.render(planes.detach(), cameras, resolution=coarse, deterministic=True)
        depth, opacity = (
            F.interpolate(x, (n, n), mode="bilinear") for x in (volume.depth, volume.opacity)
        )
    return deferred_image(generator, ws, planes, depth, opacity, make_rays(cameras, n))


def _rays(
    generator: TriPlaneGenerator, planes: Tensor, cameras: Tensor, wanted: Tensor,
    config: StyleLosses, rng: torch.Generator,
) -> Float[Tensor, ""]:  # fmt: skip
    """L1 of the raw colours of random volume-rendered rays, whose gradients reach the shape."""
    n = generator.config.neural_resolution
    count = min(config.rays, n * n)
    chance = torch.ones(len(cameras), n * n, device=planes.device)
    chosen = torch.multinomial(chance, count, False, generator=rng)
    rays = make_rays(cameras, n)
    marched = march_some(generator, planes, rays, chosen, config.ray_samples, rng)
    small = resized(wanted, n).flatten(2).transpose(1, 2)
    return (marched.color[..., :3] - pick(small, chosen)).abs().mean()


def points_in_view(
    generator: TriPlaneGenerator, cameras: Float[Tensor, "B 25"], count: int, rng: torch.Generator
) -> Float[Tensor, "B M 3"]:
    """The x of Eq. 6: points on random rays at random depths between the ray limits."""
    sampling = generator.config.rendering
    origins, directions = make_rays(cameras, generator.config.neural_resolution)
    shape = (len(cameras), count)
    device = origins.device
    index = torch.randint(origins.shape[1], shape, generator=rng, device=device)
    along = torch.rand(*shape, 1, generator=rng, device=device, dtype=origins.dtype)
    depth = sampling.ray_start + along * (sampling.ray_end - sampling.ray_start)
    return pick(origins, index) + depth * pick(directions, index)


def density_roughness(
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "B 3 C P P"],
    points: Float[Tensor, "B M 3"],
    delta: float,
    rng: torch.Generator,
) -> Float[Tensor, ""]:
    """Eq. 6: E|σ(x) - σ(x + δ·x)| with one δ ~ N(0, delta²) a point. σ is the raw density, as in
    EG3D's own density regularisation."""
    factor = delta * torch.randn(
        *points.shape[:2], 1, generator=rng, device=points.device, dtype=points.dtype
    )
    both = torch.cat([points, points + factor * points], 1)
    first, second = generator.query(planes, both)[1].chunk(2, 1)
    return (first - second).abs().mean()
