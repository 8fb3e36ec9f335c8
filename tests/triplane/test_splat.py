"""Values carried to planes, by hand."""

from __future__ import annotations

import torch

from portraiture.networks.plane_flow import move_planes
from portraiture.triplane.planes import project_on_planes
from portraiture.triplane.splat import splat_places, splat_to_planes

BOX = 2.0
"""Plane coordinates are the points'."""


def test_texels_get_the_mean_of_what_falls_on_them() -> None:
    """Two points on one texel of the (x, y) plane, one on another, one that was not met and one
    outside; texels are a quarter of the cube wide."""
    points = torch.tensor(
        [[[-0.9, -0.9, 0.1], [-0.6, -0.6, 0.6], [0.6, -0.9, -0.9], [0.1, 0.1, 0.1],
          [1.5, 0.0, 0.0]]]
    )  # fmt: skip
    values = torch.tensor([[[2.0], [4.0], [7.0], [100.0], [100.0]]])
    met = torch.tensor([[True, True, True, False, True]])
    found = splat_to_planes(values, points, met, size=4, box_warp=BOX, axes="fixed")
    assert found.shape == (1, 3, 2, 4, 4)
    front = found[0, 0]
    assert front[0, 0, 0] == 3.0
    assert front[0, 0, 3] == 7.0
    assert front[1].sum() == 2.0
    assert front[0].sum() == 10.0
    assert found[0, 1, 1].sum() == 3.0  # from elsewhere the first two lie apart


def test_what_was_carried_lies_where_it_was_painted() -> None:
    """Maps of the unmoved planes, moved like these, show each point's value at the point."""
    rng = torch.Generator().manual_seed(0)
    flow = 0.06 * torch.randn(1, 3, 2, 4, 4, generator=rng)
    flow = torch.nn.functional.interpolate(flow.flatten(0, 1), (16, 16), mode="bicubic")[None]
    steps = torch.linspace(-0.8, 0.8, 160)
    x, y = torch.meshgrid(steps, steps, indexing="xy")
    points = torch.stack([x, y, 0.3 * torch.ones_like(x)], -1).reshape(1, -1, 3)
    values = torch.sin(3.0 * points[..., :1]) + points[..., 1:2]
    met = torch.ones(1, points.shape[1], dtype=torch.bool)
    painted = splat_to_planes(values, points, met, size=32, box_warp=BOX, axes="fixed", flow=flow)
    moved = move_planes(painted, flow)[0, 0]
    plain = splat_to_planes(values, points, met, size=32, box_warp=BOX, axes="fixed")[0, 0]
    inner = slice(8, 24)
    assert (plain[1, inner, inner] == 1.0).all()
    assert (moved[0] - plain[0])[inner, inner].abs().mean() < 0.04
    still = painted[0, 0, 0] - plain[0]
    assert still[inner, inner].abs().mean() > 0.04


def test_places_are_where_moving_the_planes_takes_from() -> None:
    """Planes that hold their own coordinates, moved by a coarse and crooked flow, tell them."""
    rng = torch.Generator().manual_seed(1)
    flow = 0.15 * torch.randn(1, 3, 2, 8, 8, generator=rng)
    size = 64
    centres = (torch.arange(size) + 0.5) * (2.0 / size) - 1.0
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    planes = torch.stack([columns, rows])[None, None].expand(1, 3, 2, size, size)
    moved = move_planes(planes, flow)
    points = 1.2 * torch.rand(1, 500, 3, generator=rng) - 0.6
    found = splat_places(points, size=size, box_warp=BOX, axes="fixed", flow=flow)
    where = project_on_planes(points, box_warp=BOX, axes="fixed")
    told = torch.nn.functional.grid_sample(
        moved[0], where[0][:, None], mode="bilinear", align_corners=False
    )[:, :, 0].mT
    off = (told - found[0]).abs() * 0.5 * size
    assert off[found[0].abs() < 0.95].max() < 0.05
