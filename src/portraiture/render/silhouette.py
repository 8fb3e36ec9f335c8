"""Analytic coverage at silhouettes, which makes renders differentiable in their motion."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def blend_silhouettes(
    image: Float[Tensor, "B H W C"],
    triangle: Int[Tensor, "B H W"],
    depth: Float[Tensor, "B H W"],
    points: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
) -> Float[Tensor, "B H W C"]:
    """See `portraiture.render.rasterize.antialias`."""
    outline = silhouette_edges(points.detach(), faces)
    out = image
    for axis in (2, 1):
        out = out + _blend_along(axis, image, triangle, depth.detach(), points, faces, outline)
    return out


def silhouette_edges(
    points: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "B F 3"]:
    """Whether each edge (from corner k to the next) is a silhouette: it has no neighbour, or its
    neighbour faces the other way. Bool.

    Vertices at the same position are merged, so that UV seams are not silhouettes.
    """
    _, merged = np.unique(points[0].cpu().numpy(), axis=0, return_inverse=True)
    corner = torch.from_numpy(merged.reshape(-1)).to(faces.device)[faces]
    count = int(corner.max()) + 1 if corner.numel() else 0
    start, end = corner, corner.roll(-1, 1)
    key = (torch.minimum(start, end) * count + torch.maximum(start, end)).flatten()
    order = key.argsort(stable=True)
    same = key[order][1:] == key[order][:-1]
    neighbour = torch.full_like(key, -1)
    neighbour[order[1:][same]] = order[:-1][same]
    neighbour[order[:-1][same]] = order[1:][same]
    front = torch.linalg.det(points[:, faces]) < 0
    across = front[:, neighbour.clamp_min(0) // 3].unflatten(1, (-1, 3))
    alone = (neighbour < 0).unflatten(0, (-1, 3))
    return alone | (across != front[:, :, None])


def _blend_along(
    axis: int,
    image: Tensor,
    triangle: Tensor,
    depth: Tensor,
    points: Tensor,
    faces: Tensor,
    outline: Tensor,
) -> Tensor:
    """Blend between neighbouring pixels along `axis` (2: within rows, 1: within columns)."""
    length = triangle.shape[axis]
    first, second = (t.narrow(axis, 0, length - 1) for t in (triangle, depth))
    third, fourth = (t.narrow(axis, 1, length - 1) for t in (triangle, depth))
    where = torch.nonzero(first != third)
    if len(where) == 0:
        return torch.zeros_like(image)
    b, row, column = where.unbind(1)
    at = (b, row, column)
    step = torch.zeros_like(where)
    step[:, axis] = 1
    forward = (second[at] <= fourth[at]) & (first[at] >= 0)
    near = torch.where(forward[:, None], where, where + step)
    far = torch.where(forward[:, None], where + step, where)
    position, crossed = _crossing(axis, near, far, triangle, points, faces, outline)
    near, far, position = near[crossed], far[crossed], position[crossed]
    colour_near, colour_far = image[near.unbind(1)], image[far.unbind(1)]
    spill = (position - 0.5).clamp_min(0.0)[:, None] * (colour_near - colour_far)
    recede = (0.5 - position).clamp_min(0.0)[:, None] * (colour_far - colour_near)
    out = torch.zeros_like(image)
    out = out.index_put(far.unbind(1), spill, accumulate=True)
    return out.index_put(near.unbind(1), recede, accumulate=True)


def _crossing(
    axis: int,
    near: Tensor,
    far: Tensor,
    triangle: Tensor,
    points: Tensor,
    faces: Tensor,
    outline: Tensor,
) -> tuple[Tensor, Tensor]:
    """Position (N,), from the near pixel's centre (0) to the far one's (1), at which the near
    triangle's silhouette crosses, and whether it does (N,)."""
    b = near[:, 0]
    f = triangle[near.unbind(1)]
    corner = points[b[:, None], faces[f]]
    along, other = (0, 1) if axis == 2 else (1, 0)
    xy = corner[:, :, :2] / corner[:, :, 2:]
    start, end = xy, xy.roll(-1, 1)
    centre = near[:, [2, 1]].to(points.dtype) + 0.5
    direction = (far - near)[:, axis].to(points.dtype)
    s, e = start[:, :, other] - centre[:, None, other], end[:, :, other] - centre[:, None, other]
    run, rise = (end - start)[:, :, along], e - s
    steep = run.abs() <= rise.abs() if axis == 2 else run.abs() < rise.abs()
    share = -s / torch.where(rise == 0, 1.0, rise)
    position = (start[:, :, along] + share * run - centre[:, None, along]) * direction[:, None]
    usable = outline[b, f] & steep & ((s <= 0) != (e <= 0)) & (rise != 0)
    usable &= (position >= 0.0) & (position <= 1.0) & (corner[:, :, 2] > 0).all(1, keepdim=True)
    choice = usable.to(torch.uint8).argmax(1, keepdim=True)
    return position.gather(1, choice)[:, 0], usable.any(1)
