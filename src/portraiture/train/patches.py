"""Crops and rays of training views: patches for superresolution, points along rays.

Letters: B people, n neural resolution, R = 2n side of the images, M points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from portraiture.networks.sparse_rays import pick
from portraiture.people.people_set import Example

EDGE_PIXELS = 6
"""Reach of superresolution's convolutions, in pixels of the image."""


def cut_patch(
    batch: Example, rays: tuple[Tensor, Tensor], top: int, left: int, side: int
) -> tuple[Example, tuple[Tensor, Tensor]]:
    """Crop a batch and its rays to a patch of side² neural pixels."""
    n = batch.depth.shape[-1]
    small = (..., slice(top, top + side), slice(left, left + side))
    large = (..., slice(2 * top, 2 * (top + side)), slice(2 * left, 2 * (left + side)))
    part = batch._replace(
        image=batch.image[large],
        weight=(batch.weight * _clear_of_edges(batch.weight, large))[large],
        small=batch.small[small],
        small_weight=batch.small_weight[small],
        depth=batch.depth[small],
        alpha=batch.alpha[small],
        solid=batch.solid[small],
    )
    pixels = torch.arange(n * n, device=rays[0].device).view(n, n)[small].flatten()
    return part, (rays[0][:, pixels], rays[1][:, pixels])


def patch_camera(
    camera: Float[Tensor, "B 25"], top: int, left: int, side: int, n: int
) -> Float[Tensor, "B 25"]:
    """EG3D cameras of a patch: side² of the n² pixels at (top, left)."""
    pose, intrinsics = camera[:, :16], camera[:, 16:].unflatten(1, (3, 3))
    scale, last = n / side, intrinsics[:, 2]
    rows = [
        scale * intrinsics[:, 0] - left / side * last,
        scale * intrinsics[:, 1] - top / side * last,
        last,
    ]
    return torch.cat([pose, *rows], 1)


def _clear_of_edges(weight: Float[Tensor, "B 1 R R"], part: tuple) -> Float[Tensor, "R R"]:
    """Mask of a patch: 0 near its cut edges, where superresolution lacks context, else 1; the
    image's own edges stay 1."""
    side = weight.shape[-1]
    clear = torch.zeros(side, side, device=weight.device)
    rows, columns = (
        slice(
            cut.start + EDGE_PIXELS * (cut.start > 0),
            cut.stop - EDGE_PIXELS * (cut.stop < side),
        )
        for cut in part[1:]
    )
    clear[rows, columns] = 1.0
    return clear


def along_points(
    rays: tuple[Tensor, Tensor], pixels: Int[Tensor, "B M"], depth: Float[Tensor, "B M"]
) -> Float[Tensor, "B M 3"]:
    """Points at these depths along the rays of these pixels."""
    origins, directions = (pick(r, pixels) for r in rays)
    return origins + depth[..., None] * directions
