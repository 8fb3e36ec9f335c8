"""The grid's rasteriser against a loop over triangles and finite differences, in both backends."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from portraiture.lift.geometry import TAN_HALF_FOV, vertices_of
from portraiture.lift.grid_mesh import (
    BACKGROUND_DEPTH,
    Backend,
    grid_triangles,
    pixel_centres,
    render_grid,
)

BACKENDS: tuple[Backend, ...] = ("numba", "torch")


def crumpled(size: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Vertices of a rough surface that hides parts of itself, and colours, float64."""
    rng = torch.Generator().manual_seed(seed)
    depth = 1.0 + 0.1 * torch.rand(2, size, size, generator=rng, dtype=torch.float64)
    vertices = vertices_of(depth)
    vertices[..., :2] += 0.02 * torch.randn(2, size, size, 2, generator=rng, dtype=torch.float64)
    return vertices, torch.rand(2, 3, size, size, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [5, 8])
def test_every_pixel_shows_its_nearest_triangle(backend: Backend, size: int) -> None:
    vertices, colors = crumpled(size)
    found = render_grid(vertices, colors, backend=backend)
    faces, centres = grid_triangles(size), pixel_centres(size, vertices)
    for b in range(2):
        points = vertices[b].view(-1, 3)
        screen = points[:, :2] / (points[:, 2:] * TAN_HALF_FOV)
        values = colors[b].view(3, -1).T
        for row in range(size):
            for column in range(size):
                p = torch.stack([centres[column], centres[row]])
                nearest, color = BACKGROUND_DEPTH, torch.ones(3, dtype=torch.float64)
                for face in faces:
                    system = torch.cat([screen[face].T, torch.ones(1, 3, dtype=torch.float64)])
                    if abs(float(torch.linalg.det(system))) < 1e-8:
                        continue
                    one = torch.ones(1, dtype=torch.float64)
                    weights = torch.linalg.solve(system, torch.cat([p, one]))
                    z = float(weights @ points[face, 2])
                    if (weights > 0).all() and z < nearest:
                        nearest, color = z, weights @ values[face]
                assert abs(float(found.depth[b, row, column]) - nearest) < 1e-4
                assert float((found.image[b, :, row, column] - color).abs().max()) < 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_finite_differences_where_triangles_stay(backend: Backend) -> None:
    vertices, colors = crumpled(8, seed=1)
    rng = torch.Generator().manual_seed(2)
    weight = torch.randn(2, 3, 8, 8, generator=rng, dtype=torch.float64)
    vertices.requires_grad_()
    colors.requires_grad_()
    found = render_grid(vertices, colors, backend=backend)
    assert not found.depth.requires_grad
    (found.image * weight).sum().backward()
    for leaf, step in ((vertices, 1e-7), (colors, 1e-5)):
        assert leaf.grad is not None
        way = torch.randn(leaf.shape, generator=rng, dtype=torch.float64)
        with torch.no_grad():
            sides = []
            for sign in (1.0, -1.0):
                moved = leaf + sign * step * way
                pair = (moved, colors) if leaf is vertices else (vertices, moved)
                sides.append(render_grid(*pair, backend=backend))
        for side in sides:
            assert torch.equal(side.triangle, found.triangle)
        difference = ((sides[0].image - sides[1].image) * weight).sum() / (2.0 * step)
        slope = (leaf.grad * way).sum()
        assert abs(float(difference - slope)) < 1e-4 * max(1.0, abs(float(slope)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [9, 64])
def test_a_plane_has_no_holes(backend: Backend, size: int) -> None:
    """The pixels of its diagonals lie exactly on edges."""
    plane = vertices_of(torch.ones(1, size, size))
    found = render_grid(plane, torch.zeros(1, 3, size, size), backend=backend)
    assert float(found.mask.min()) == 1.0
    assert float((found.depth - 1.0).abs().max()) < 1e-3


def test_backends_agree_and_are_the_same_bits_again() -> None:
    vertices, colors = (x.float() for x in crumpled(33))
    a, b, c = (render_grid(vertices, colors, backend=k) for k in ("numba", "torch", "numba"))
    assert (a.triangle != b.triangle).float().mean() < 0.01
    same = (a.triangle == b.triangle)[:, None].expand_as(a.image)
    assert float((a.image - b.image)[same].abs().max()) < 1e-4
    assert torch.equal(a.image, c.image)


def test_an_unknown_backend_is_refused() -> None:
    vertices, colors = crumpled(5)
    with pytest.raises(ValueError, match="backend"):
        render_grid(vertices, colors, backend="metal")  # pyright: ignore[reportArgumentType]
