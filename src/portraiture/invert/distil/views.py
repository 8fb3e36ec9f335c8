"""What the head shall look like from many sides: the avatar's renders, with the photo's own pixels
where its surface shows in the photo.

bust ─render_view─▶ colour, alpha, depth of each side ┐
photo, matte ─weights: facing, off its edges──────────┴─same surface point─▶ colours mixed ─▶ Sides
Letters: V views, R side of an image, n side of a map of the surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import radians
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from portraiture.camera import eg3d_orbit, split_eg3d, to_eg3d
from portraiture.invert.project_texture import surface_normals
from portraiture.ops.resize import resized
from portraiture.people.views import HeadFrame, over, ray_lengths
from portraiture.progress import SILENT, Progress, counted
from portraiture.render.mesh import depth_of, lit, render_lit
from portraiture.triplane.sampling import make_rays
from portraiture.triplane.visibility import gaussian_blur
from portraiture.types import Bust, Camera, Light, Shading, as_uint8

YAWS, PITCHES = (-63, -47, -31, -16, 0, 16, 31, 47, 63), (-14, 0, 14)
SIDES = tuple((radians(yaw), radians(pitch)) for pitch in PITCHES for yaw in YAWS)
AGAIN = tuple(len(YAWS) * (1, 0, 1, 2)[k % 4] + k for k in range(len(YAWS)))
"""Those sides whose surface is rendered again from the head: one of each yaw."""
SAME = 0.025
"""Distance along a ray, EG3D units, within which two views show the same surface."""
FACING = (0.2, 0.55)
"""Cosines of the surface's normal to the photo's ray between which its pixels' weight rises."""
EDGE = 0.012
"""Standard deviation, in sides of the crop, of the feathering at the photo's edges."""


@dataclass(frozen=True)
class Sides:
    """Targets of V cameras. image: over white, in [-1, 1]. alpha: in [0, 1]. depth: along the rays,
    EG3D units, 0 where there is nothing; both at n². fine: depth at R²."""

    camera: Float[Tensor, "V 25"]
    image: Float[Tensor, "V 3 R R"]
    alpha: Float[Tensor, "V 1 n n"]
    depth: Float[Tensor, "V 1 n n"]
    fine: Float[Tensor, "V 1 R R"]

    def part(self, chosen: slice | list[int]) -> Sides:
        """Some of the sides."""
        return Sides(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def to(self, device: torch.device) -> Sides:
        """On another device."""
        return Sides(*(getattr(self, each.name).to(device) for each in fields(self)))


def joined(a: Sides, b: Sides) -> Sides:
    """The sides of both."""
    names = [each.name for each in fields(a)]
    return Sides(*(torch.cat([getattr(a, name), getattr(b, name)]) for name in names))


def rendered(
    bust: Bust, frame: HeadFrame, cameras: Sequence[Camera], light: Light, *, size: int,
    neural: int, shading: Shading = "natural", progress: Progress = SILENT,
) -> Sides:  # fmt: skip
    """The bust from these cameras. size: R. neural: n."""
    images, alphas, depths = [], [], []
    seen = lit(bust, light=light, shading=shading)
    for camera in counted(cameras, progress):
        of_world = frame.camera(camera)
        rgba = as_uint8(render_lit(seen, of_world, size=size))
        depth = depth_of(seen, of_world, size) * ray_lengths(camera, size) / frame.scale
        images.append(torch.from_numpy(over(rgba, 1.0)).permute(2, 0, 1))
        alphas.append(torch.from_numpy(rgba[..., 3:].copy()).permute(2, 0, 1))
        depths.append(torch.from_numpy(np.where(np.isfinite(depth), depth, 0.0)).float()[None])
    numbers = torch.from_numpy(np.stack([to_eg3d(camera) for camera in cameras])).float()
    alpha = F.interpolate(torch.stack(alphas).float() / 255.0, (neural, neural), mode="area")
    return Sides(
        numbers, torch.stack(images).float() / 127.5 - 1.0, alpha,
        nearest_depth(torch.stack(depths), neural), torch.stack(depths),
    )  # fmt: skip


def nearest_depth(depth: Float[Tensor, "V 1 R R"], size: int) -> Float[Tensor, "V 1 n n"]:
    """Smallest depth of each block of pixels that has one, 0 for none."""
    far = torch.where(depth > 0, -depth, -torch.inf)
    near = -F.max_pool2d(far, depth.shape[-1] // size)
    return torch.where(near.isfinite(), near, 0.0)


def filled_depth(
    depth: Float[Tensor, "1 1 n n"], alpha: Float[Tensor, "1 1 n n"]
) -> Float[Tensor, "1 1 n n"]:
    """A depth map with that of the nearest pixel where something shows that has none."""
    known = depth[0, 0].cpu().numpy() > 0
    if not known.any():
        return depth
    places: Any = distance_transform_edt(~known, return_distances=False, return_indices=True)
    rows, columns = places
    nearest = depth[:, :, torch.from_numpy(rows), torch.from_numpy(columns)]
    return torch.where((alpha > 0.5) & (depth == 0), nearest, depth)


def side_cameras() -> list[Camera]:
    """Those of `SIDES`."""
    return [eg3d_orbit(yaw, pitch) for yaw, pitch in SIDES]


def photo_weight(own: Sides, person: Float[Tensor, "1 1 R R"]) -> Float[Tensor, "1 1 R R"]:
    """How far each pixel of the photo is trusted to show the avatar's surface. own: the avatar by
    the photo's camera. person: the photo's matte."""
    side = own.depth.shape[-1]
    camera = own.camera
    depth = torch.where(own.depth > 0, own.depth, own.depth.max())
    directions = make_rays(camera, side)[1]
    cosine = -(surface_normals(depth, camera) * directions).sum(2).view(1, 1, side, side)
    low, high = FACING
    facing = ((cosine - low) / (high - low)).clamp(0.0, 1.0)
    facing = facing * facing * (3.0 - 2.0 * facing)
    both = own.alpha * F.interpolate(person, (side, side), mode="area")
    inner = feathered((both > 0.9).float(), EDGE * side)
    return resized(gaussian_blur(facing, 1.0) * inner, person.shape[-1])


def feathered(inside: Float[Tensor, "B 1 n n"], sigma: float) -> Float[Tensor, "B 1 n n"]:
    """1 well inside a mask, falling to 0 at its edge."""
    return ((gaussian_blur(inside, sigma) - 0.5) * 2.0).clamp(0.0, 1.0) * inside


def with_photo(
    sides: Sides, own: Sides, photo: Float[Tensor, "1 3 R R"], weight: Float[Tensor, "1 1 R R"]
) -> Float[Tensor, "V 3 R R"]:
    """The views' images with the photo's pixels, by `weight`, where they show the same surface as
    the photo. own: the avatar by the photo's camera."""
    size = photo.shape[-1]
    images = []
    for k in range(len(sides.camera)):
        camera, depth = sides.camera[k : k + 1], sides.fine[k : k + 1]
        origins, directions = make_rays(camera, size)
        points = origins + directions * depth.flatten(2).mT
        where, distance = seen_at(points, own.camera)
        grid = (where * 2.0 - 1.0).view(1, size, size, 2)
        there = F.grid_sample(own.fine, grid, mode="nearest", align_corners=False)
        same = (there - distance.view(1, 1, size, size)).abs() < SAME
        shown = F.grid_sample(photo, grid, mode="bilinear", align_corners=False)
        share = F.grid_sample(weight, grid, mode="bilinear", align_corners=False)
        share = gaussian_blur(share * (same & (depth > 0)), 1.0)
        image = sides.image[k : k + 1]
        images.append(image + share * (shown - image))
    return torch.cat(images)


def seen_at(
    points: Float[Tensor, "B M 3"], camera: Float[Tensor, "B 25"]
) -> tuple[Float[Tensor, "B M 2"], Float[Tensor, "B M"]]:
    """Pixels of points in [0, 1]², and their distances from the camera."""
    pose, intrinsics = split_eg3d(camera)
    off = points - pose[:, None, :3, 3]
    local = off @ pose[:, :3, :3]
    flat = (local / local[..., 2:]) @ intrinsics.mT
    return flat[..., :2], off.norm(dim=-1)
