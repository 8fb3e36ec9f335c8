"""Gives a head's surface its colours as many sides show them: in closed form, then by the image.

head ─render, each side─▶ its own surface ─wanted colours─▶ change of features ─▶ planes
   ─superresolution of the photo's view and of another─▶ images ◀─▶ wanted ─Adam─▶ planes
The equations are those of `invert.project_texture` and `invert.refine_texture`, for sides that
agree with each other since they show one surface. [ours]
Letters: V sides, N rows of w+, C channels and P side of a plane, M points, n neural resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.adam import minimise
from portraiture.invert.distil.views import Sides
from portraiture.invert.project_texture import (
    TextureConfig,
    features_for,
    shares_by_facing,
    surface_normals,
)
from portraiture.invert.refine_texture import RefinementConfig, Seen, image_loss
from portraiture.networks.deferred import deferred_features
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.triplane.backproject import backproject
from portraiture.triplane.planes import AXES
from portraiture.triplane.sampling import make_rays
from portraiture.triplane.splat import splat_places
from portraiture.triplane.visibility import gaussian_blur


@dataclass(frozen=True)
class ColorConfig:
    """sides: numbers of `views.SIDES` that are compared beside the photo. texture: rounds of the
    closed form. pixels: of a side in a round, three times as many of the photo. refinement: the
    steps after it. seed: of the samples."""

    sides: tuple[int, ...] = (0, 8, 2, 10, 4, 12, 6)
    texture: TextureConfig = field(
        default_factory=lambda: TextureConfig(blurs=(2.0, 0.5, 0.0), damping=0.05)
    )
    pixels: int = 2500
    refinement: RefinementConfig = field(
        default_factory=lambda: RefinementConfig(steps=30, rate=0.3)
    )
    seed: int = 0


@torch.no_grad()
def own_surface(
    generator: TriPlaneGenerator, planes: Float[Tensor, "1 3 C P P"], sides: Sides,
    *, progress: Progress = SILENT,
) -> Sides:  # fmt: skip
    """The sides with the surface that the head has itself. alpha: what both show."""
    progress.stage("Render the head", len(sides.camera))
    depths, alphas = [], []
    for k in range(len(sides.camera)):
        shown = generator.render(planes, sides.camera[k : k + 1], deterministic=True)
        depths.append(shown.depth)
        alphas.append(shown.opacity.clamp(0.0, 1.0))
        progress.step()
    return replace(sides, depth=torch.cat(depths), alpha=torch.cat(alphas))


@torch.no_grad()
def solve_colors(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    residual: Float[Tensor, "1 3 C P P"],
    sides: Sides,
    surface: Sides,
    config: ColorConfig,
    *,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """Residual to use instead of `residual`. planes: without it. surface: of `own_surface`."""
    numbers = torch.Generator(planes.device).manual_seed(config.seed)
    progress.stage("Colour the head", len(config.texture.blurs))
    for blur in config.texture.blurs:
        now = add_residual(generator, planes, residual, ws)
        residual = residual + _color(
            generator, ws, now, now - planes, sides, surface, blur, config, numbers
        )
        progress.step()
        if progress.cancelled:
            break
    return residual


def _color(
    generator: TriPlaneGenerator, ws: Tensor, planes: Tensor, so_far: Tensor, sides: Sides,
    surface: Sides, blur: float, config: ColorConfig, numbers: torch.Generator,
) -> Float[Tensor, "1 3 C P P"]:  # fmt: skip
    """Change of the planes that gives the surface its colours and keeps its density."""
    rendering, size = generator.config.rendering, planes.shape[-1]
    space = {"box_warp": rendering.box_warp, "axes": rendering.plane_axes}
    n = sides.alpha.shape[-1]
    found = []
    for k in range(len(sides.camera)):
        one = slice(k, k + 1)
        camera, depth, alpha = sides.camera[one], surface.depth[one], surface.alpha[one]
        solid = torch.minimum(sides.alpha[one], alpha) > 0.9
        origins, directions = make_rays(camera, n)
        points = origins + directions * depth.flatten(2).mT
        features = deferred_features(generator, planes, depth, alpha, (origins, directions))
        image = generator.upsample(features, ws).clamp(-1.0, 1.0)
        change = 0.5 * F.interpolate(sides.image[one] - image, (n, n), mode="area") * solid
        if blur:
            change = gaussian_blur(change, blur)
            change = change / gaussian_blur(solid.float(), blur).clamp_min(1e-3)
        parts = (points, directions, surface_normals(depth, camera), change.flatten(2).mT)
        kept = solid.flatten().nonzero()[:, 0]
        some = config.pixels * (3 if k == 0 else 1)
        kept = kept[torch.randperm(len(kept), generator=numbers, device=kept.device)[:some]]
        found.append([part[:, kept] for part in parts])
    points, directions, normals, change = (torch.cat(x, 1) for x in zip(*found, strict=True))
    step = features_for(generator, planes, so_far, points, directions, change, config.texture)
    flow = generator.flow(ws[:, 0]) if generator.config.flow_rank else None
    places = splat_places(points, size=size, flow=flow, **space)
    shares = shares_by_facing(normals, AXES[rendering.plane_axes], config.texture.facing)
    solved = backproject(step, places, shares, size=size, rounds=config.texture.spreads)
    return gaussian_blur(solved.flatten(1, 2), config.texture.softness).view_as(solved)


def refine_colors(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    residual: Float[Tensor, "1 3 C P P"],
    sides: Sides,
    surface: Sides,
    perceptual: FeatureNetwork,
    config: ColorConfig,
    *,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """Residual to use instead of `residual`: steps compare the photo's view and another in turn.
    perceptual: network of the perceptual loss."""
    views = [_seen(sides, surface, k) for k in range(len(sides.camera))]
    turns = _turns(len(views), config.refinement.steps, config.seed)

    def loss_of(change: Tensor) -> Tensor:
        now = add_residual(generator, planes, change, ws)
        seen = views[next(turns)]
        return image_loss(generator, ws, now, seen, perceptual, config.refinement)

    steps = config.refinement
    return minimise(
        residual, loss_of, steps=steps.steps, rate=steps.rate, warmup=steps.warmup,
        stage="Refine the texture", progress=progress,
    )  # fmt: skip


def _turns(count: int, steps: int, seed: int) -> Iterator[int]:
    """Numbers of `count` views for so many steps: the first, and the others in a random order, in
    turn."""
    others = np.random.default_rng(seed).permutation(np.arange(1, count))
    for step in range(steps):
        yield int(others[step // 2 % len(others)]) if step % 2 and len(others) else 0


def _seen(sides: Sides, surface: Sides, k: int) -> Seen:
    one = slice(k, k + 1)
    side = sides.image.shape[-1]
    both = resized(torch.minimum(sides.alpha[one], surface.alpha[one]), side).clamp(0.0, 1.0)
    rays = make_rays(sides.camera[one], surface.depth.shape[-1])
    return Seen(sides.image[one], both, surface.depth[one], surface.alpha[one], rays)
