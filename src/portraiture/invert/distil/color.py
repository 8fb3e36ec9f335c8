"""Moves planes until a head looks like its sides: opacity and colours together.

planes ─deferred render of a side, superresolution─▶ image ◀─▶ wanted ┐
   └───density at points of all sides' rays ◀─▶ wanted ───────────────┴─Adam─▶ planes
First at the surface that the sides show, then at the head's own, which haze and texels leave a
little apart from it. Every second step compares the photo's view. [ours]
Letters: V sides, N rows of w+, C channels and P side of a plane, n neural resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.adam import minimise
from portraiture.invert.distil.views import Sides
from portraiture.invert.refine_texture import RefinementConfig
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.plane_flow import move_gathered, moved_places
from portraiture.networks.superres_frozen import FrozenSuperresolution, frozen
from portraiture.ops.resize import resized
from portraiture.perception.features import (
    FeatureNetwork,
    distance_to_features,
    unit_features,
)
from portraiture.progress import SILENT, Progress
from portraiture.triplane.gather import gather_planes
from portraiture.triplane.sampling import make_rays

LAYER = (-0.3, 1.0)
"""Where a layer about a surface begins and ends, in thicknesses behind it."""


@dataclass(frozen=True)
class ColorConfig:
    """paint: the steps at the sides' surface. refinement: those at the head's own surface, with
    points that float or lack and rays on which the opacity is still wrong. thickness: of the layer
    about the sides' surface, EG3D units, in which colours are compared. every: the photo's view is
    compared in every so many steps. density: weight of `shape.density_loss`. floor: of
    `adam.minimise`. seed: of the views' order and the depths."""

    paint: RefinementConfig = field(
        default_factory=lambda: RefinementConfig(steps=55, rate=1.0, warmup=5)
    )
    refinement: RefinementConfig = field(
        default_factory=lambda: RefinementConfig(steps=65, rate=0.8, warmup=5)
    )
    thickness: float = 0.01
    every: int = 2
    density: float = 2.0
    floor: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class _Seen:
    """A view to compare. image: over white where `both`, its matte and the opacity, is 0. features:
    its `unit_features`. depth, opacity, rays: of the fixed surface."""

    image: Float[Tensor, "1 3 R R"]
    both: Float[Tensor, "1 1 R R"]
    features: list[Tensor]
    depth: Float[Tensor, "1 1 n n"]
    opacity: Float[Tensor, "1 1 n n"]
    rays: tuple[Tensor, Tensor]


@torch.no_grad()
def own_surface(
    generator: TriPlaneGenerator, planes: Float[Tensor, "1 3 C P P"], sides: Sides,
    *, progress: Progress = SILENT,
) -> Sides:  # fmt: skip
    """The sides with the surface that the head has itself: its depth and opacity."""
    progress.stage("Render the head", len(sides.camera))
    depths, alphas = [], []
    for k in range(len(sides.camera)):
        shown = generator.render(planes, sides.camera[k : k + 1], deterministic=True)
        depths.append(shown.depth)
        alphas.append(shown.opacity.clamp(0.0, 1.0))
        progress.step()
    return replace(sides, depth=torch.cat(depths), alpha=torch.cat(alphas))


def color_planes(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    residual: Float[Tensor, "1 3 C P P"],
    sides: Sides,
    perceptual: FeatureNetwork,
    density: Callable[[Tensor], Tensor],
    steps: RefinementConfig,
    config: ColorConfig,
    *,
    thickness: float = 0.0,
    stage: str,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """Residual to use instead of `residual`. planes: without it. sides: with the surface at which
    colours are compared; the first is the photo's. perceptual: network of the perceptual loss.
    density: loss of the planes that is added, as `shape.density_loss`. thickness: of the layer
    about the surface at random depths of which colours are compared, EG3D units; 0 is the surface.
    """
    upsample = frozen(generator.superresolution, ws)
    views = [_seen(sides, k, perceptual) for k in range(len(sides.camera))]
    turns = _turns(len(views), steps.steps, config.every, config.seed)
    numbers = torch.Generator(ws.device).manual_seed(config.seed)
    now_of = moved_residual(generator, planes, ws)

    def loss_of(change: Tensor) -> Tensor:
        now = now_of(change)
        seen = views[next(turns)]
        if thickness:
            sampled = torch.rand(seen.depth.shape, generator=numbers, device=ws.device)
            first, last = LAYER
            depth = seen.depth + thickness * (first + (last - first) * sampled)
            seen = replace(seen, depth=depth)
        off = _image_loss(generator, upsample, now, seen, perceptual, steps)
        return config.density * density(now) + off

    return minimise(
        channels_last(residual), loss_of, steps=steps.steps, rate=steps.rate, warmup=steps.warmup,
        floor=config.floor, stage=stage, progress=progress,
    )  # fmt: skip


def moved_residual(
    generator: TriPlaneGenerator, planes: Float[Tensor, "1 3 C P P"], ws: Float[Tensor, "1 N D"]
) -> Callable[[Tensor], Tensor]:
    """`add_residual` to these planes, with the channels last in memory."""
    plain = channels_last(planes)
    if not generator.config.flow_rank:
        return lambda change: plain + change
    with torch.no_grad():
        places = moved_places(generator.flow(ws[:, 0]), planes.shape[-1])
    return lambda change: plain + move_gathered(change, places)


def channels_last(planes: Float[Tensor, "1 3 C P P"]) -> Float[Tensor, "1 3 C P P"]:
    """The planes with the channels last in memory."""
    return planes.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def _image_loss(
    generator: TriPlaneGenerator, upsample: FrozenSuperresolution, planes: Tensor, seen: _Seen,
    perceptual: FeatureNetwork, config: RefinementConfig,
) -> Float[Tensor, ""]:  # fmt: skip
    """How far the image at a view's fixed surface is from its own (`refine_texture.image_loss`)."""
    rendering = generator.config.rendering
    origins, directions = seen.rays
    features = gather_planes(
        planes, origins + seen.depth.flatten(1)[..., None] * directions,
        box_warp=rendering.box_warp, axes=rendering.plane_axes,
    )  # fmt: skip
    cover = seen.opacity.flatten(1)[..., None]
    over = (cover * generator.decoder(features)[0] + 1.0 - cover) * 2.0 - 1.0
    image = upsample(over.unflatten(1, seen.depth.shape[-2:]).permute(0, 3, 1, 2))
    image = resized(image, seen.image.shape[-1])
    ours = seen.both * image + 1.0 - seen.both
    far = distance_to_features(perceptual, ours, seen.features).mean()
    return config.image * (ours - seen.image).abs().mean() + config.perceptual * far


def _turns(count: int, steps: int, every: int, seed: int) -> Iterator[int]:
    """Numbers of `count` views for so many steps: the first in every so many, and the others in a
    random order, in turn."""
    others = np.random.default_rng(seed).permutation(np.arange(1, count))
    for step in range(steps):
        own = step % every == 0 or not len(others)
        yield 0 if own else int(others[(step - step // every - 1) % len(others)])


@torch.no_grad()
def _seen(sides: Sides, k: int, perceptual: FeatureNetwork) -> _Seen:
    one = sides.part(slice(k, k + 1))
    alpha = one.alpha * (one.depth > 0)
    both = resized(alpha, one.image.shape[-1]).clamp(0.0, 1.0)
    image = both * one.image + 1.0 - both
    features = unit_features(perceptual, image)
    return _Seen(image, both, features, one.depth, alpha, make_rays(one.camera, alpha.shape[-1]))
