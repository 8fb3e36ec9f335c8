"""Splat image values to the planes at the pixels' surface points.

depth ─unproject─▶ a point per pixel ─project on each plane, before its flow─▶ texel
Each texel gets the mean of its pixels' values, and a flag whether it has any. Letters: B heads, M
points, C values of a pixel, S side of the flow, P side of a map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from portraiture.triplane.planes import PlaneAxes, project_on_planes


def splat_to_planes(
    values: Float[Tensor, "B M C"],
    points: Float[Tensor, "B M 3"],
    met: Bool[Tensor, "B M"],
    *,
    size: int,
    box_warp: float,
    axes: PlaneAxes,
    flow: Float[Tensor, "B 3 2 S S"] | None = None,
    plane_size: int | None = None,
) -> Float[Tensor, "B 3 C+1 P P"]:
    """Mean of the values splatted to each texel, 0 where there are none; the last channel is 1
    where there are some.

    size: P. flow: of a generator that warps its planes; the maps are then those of the planes
    before the flow (`plane_flow.move_planes`). plane_size: texels per side of these planes, by
    default `size`.
    """
    where = splat_places(points, size=plane_size or size, box_warp=box_warp, axes=axes, flow=flow)
    where = where.flatten(0, 1)
    texels = ((where + 1.0) * 0.5 * size).floor().long()
    inside = ((texels >= 0) & (texels < size)).all(-1) & met.repeat_interleave(3, 0)
    index = (texels[..., 1] * size + texels[..., 0]).clamp(0, size * size - 1)
    weight = inside.to(values.dtype)[..., None]
    both = torch.cat([values.repeat_interleave(3, 0) * weight, weight], 2)
    sums = torch.zeros(len(both), size * size, both.shape[2], dtype=values.dtype).to(values.device)
    sums.scatter_add_(1, index[..., None].expand_as(both), both)
    count = sums[..., -1:]
    means = torch.cat([sums[..., :-1] / count.clamp_min(1.0), (count > 0).to(values.dtype)], 2)
    return means.mT.unflatten(2, (size, size)).unflatten(0, (-1, 3))


def splat_places(
    points: Float[Tensor, "B M 3"],
    *,
    size: int,
    box_warp: float,
    axes: PlaneAxes,
    flow: Float[Tensor, "B 3 2 S S"] | None = None,
) -> Float[Tensor, "B 3 M 2"]:
    """Plane coordinates of points, in [-1, 1]; with a flow, on the planes before it. size: of the
    planes, to which the flow is interpolated (`plane_flow.move_planes`)."""
    where = project_on_planes(points, box_warp=box_warp, axes=axes)
    if flow is None:
        return where
    fine = F.interpolate(flow.flatten(0, 1).float(), (size, size), mode="bicubic")
    moved = F.grid_sample(
        fine, where.flatten(0, 1)[:, None], mode="bilinear", padding_mode="border",
        align_corners=False,
    )  # fmt: skip
    return where + moved[:, :, 0].mT.unflatten(0, where.shape[:2])
