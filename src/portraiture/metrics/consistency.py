"""How well images of one head from neighbouring views agree: each is carried into the other by its
depth.

pixel of view a ─depth─▶ point ─project─▶ place in view b ─▶ colour there ◀─▶ the pixel's own
Letters: n side of the images and depth maps, R rays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from portraiture.camera import split_eg3d
from portraiture.ops.resize import resized
from portraiture.triplane.sampling import make_rays

SOLID = 0.9
"""Opacity from which on a pixel shows the head alone."""
SAME_DEPTH = 0.02
"""Largest difference of depths, EG3D units, at which both views see one point: 8 mm."""


@dataclass(frozen=True)
class Seen:
    """One view. image: in [-1, 1], resized to n. depth: along the ray, EG3D units. camera: EG3D's
    numbers."""

    image: Float[Tensor, "1 3 R R"]
    depth: Float[Tensor, "1 1 n n"]
    opacity: Float[Tensor, "1 1 n n"]
    camera: Float[Tensor, "1 25"]


def view_difference(first: Seen, second: Seen) -> float:
    """Mean absolute difference of colours, in [0, 1], of the points that both views show, both
    ways; NaN where they share none."""
    parts = [_carried(first, second), _carried(second, first)]
    differences = torch.cat(parts)
    return float(differences.mean()) if len(differences) else float("nan")


def _carried(source: Seen, target: Seen) -> Float[Tensor, " P"]:
    """Of the source's pixels that the target shows as well."""
    n = source.depth.shape[-1]
    places, distance = reprojected(source.depth, source.camera, target.camera)
    grid = (2.0 * places - 1.0)[:, None]
    own = resized(source.image, n).flatten(2)
    images = resized(target.image, n)
    there = F.grid_sample(images, grid, padding_mode="border", align_corners=False)[:, :, 0]
    shown = F.grid_sample(target.depth, grid, padding_mode="border", align_corners=False)[0, 0, 0]
    solid = F.grid_sample(target.opacity, grid, align_corners=False)[0, 0, 0]
    both: Bool[Tensor, " R"] = (source.opacity.flatten() > SOLID) & (solid > SOLID)
    both &= (shown - distance[0]).abs() < SAME_DEPTH
    both &= ((places > 0.0) & (places < 1.0)).all(-1)[0]
    return (own - there).abs().mean(1)[0, both] / 2.0


def reprojected(
    depth: Float[Tensor, "1 1 n n"], source: Float[Tensor, "1 25"], target: Float[Tensor, "1 25"]
) -> tuple[Float[Tensor, "1 R 2"], Float[Tensor, "1 R"]]:
    """Where the target's image, in [0, 1]² (x right, y down), shows the points of the source's
    pixels, and how far away they are from the target, along its rays."""
    origins, directions = make_rays(source, depth.shape[-1])
    points = origins + depth.flatten(1)[..., None] * directions
    pose, intrinsics = split_eg3d(target)
    local = (points - pose[:, None, :3, 3]) @ pose[:, :3, :3]
    flat = local @ intrinsics.transpose(1, 2)
    return flat[..., :2] / flat[..., 2:], local.norm(dim=-1)
