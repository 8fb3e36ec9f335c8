"""How far a head's density is from a known surface: empty before it, opaque behind it.

rays of all sides ─points before and behind the surface─▶ raw densities ◀─▶ wanted
The surface is known, so a ray needs a few samples and not a hundred. Where sides disagree the photo
is right: what lies on its background is empty, what it alone shows is left to it. [ours]
Letters: V sides, N rows of w+, C channels and P side of a plane, M rays of a step, L points, n
neural resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from portraiture.invert.distil.views import Sides, seen_at
from portraiture.invert.project_texture import decoder_slopes
from portraiture.networks.eg3d import Decoder, TriPlaneGenerator
from portraiture.triplane.density_grid import density_grid, grid_coordinates
from portraiture.triplane.gather import gather_planes
from portraiture.triplane.sampling import make_rays

FLOATER_GRID, CLEAR = 96, 0.03
"""Points per side of the grid on which floaters are looked for, and how far before the surface,
EG3D units, everything is one. Within two rays of an outline nothing is."""
HOLLOW = 0.8
"""Opacity below which a ray lacks its surface."""
LONE = 0.02
"""How far before a surface that only the photo shows other sides' empty points are left out."""
LAYER = (0.004, 0.045)
"""The same behind every surface of the photo: from, to. Strands of hair are opaque from one side
and not from another."""


@dataclass(frozen=True)
class ShapeConfig:
    """rays: M, of all sides. free: samples of a ray before its surface. before, behind: offsets
    from the surface, EG3D units, at which it is empty and opaque. empty, solid: raw densities to
    reach. edges: chance of a ray at an edge, relative to others. missed: of one whose opacity is
    wrong by 1. own: chance of the photo's rays, relative to those of another side."""

    rays: int = 600
    free: int = 9
    before: tuple[float, ...] = (-0.05, -0.03, -0.015)
    behind: tuple[float, ...] = (0.008, 0.02, 0.035)
    empty: float = -15.0
    solid: float = 300.0
    edges: float = 6.0
    missed: float = 40.0
    own: float = 24.0
    seed: int = 0


class _Rays(NamedTuple):
    """All rays of all sides. depth: 0 where there is nothing."""

    origins: Float[Tensor, "V*n*n 3"]
    directions: Float[Tensor, "V*n*n 3"]
    depth: Float[Tensor, "V*n*n"]
    alpha: Float[Tensor, "V*n*n"]
    chance: Float[Tensor, "V*n*n"]


def density_loss(
    generator: TriPlaneGenerator, sides: Sides, config: ShapeConfig,
    floating: Float[Tensor, "K 3"] | None = None, hollow: Float[Tensor, "K 3"] | None = None,
    opacity: Float[Tensor, "V 1 n n"] | None = None,
) -> Callable[[Tensor], Tensor]:  # fmt: skip
    """How far the densities of planes are from wanted ones, at other points every time. floating:
    points to be emptied, a quarter as many of them as of the rays' own. hollow: points to be
    filled, a 16th. opacity: of the head so far; rays on which it is wrong are chosen more often.
    The gradients leave colours alone."""
    numbers = torch.Generator(sides.camera.device).manual_seed(config.seed)
    rays, rendering = _rays(sides, config, opacity), generator.config.rendering
    empty, solid = compressed(torch.tensor([config.empty, config.solid])).tolist()
    photo = sides.part(slice(0, 1))

    def loss_of(planes: Tensor) -> Tensor:
        points, full = labelled_points(
            rays, rendering.ray_start, rendering.ray_end, config, numbers
        )
        points, full = agreed(points, full, photo)
        own = len(points)
        for more, share, filled in ((floating, 4, False), (hollow, 16, True)):
            count = own // share
            if more is not None and len(more):
                some = torch.randint(len(more), (count,), generator=numbers, device=numbers.device)
                points = torch.cat([points, more[some]])
                full = torch.cat([full, torch.full_like(full[:count], filled)])
        features = gather_planes(
            planes, points[None], box_warp=rendering.box_warp, axes=rendering.plane_axes
        )
        features = _colors_kept(generator.decoder, features)
        level = compressed(generator.decoder(features)[1][0])
        return torch.where(full, F.relu(solid - level), F.relu(level - empty)).mean()

    return loss_of


def _colors_kept(decoder: Decoder, features: Float[Tensor, "1 L C"]) -> Float[Tensor, "1 L C"]:
    """The features, whose gradients lose their part along those of the three colours."""
    if not features.requires_grad:
        return features
    slopes = F.normalize(decoder_slopes(decoder, features.detach())[1][..., 1:, :], dim=-1)
    a, b, c = slopes.unbind(-2)  # Gram-Schmidt
    b = F.normalize(b - (b * a).sum(-1, keepdim=True) * a, dim=-1)
    c = c - (c * a).sum(-1, keepdim=True) * a - (c * b).sum(-1, keepdim=True) * b
    basis = torch.stack([a, b, F.normalize(c, dim=-1)], -2)

    def without(gradient: Tensor) -> Tensor:
        return gradient - (basis.mT @ (basis @ gradient[..., None]))[..., 0]

    features = features.view_as(features)
    features.register_hook(without)
    return features


@torch.no_grad()
def floaters(
    generator: TriPlaneGenerator, planes: Float[Tensor, "1 3 C P P"], sides: Sides
) -> Float[Tensor, "K 3"]:
    """Points of a grid that are not empty although a side sees through them, or the photo alone
    where it shows something that the avatar lacks."""
    rendering = generator.config.rendering
    density = density_grid(
        planes[0], generator.decoder, resolution=FLOATER_GRID, box_warp=rendering.box_warp,
        axes=rendering.plane_axes,
    )  # fmt: skip
    steps = grid_coordinates(FLOATER_GRID, rendering.box_warp).to(planes)
    points = steps[(density > 0.0).nonzero()]
    empty = torch.zeros(len(points), dtype=torch.bool, device=planes.device)
    for k in range(len(sides.camera)):
        one = sides.part(slice(k, k + 1))
        where, distance = seen_at(points[None], one.camera)
        grid = (where * 2.0 - 1.0)[:, None]
        nearest = -F.max_pool2d(torch.where(one.depth > 0, -one.depth, -torch.inf), 5, 1, 2)
        maps = torch.cat([F.max_pool2d(one.alpha, 5, 1, 2), nearest], 1)
        alpha, depth = F.grid_sample(maps, grid, mode="nearest", align_corners=False)[0, :, 0]
        inside = grid[0, 0].abs().amax(-1) < 1.0
        before = (alpha > 0.75) & (distance[0] < depth - CLEAR)
        empty |= inside & ((alpha < 0.25) | before)
    return agreed(points[empty], torch.zeros_like(empty[empty]), sides.part(slice(0, 1)))[0]


@torch.no_grad()
def hollows(
    sides: Sides, opacity: Float[Tensor, "V 1 n n"], config: ShapeConfig
) -> Float[Tensor, "K 3"]:
    """Points behind the surface on rays where a head of this opacity lacks it."""
    n = sides.alpha.shape[-1]
    origins, directions = make_rays(sides.camera, n)
    lacking = (sides.alpha > 0.75) & (sides.depth > 0) & (opacity < HOLLOW)
    chosen = lacking.flatten(1)
    depths = sides.depth.flatten(1)[chosen][:, None] + torch.tensor(config.behind).to(origins)
    points = origins[chosen][:, None] + depths[..., None] * directions[chosen][:, None]
    flat = points.flatten(0, 1)
    full = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    kept, full = agreed(flat, full, sides.part(slice(0, 1)))
    return kept[full]


def _rays(sides: Sides, config: ShapeConfig, opacity: Tensor | None) -> _Rays:
    """Rays with their chances: highest where the opacity is wrong and at an edge, low far from the
    head."""
    n = sides.alpha.shape[-1]
    origins, directions = make_rays(sides.camera, n)
    spread = F.max_pool2d(sides.alpha, 5, 1, 2) + F.max_pool2d(-sides.alpha, 5, 1, 2)
    chance = 0.7 + F.max_pool2d(sides.alpha, 13, 1, 6) + config.edges * spread
    if opacity is not None:
        chance += config.missed * (opacity - sides.alpha).abs()
    chance[0] *= config.own
    flat = (x.flatten() for x in (sides.depth, sides.alpha, chance))
    return _Rays(origins.flatten(0, 1), directions.flatten(0, 1), *flat)


def labelled_points(
    rays: _Rays, near: float, far: float, config: ShapeConfig, numbers: torch.Generator
) -> tuple[Float[Tensor, "L 3"], Bool[Tensor, "L"]]:
    """Points of sampled rays, and whether they are inside. Half transparent rays have none."""
    chosen = torch.multinomial(rays.chance, config.rays, True, generator=numbers)
    depth, alpha = rays.depth[chosen], rays.alpha[chosen]
    solid = (alpha > 0.75) & (depth > 0)
    until = torch.where(solid, depth + config.before[0], far)[:, None]
    places = torch.arange(config.free, device=depth.device)
    jitter = torch.rand(len(chosen), config.free + 1, generator=numbers, device=depth.device)
    free = near + (jitter[:, 1:] + places) / config.free * (until - near)
    offsets = torch.tensor((*config.before, *config.behind), device=depth.device)
    close = depth[:, None] + offsets + 0.005 * (jitter[:, :1] - 0.5)
    depths = torch.cat([free, close], 1)
    full = torch.zeros_like(depths, dtype=torch.bool)
    full[:, config.free + len(config.before) :] = True
    clear = solid | (alpha < 0.25)
    known = torch.cat([clear[:, None].expand_as(free), solid[:, None].expand_as(close)], 1)
    points = rays.origins[chosen, None] + depths[..., None] * rays.directions[chosen, None]
    return points[known], full[known]


def agreed(
    points: Float[Tensor, "L 3"], full: Bool[Tensor, "L"], photo: Sides
) -> tuple[Float[Tensor, "K 3"], Bool[Tensor, "K"]]:
    """Labelled points as far as they agree with the photo: those on its background are empty, and
    empty ones where only the photo shows something are left out."""
    where, distance = seen_at(points[None], photo.camera)
    grid = (where * 2.0 - 1.0)[:, None]
    shown = F.max_pool2d(photo.fine, photo.fine.shape[-1] // photo.depth.shape[-1])
    lone = (photo.alpha > 0.5) & (photo.depth > 0) & (shown == 0)
    maps = torch.cat([photo.alpha, photo.depth, lone.float()], 1)
    alpha, depth, lone = F.grid_sample(maps, grid, mode="nearest", align_corners=False)[0, :, 0]
    inside = grid[0, 0].abs().amax(-1) < 1.0
    full = full & ~(inside & (alpha < 0.25))
    behind = distance[0] - depth
    layer = (lone > 0.5) & (behind > -LONE)
    layer |= (alpha > 0.75) & (depth > 0) & (behind > LAYER[0]) & (behind < LAYER[1])
    kept = full | ~(inside & layer)
    return points[kept], full[kept]


def compressed(density: Tensor) -> Tensor:
    """Logarithm of a raw density's size, with its sign: thousands inside, tens outside."""
    return density.sign() * torch.log1p(density.abs() / 10.0)
