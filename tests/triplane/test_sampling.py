"""Rays, samples and compositing against closed forms and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from portraiture.camera import orbit, to_eg3d
from portraiture.triplane.sampling import box_limits, importance, make_rays, march, stratified


def _camera() -> Tensor:
    camera = orbit(0.4, -0.2, target=np.zeros(3), distance=0.6, focal=3.0)
    return torch.from_numpy(to_eg3d(camera)).float()[None]


def test_rays_project_back_to_their_pixels() -> None:
    camera = _camera()
    origins, directions = make_rays(camera, 5)
    pose, intrinsics = camera[0, :16].view(4, 4), camera[0, 16:].view(3, 3)
    points = origins[0] + 1.7 * directions[0]
    local = (torch.linalg.inv(pose) @ torch.cat([points, torch.ones(25, 1)], 1).T)[:3]
    pixels = intrinsics @ (local / local[2:])
    row, column = torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij")
    assert torch.allclose(pixels[0], (column.reshape(-1) + 0.5) / 5, atol=1e-5)
    assert torch.allclose(pixels[1], (row.reshape(-1) + 0.5) / 5, atol=1e-5)
    assert torch.allclose(directions.norm(dim=-1), torch.ones(1, 25))


def test_stratified_depths_are_half_a_bin_in() -> None:
    depths = stratified(0.5, 2.0, 3.0, torch.zeros(1, 4, 3), 11)
    assert depths.shape == (1, 4, 11)
    assert torch.allclose(depths[0, 0], torch.linspace(2.05, 3.05, 11))


def test_stratified_depths_of_each_ray_are_half_a_bin_in() -> None:
    start, end = torch.tensor([[2.0, 1.0]]), torch.tensor([[3.0, 1.5]])
    depths = stratified(0.5, start, end, torch.zeros(1, 2, 3), 11)
    assert torch.allclose(depths[0, 0], torch.linspace(2.05, 3.05, 11))
    assert torch.allclose(depths[0, 1], torch.linspace(1.025, 1.525, 11))
    jitter = torch.rand(1, 2, 11)
    moved = stratified(jitter, start, end, torch.zeros(1, 2, 3), 11)
    spacing = torch.tensor([0.1, 0.05])[:, None]
    assert torch.allclose(moved - depths, (jitter - 0.5) * spacing, atol=1e-6)


def test_limits_by_the_box_against_dense_sampling() -> None:
    """Where each of 400 rays is inside the cube, walked in steps of 0.002; some miss it, some run
    along an axis, some begin inside."""
    generator, side, step = torch.Generator().manual_seed(3), 1.6, 0.002
    origins = torch.randn(1, 400, 3, generator=generator, dtype=torch.float64) * 1.2
    directions = torch.randn(1, 400, 3, generator=generator, dtype=torch.float64)
    directions[:, :40] = torch.eye(3).double().repeat(14, 1)[:40]
    directions = torch.nn.functional.normalize(directions, dim=-1)
    start, end = box_limits(origins, directions, side)
    walked = torch.arange(-6.0, 6.0, step, dtype=torch.float64)
    points = origins[0, :, None] + walked[:, None] * directions[0, :, None]
    inside = (points.abs() <= 0.5 * side).all(-1)
    met = inside.any(1)
    assert 40 < met.sum() < 360
    first = torch.tensor([walked[row].min() for row in inside[met]])
    last = torch.tensor([walked[row].max() for row in inside[met]])
    assert (start[0, met] - first).abs().max() <= step
    assert (end[0, met] - last).abs().max() <= step
    grazing = start[0, ~met] < end[0, ~met] - step
    assert torch.equal(start[0, ~met], start[0, met].min().expand(int((~met).sum())))
    assert torch.equal(end[0, ~met], start[0, met].max().expand(int((~met).sum())))
    assert grazing.all()


def test_limits_where_no_ray_meets_the_box_are_nothing() -> None:
    away = torch.tensor([[[2.0, 0.0, 2.7]]]), torch.tensor([[[0.0, 0.0, -1.0]]])
    assert [limit.item() for limit in box_limits(*away, 1.0)] == [0.0, 0.0]


def test_march_through_constant_matter() -> None:
    """Opacity is 1 - exp(-softplus(s - 1)·length), the colour is that of the matter."""
    depths = torch.linspace(1.0, 3.0, 9).expand(1, 2, 9)
    density = torch.tensor([0.3, 2.0])[None, :, None].expand(1, 2, 9)
    marched = march(torch.full((1, 2, 9, 3), 0.8), density, depths)
    absorbed = [math.log1p(math.exp(s - 1)) * 2.0 for s in (0.3, 2.0)]
    opacity = 1 - torch.exp(-torch.tensor(absorbed))
    assert torch.allclose(marched.weights.sum(-1)[0], opacity, atol=1e-6)
    assert torch.allclose(marched.color[0, :, 0], 0.8 * opacity * 2 - 1, atol=1e-6)
    white = march(torch.ones(1, 2, 9, 3), density, depths, white_background=True)
    assert torch.allclose(white.color, torch.ones(1, 2, 3), atol=1e-6)


def test_a_ray_that_meets_nothing_leaves_the_gradients_of_others_alone() -> None:
    """Its depth is the far end, and 0 / 0 does not come back as a gradient that is not finite."""
    densities = torch.tensor([[[-200.0] * 8, [-10.0] * 8, [3.0] * 8]], requires_grad=True)
    depths = torch.linspace(1.0, 2.0, 8).expand(1, 3, 8)
    found = march(torch.zeros(1, 3, 8, 3), densities, depths)
    assert found.depth[0, 0].item() == 2.0
    assert found.depth[0, 1].item() == pytest.approx(1.5, abs=0.02)
    found.depth.sum().backward()
    assert densities.grad is not None
    assert torch.isfinite(densities.grad).all()
    assert not densities.grad[0, :2].any()
    alone = densities.detach()[:, 2:].requires_grad_(True)
    march(torch.zeros(1, 1, 8, 3), alone, depths[:, :1]).depth.sum().backward()
    assert alone.grad is not None and alone.grad.any()
    assert torch.allclose(densities.grad[:, 2:], alone.grad)


def test_march_stops_at_a_wall() -> None:
    depths = torch.linspace(1.0, 2.0, 21)[None, None]
    density = torch.where(depths >= 1.5, 1e4, -1e4)
    marched = march(depths[..., None], density, depths)
    assert abs(float(marched.depth) - 1.5) < 0.05
    empty = march(depths[..., None], torch.full_like(depths, -1e4), depths)
    assert float(empty.depth) == 2.0 and float(empty.weights.sum()) == 0.0


@pytest.mark.parametrize("count", [5, 48])
def test_importance_inverts_the_smoothed_weights(count: int) -> None:
    """Against the cumulative distribution, walked sample by sample."""
    generator = torch.Generator().manual_seed(count)
    depths = torch.rand(1, 3, count, generator=generator).sort(-1).values
    weights = torch.rand(1, 3, count - 1, generator=generator) ** 8
    u = torch.rand(1, 3, 16, generator=generator)
    found = importance(depths, weights, u)
    for ray in range(3):
        w = weights[0, ray].double().tolist()
        peak = [max(w[max(j - 1, 0)], w[min(j, count - 2)]) for j in range(count)]
        smooth = [(peak[j] + peak[j + 1]) / 2 + 0.01 + 1e-5 for j in range(count - 1)][1:-1]
        t = depths[0, ray].double().tolist()
        middles = [(t[j] + t[j + 1]) / 2 for j in range(count - 1)]
        edges = np.concatenate([[0.0], np.cumsum(smooth) / np.sum(smooth)])
        expected = np.interp(u[0, ray].numpy(), edges, middles[: len(edges)])
        np.testing.assert_allclose(found[0, ray].numpy(), expected, atol=2e-5)
