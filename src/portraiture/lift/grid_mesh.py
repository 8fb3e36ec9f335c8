"""Rasteriser of a grid of vertices, differentiable by interpolation only.

vertices ─screen─▶ xy, z ─nearest triangle of each pixel─▶ barycentrics ─colours─▶ image, depth
Every cell of the grid is two triangles; a pixel shows the nearest one. Gradients reach the colours
and, through the barycentrics, the vertices on the screen; depth and silhouettes have none. The
barycentrics are linear on the screen, as in the published program (Shi et al. 2021; PyTorch3D
0.2.5), in which a pixel exactly on the edge of two triangles may show neither; here it shows one.
Letters: B images, S side of grid and image.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from portraiture.lift.geometry import TAN_HALF_FOV

Backend = Literal["auto", "numba", "torch"]

BACKGROUND, BACKGROUND_DEPTH = 1.0, 1.2
TINY = 1e-8
"""Area on the screen and depth from which a triangle is drawn; also added to the area."""
EDGE = 1e-4
"""How far below 0 barycentrics may be in a pixel that is strictly inside no triangle, so that
rounding leaves no holes."""
_PAIRS = 1 << 22
"""Candidate (triangle, pixel) pairs per batch of the reference."""


class GridImage(NamedTuple):
    """image: white where there is nothing. depth: z, without gradient, `BACKGROUND_DEPTH` where
    there is nothing. triangle: -1 for none; two times (S - 1)² of them, by rows of cells, first
    those of the cells' upper left corners."""

    image: Float[Tensor, "B 3 S S"]
    depth: Float[Tensor, "B S S"]
    triangle: Int[Tensor, "B S S"]

    @property
    def mask(self) -> Float[Tensor, "B 1 S S"]:
        """1 where there is a surface."""
        return (self.depth < BACKGROUND_DEPTH).to(self.image)[:, None]


def render_grid(
    vertices: Float[Tensor, "B S S 3"],
    colors: Float[Tensor, "B 3 S S"],
    *,
    backend: Backend = "auto",
) -> GridImage:
    """Render coloured vertices. backend: "auto" is numba on a CPU and torch elsewhere. Raises
    ValueError on an unknown backend, or on numba for another device."""
    if backend not in ("auto", "numba", "torch"):
        raise ValueError(f"backend must be auto, numba or torch, not {backend!r}")
    on_cpu = vertices.device.type == "cpu"
    if backend == "numba" and not on_cpu:
        raise ValueError(f"numba renders on the CPU, not on {vertices.device}")
    z = vertices[..., 2]
    xy = vertices[..., :2] / (z[..., None] * TAN_HALF_FOV)
    values = colors.movedim(1, -1)
    if backend == "torch" or not on_cpu:
        triangle = nearest_triangles(xy.detach(), z.detach())
        image, depth = interpolated(xy, z.detach(), values, triangle)
        return GridImage(image.movedim(-1, 1), depth, triangle)
    image, depth, triangle = _Rasterize.apply(xy, z.detach(), values)  # pyright: ignore
    return GridImage(image.movedim(-1, 1), depth, triangle)


def grid_triangles(size: int, device: torch.device | None = None) -> Int[Tensor, "F 3"]:
    """Vertices, row by row, of all triangles."""
    index = torch.arange(size * size, device=device).view(size, size)
    a, b = index[:-1, :-1].flatten(), index[:-1, 1:].flatten()
    c, d = index[1:, :-1].flatten(), index[1:, 1:].flatten()
    return torch.cat([torch.stack([a, c, b], 1), torch.stack([b, c, d], 1)])


def pixel_centres(size: int, like: Tensor) -> Float[Tensor, "S"]:
    """Of columns and rows on the screen, which reaches from -1 to 1."""
    return (2.0 * torch.arange(size, dtype=like.dtype, device=like.device) + 1.0) / size - 1.0


def edge_function(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Twice the signed area of the triangle of three points (..., 2)."""
    ap, ab = p - a, b - a
    return ap[..., 0] * ab[..., 1] - ap[..., 1] * ab[..., 0]


def barycentrics(p: Float[Tensor, "N 2"], corners: Float[Tensor, "N 3 2"]) -> Float[Tensor, "N 3"]:
    """Linear on the screen; their sum is a little less than 1."""
    a, b, c = corners.unbind(1)
    area = edge_function(c, a, b) + TINY
    edges = [edge_function(p, b, c), edge_function(p, c, a), edge_function(p, a, b)]
    return torch.stack(edges, 1) / area[:, None]


@torch.no_grad()
def nearest_triangles(
    xy: Float[Tensor, "B S S 2"], z: Float[Tensor, "B S S"]
) -> Int[Tensor, "B S S"]:
    """The triangle of every pixel, -1 for none: all triangles against all pixels in their boxes."""
    return torch.stack([_nearest(a, b) for a, b in zip(xy, z, strict=True)])


def _nearest(xy: Float[Tensor, "S S 2"], z: Float[Tensor, "S S"]) -> Int[Tensor, "S S"]:
    size = xy.shape[0]
    faces = grid_triangles(size, xy.device)
    corners, heights = xy.view(-1, 2)[faces], z.flatten()[faces]
    area = edge_function(corners[:, 2], corners[:, 0], corners[:, 1])
    drawn = (area.abs() > TINY) & (heights >= TINY).all(1)
    pixels = (corners + 1.0) * (0.5 * size) - 0.5
    low = (pixels.amin(1) - EDGE).ceil().clamp(0, size).long()
    high = (pixels.amax(1) + EDGE).floor().clamp(-1, size - 1).long()
    span = (high - low + 1).clamp_min(0) * drawn[:, None]
    count = span.prod(1)
    best = z.new_full((2, size * size), torch.inf)
    found = torch.full((2, size * size), -1, dtype=torch.long, device=xy.device)
    centres = pixel_centres(size, xy)
    groups = torch.div(count.cumsum(0), _PAIRS, rounding_mode="floor")
    for chunk in torch.arange(len(faces), device=xy.device).split(groups.bincount().tolist()):
        owner = chunk.repeat_interleave(count[chunk])
        first = (count[chunk].cumsum(0) - count[chunk]).repeat_interleave(count[chunk])
        step = torch.arange(len(owner), device=xy.device) - first
        wide = span[owner, 0]
        column = low[owner, 0] + step % wide
        row = low[owner, 1] + torch.div(step, wide, rounding_mode="floor")
        weights = barycentrics(torch.stack([centres[column], centres[row]], 1), corners[owner])
        height = (weights * heights[owner]).sum(1)
        pixel, smallest = row * size + column, weights.amin(1)
        for k, limit in enumerate((0.0, -EDGE)):
            inside = (smallest > limit) & (height >= 0.0)
            _keep_nearest(best[k], found[k], pixel[inside], height[inside], owner[inside])
    return torch.where(found[0] < 0, found[1], found[0]).view(size, size)


def _keep_nearest(
    best: Tensor, found: Tensor, pixel: Tensor, height: Tensor, owner: Tensor
) -> None:
    """Update the nearest height and triangle of pixels; of equal ones the first triangle stays."""
    nearer = height < best[pixel]
    pixel, height, owner = pixel[nearer], height[nearer], owner[nearer]
    best.scatter_reduce_(0, pixel, height, "amin")
    first = torch.full_like(found, torch.iinfo(found.dtype).max)
    winning = height == best[pixel]
    first.scatter_reduce_(0, pixel[winning], owner[winning], "amin")
    found[pixel] = first[pixel]


def interpolated(
    xy: Float[Tensor, "B S S 2"],
    z: Float[Tensor, "B S S"],
    values: Float[Tensor, "B S S C"],
    triangle: Int[Tensor, "B S S"],
) -> tuple[Float[Tensor, "B S S C"], Float[Tensor, "B S S"]]:
    """Values and z at the pixels of known triangles, differentiable in xy and the values."""
    size = xy.shape[1]
    image, row, column = (triangle >= 0).nonzero(as_tuple=True)
    centres = pixel_centres(size, xy)
    corner = grid_triangles(size, xy.device)[triangle[image, row, column]]
    at = (image[:, None], corner)
    weights = barycentrics(torch.stack([centres[column], centres[row]], 1), xy.flatten(1, 2)[at])
    out = values.new_full((*triangle.shape, values.shape[-1]), BACKGROUND)
    depth = z.new_full(triangle.shape, BACKGROUND_DEPTH)
    depth[image, row, column] = (weights * z.flatten(1)[at]).sum(1).detach()
    shown = (weights[..., None] * values.flatten(1, 2)[at]).sum(1)
    return out.index_put((image, row, column), shown), depth


class _Rasterize(torch.autograd.Function):
    """The numba backend."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, z: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        from portraiture.lift.grid_mesh_numba import rasterize

        a, b, c = (x.detach().contiguous().numpy() for x in (xy, z, values))
        image, depth, triangle = rasterize(a, b, c, BACKGROUND, BACKGROUND_DEPTH, TINY, EDGE)
        shown, found = torch.from_numpy(depth), torch.from_numpy(triangle)
        ctx.save_for_backward(xy, values, found)
        ctx.mark_non_differentiable(shown, found)
        return torch.from_numpy(image), shown, found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor]:
        from portraiture.lift.grid_mesh_numba import scatter_gradients

        xy, values, triangle = ctx.saved_tensors
        a, b, c = (x.detach().contiguous().numpy() for x in (xy, values, gradients[0]))
        on_xy, on_values = scatter_gradients(a, b, triangle.numpy(), c, TINY)
        return torch.from_numpy(on_xy), None, torch.from_numpy(on_values)
