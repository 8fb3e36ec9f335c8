"""Projects a photo's texture onto a head: colours that w+ cannot express, solved in closed form.

image ─ photo ─▶ change of colour at each pixel's surface point
   ─Newton through the decoder, density kept before and behind─▶ change of features
   ─backprojection, mostly to the plane that the surface faces─▶ change of planes; repeated
[ours] It replaces GOAE's second stage where that is not trained: what is learned there (features
that reproduce the photo where it shows the head) is solved here, for a fixed surface.
Letters: K photos of a head, N rows of w+, C channels and P side of a plane, M points, R side of a
photo, H the decoder's hidden units, J equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import Decoder, TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.ops.resize import resized
from portraiture.triplane.backproject import backproject
from portraiture.triplane.planes import AXES, sample_planes
from portraiture.triplane.sampling import make_rays
from portraiture.triplane.splat import splat_places
from portraiture.triplane.visibility import gaussian_blur, visible_points

TINY = 1e-9


@dataclass(frozen=True)
class TextureConfig:
    """blurs: standard deviations, in rays, of the Gaussian over the wanted change, one per round.
    spreads: iterations of `backproject`. damping: of each Newton equation, relative to its squared
    norm. facing: power of the normal's cosine by which planes share a change. held: offsets along
    the ray from the surface, EG3D units, at which density is kept. coloured: offsets at which the
    colour changes. edge: minimum matte of a pixel. reach: maximum change of a colour's logit per
    round. softness: standard deviation, in texels, of the Gaussian over a round's change of the
    planes."""

    blurs: tuple[float, ...] = (2.0, 1.0, 0.0)
    spreads: int = 3
    damping: float = 0.2
    facing: float = 2.0
    held: tuple[float, ...] = (-0.06, -0.03, -0.015, 0.0, 0.012)
    coloured: tuple[float, ...] = (0.0, 0.012)
    edge: float = 0.9
    reach: float = 3.0
    softness: float = 0.4


class _Wanted(NamedTuple):
    """points: on the surface. directions: of the rays that hit it. normals: of the surface, facing
    the camera. change: of colours, which are in [0, 1]."""

    points: Float[Tensor, "1 M 3"]
    directions: Float[Tensor, "1 M 3"]
    normals: Float[Tensor, "1 M 3"]
    change: Float[Tensor, "1 M 3"]


@torch.no_grad()
def project_texture(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    photos: Float[Tensor, "K 3 R R"],
    person: Float[Tensor, "K 1 R R"],
    cameras: Float[Tensor, "K 25"],
    config: TextureConfig | None = None,
) -> Float[Tensor, "1 3 C P P"]:
    """Residual that makes the head reproduce the photos where they show it.

    It is to be added to the planes before the generator's flow (`add_residual`). planes: those
    rendered so far. photos: in [-1, 1]. person: their mattes, in [0, 1]. Several photos are solved
    jointly, in the least-squares sense.
    """
    config = config or TextureConfig()
    rendering, size = generator.config.rendering, planes.shape[-1]
    flow = generator.flow(ws[:, 0]) if generator.config.flow_rank else None
    residual = torch.zeros_like(planes)
    for blur in config.blurs:
        shown = add_residual(generator, planes, residual, ws)
        each = [
            _wanted(generator, ws, shown, photo[None], whole[None], camera[None], blur, config)
            for photo, whole, camera in zip(photos, person, cameras, strict=True)
        ]
        wanted = _Wanted(*(torch.cat(parts, 1) for parts in zip(*each, strict=True)))
        if not wanted.points.shape[1]:
            break
        change = features_for(
            generator, shown, shown - planes, wanted.points, wanted.directions, wanted.change,
            config,
        )  # fmt: skip
        places = splat_places(
            wanted.points, size=size, box_warp=rendering.box_warp, axes=rendering.plane_axes,
            flow=flow,
        )  # fmt: skip
        shares = shares_by_facing(wanted.normals, AXES[rendering.plane_axes], config.facing)
        found = backproject(change, places, shares, size=size, rounds=config.spreads)
        residual += gaussian_blur(found.flatten(1, 2), config.softness).view_as(found)
    return residual


def _wanted(
    generator: TriPlaneGenerator, ws: Tensor, planes: Tensor, photo: Tensor, person: Tensor,
    camera: Tensor, blur: float, config: TextureConfig,
) -> _Wanted:  # fmt: skip
    """Wanted changes at the pixels that show both the person and the head."""
    volume = generator.render(planes, camera, deterministic=True)
    image = generator.upsample(volume.features, ws).clamp(-1.0, 1.0)
    side = volume.depth.shape[-1]
    points, met = visible_points(volume.depth, volume.opacity, camera)
    kept = met & (_shrunk(person, side).flatten(1) > config.edge)
    change = 0.5 * _shrunk(resized(photo, image.shape[-1]) - image, side)
    if blur:
        weight = kept.view(1, 1, side, side).float()
        change = gaussian_blur(change * weight, blur)
        change = change / gaussian_blur(weight, blur).clamp_min(1e-3)
    directions = make_rays(camera, side)[1]
    parts = (points, directions, surface_normals(volume.depth, camera), change.flatten(2).mT)
    return _Wanted(*(part[kept][None] for part in parts))


def _shrunk(x: Float[Tensor, "1 A R R"], side: int) -> Float[Tensor, "1 A n n"]:
    return F.interpolate(x, (side, side), mode="area")


def surface_normals(
    depth: Float[Tensor, "1 1 n n"], camera: Float[Tensor, "1 25"], *, blur: float = 1.5
) -> Float[Tensor, "1 M 3"]:
    """Unit normals, facing the camera, of a depth map along rays, smoothed by a Gaussian of
    standard deviation `blur` pixels; M = n²."""
    side = depth.shape[-1]
    origins, directions = make_rays(camera, side)
    points = origins + directions * gaussian_blur(depth, blur).flatten(2).mT
    grid = points.mT.view(1, 3, side, side)
    grid = F.pad(grid, (1, 1, 1, 1), mode="replicate")
    across = grid[..., 1:-1, 2:] - grid[..., 1:-1, :-2]
    down = grid[..., 2:, 1:-1] - grid[..., :-2, 1:-1]
    normals = F.normalize(torch.linalg.cross(across, down, dim=1).flatten(2).mT, dim=2)
    away = (normals * directions).sum(2, keepdim=True) > 0
    return torch.where(away, -normals, normals)


def shares_by_facing(
    normals: Float[Tensor, "1 M 3"], axes: tuple[tuple[int, int], ...], power: float
) -> Float[Tensor, "1 3 M"]:
    """Share of each plane in a point's change, by how directly the surface faces it."""
    across = [({0, 1, 2} - set(pair)).pop() for pair in axes]
    facing = normals[..., across].abs().pow(power).mT + 0.02
    return facing / facing.sum(1, keepdim=True)


def features_for(
    generator: TriPlaneGenerator, planes: Float[Tensor, "1 3 C P P"],
    so_far: Float[Tensor, "1 3 C P P"], points: Float[Tensor, "1 M 3"],
    directions: Float[Tensor, "1 M 3"], colors: Float[Tensor, "1 M 3"], config: TextureConfig,
) -> Float[Tensor, "1 M C"]:  # fmt: skip
    """The change of features that changes the colours of surface points by `colors` and keeps
    densities, such that the total change so far, including this one, has the smallest norm."""
    rendering = generator.config.rendering
    space = {"box_warp": rendering.box_warp, "axes": rendering.plane_axes}
    rows, sides = [], []
    for offset in sorted({*config.held, *config.coloured}):
        features = sample_planes(planes, points + offset * directions, **space)
        outputs, slopes = decoder_slopes(generator.decoder, features)
        if offset in config.held:
            rows.append(slopes[..., :1, :])
            sides.append(torch.zeros_like(outputs[..., :1]))
        if offset in config.coloured:
            logits = outputs[..., 1:]
            now = torch.sigmoid(logits)
            aim = now + colors
            aim = torch.minimum(torch.maximum(aim, now.clamp_max(0.01)), now.clamp_min(0.99))
            rows.append(slopes[..., 1:, :])
            sides.append((torch.logit(aim) - logits).clamp(-config.reach, config.reach))
    slopes, known = torch.cat(rows, -2), sample_planes(so_far, points, **space)
    total = torch.cat(sides, -1) + (slopes @ known[..., None])[..., 0]
    return least_change(slopes, total, config.damping) - known


def decoder_slopes(
    decoder: Decoder, features: Float[Tensor, "B M C"]
) -> tuple[Float[Tensor, "B M 4"], Float[Tensor, "B M 4 C"]]:
    """Raw density and the three colour logits, and their derivatives by the features."""
    w1, b1, w2, b2, _ = decoder.weights()
    hidden = features @ w1 + b1
    outputs = F.softplus(hidden) @ w2[:, :4] + b2[:4]
    slopes = (torch.sigmoid(hidden)[..., None, :] * w2[:, :4].mT) @ w1.mT
    return outputs, slopes


def least_change(
    slopes: Float[Tensor, "B M J C"], sides: Float[Tensor, "B M J"], damping: float
) -> Float[Tensor, "B M C"]:
    """The shortest x with slopes · x = sides; each equation is damped relative to its squared
    norm."""
    square = slopes @ slopes.mT
    damped = square + torch.diag_embed(damping * square.diagonal(dim1=-2, dim2=-1) + TINY)
    solved = torch.linalg.solve(damped, sides[..., None])
    return (slopes.mT @ solved)[..., 0]
