"""Features of 3D points on three axis-aligned planes (Chan et al. 2022, section 3).

points ─project on each plane─▶ bilinear samples (zero outside) ─mean over planes─▶ features
Letters: B batch, C channels, H×W texels, M points.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

PlaneAxes = Literal["original", "fixed"]
"""original: (x, y), (x, z), (z, x), with which the published checkpoints were trained; the third
plane repeats the second with its axes exchanged. fixed: (x, y), (x, z), (z, y), the later fix."""

AXES: dict[PlaneAxes, tuple[tuple[int, int], ...]] = {
    "original": ((0, 1), (0, 2), (2, 0)),
    "fixed": ((0, 1), (0, 2), (2, 1)),
}
"""Coordinate axes along a plane's width and along its height."""


def project_on_planes(
    points: Float[Tensor, "B M 3"], *, box_warp: float, axes: PlaneAxes = "original"
) -> Float[Tensor, "B 3 M 2"]:
    """Plane coordinates; the cube of side `box_warp` around the origin maps to [-1, 1]²."""
    scaled = points * (2.0 / box_warp)
    return torch.stack([scaled[..., list(pair)] for pair in AXES[axes]], dim=1)


def sample_planes(
    planes: Float[Tensor, "B 3 C H W"],
    points: Float[Tensor, "B M 3"],
    *,
    box_warp: float,
    axes: PlaneAxes = "original",
) -> Float[Tensor, "B M C"]:
    """Mean over the planes of bilinear samples (texel centres, align_corners=False)."""
    return sample_places(planes, project_on_planes(points, box_warp=box_warp, axes=axes))


def sample_places(
    planes: Float[Tensor, "B 3 C H W"], places: Float[Tensor, "B 3 M 2"]
) -> Float[Tensor, "B M C"]:
    """`sample_planes` at given coordinates on each plane."""
    b, k, c, h, w = planes.shape
    features = F.grid_sample(
        planes.reshape(b * k, c, h, w),
        places.to(planes.dtype).reshape(b * k, 1, -1, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return features.view(b, k, c, -1).mean(1).transpose(1, 2)
