"""Moves planes until a head looks like its sides: opacity and colours together.

planes ─deferred render of a side, superresolution─▶ image ◀─▶ wanted ┐
   └───density at points of all sides' rays ◀─▶ wanted ───────────────┴─Adam─▶ planes
First at the surface that the sides show, then at the head's own, which haze and texels leave a
little apart from it. Every third step compares the photo's view. [ours]
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
from portraiture.invert.refine_texture import RefinementConfig, Seen, image_loss
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.triplane.sampling import make_rays

EVERY = 3
"""The photo's view is compared in every so many steps."""
LAYER = (-0.3, 1.0)
"""Where a layer about a surface begins and ends, in thicknesses behind it."""


@dataclass(frozen=True)
class ColorConfig:
    """paint: the steps at the sides' surface. clearing: more of them, with points that float and
    rays on which the opacity is still wrong. refinement: those at the head's own surface.
    thickness: of the layer about the sides' surface, EG3D units, in which colours are compared.
    floor: of `adam.minimise`. seed: of the views' order and the depths."""

    paint: RefinementConfig = field(
        default_factory=lambda: RefinementConfig(steps=110, rate=1.0, warmup=5)
    )
    clearing: RefinementConfig = field(
        default_factory=lambda: RefinementConfig(steps=50, rate=0.8, warmup=5)
    )
    refinement: RefinementConfig = field(
        default_factory=lambda: RefinementConfig(steps=80, rate=0.6, warmup=5)
    )
    thickness: float = 0.01
    floor: float = 0.1
    seed: int = 0


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
    views = [_seen(sides, k) for k in range(len(sides.camera))]
    turns = _turns(len(views), steps.steps, config.seed)
    numbers = torch.Generator(ws.device).manual_seed(config.seed)

    def loss_of(change: Tensor) -> Tensor:
        now = add_residual(generator, planes, change, ws)
        seen = views[next(turns)]
        if thickness:
            sampled = torch.rand(seen.depth.shape, generator=numbers, device=ws.device)
            first, last = LAYER
            depth = seen.depth + thickness * (first + (last - first) * sampled)
            seen = seen._replace(depth=depth)
        return density(now) + image_loss(generator, ws, now, seen, perceptual, steps)

    return minimise(
        residual, loss_of, steps=steps.steps, rate=steps.rate, warmup=steps.warmup,
        floor=config.floor, stage=stage, progress=progress,
    )  # fmt: skip


def _turns(count: int, steps: int, seed: int) -> Iterator[int]:
    """Numbers of `count` views for so many steps: the first in every `EVERY`th, and the others in a
    random order, in turn."""
    others = np.random.default_rng(seed).permutation(np.arange(1, count))
    for step in range(steps):
        own = step % EVERY == 0 or not len(others)
        yield 0 if own else int(others[(step - step // EVERY - 1) % len(others)])


def _seen(sides: Sides, k: int) -> Seen:
    one = sides.part(slice(k, k + 1))
    alpha = one.alpha * (one.depth > 0)
    both = resized(alpha, one.image.shape[-1]).clamp(0.0, 1.0)
    return Seen(one.image, both, one.depth, alpha, make_rays(one.camera, alpha.shape[-1]))
