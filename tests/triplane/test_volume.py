"""The torch reference against a plain loop, its gradients, and its fused twins against it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import portraiture.triplane.volume as volume
from portraiture.networks.eg3d import Decoder
from portraiture.triplane.density_grid import density_grid, grid_coordinates
from portraiture.triplane.planes import PlaneAxes, sample_planes
from portraiture.triplane.rendering import RenderingConfig
from portraiture.triplane.tables import VolumeBackend, make_tables
from portraiture.triplane.volume import render_rays, render_volume

SMALL = RenderingConfig(depth_resolution=9, importance_resolution=7)


def camera(x: float = 0.0) -> Tensor:
    """2.7 before the origin, moved sideways and turned."""
    turn = torch.tensor(
        [[math.cos(x), 0, -math.sin(x)], [0, -1, 0], [-math.sin(x), 0, -math.cos(x)]]
    )
    pose = torch.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, -2.7 * turn[:, 2]
    intrinsics = torch.tensor([[2.5, 0, 0.5], [0, 2.5, 0.5], [0, 0, 1]])
    return torch.cat([pose.reshape(-1), intrinsics.reshape(-1)])[None]


def bilinear(plane: Tensor, x: float, y: float) -> Tensor:
    """Texel centres at (i + 0.5)·2/size - 1, zero outside."""
    c, h, w = plane.shape
    px, py = (x + 1) * w / 2 - 0.5, (y + 1) * h / 2 - 0.5
    out = plane.new_zeros(c)
    for i in (math.floor(py), math.floor(py) + 1):
        for j in (math.floor(px), math.floor(px) + 1):
            if 0 <= i < h and 0 <= j < w:
                out = out + plane[:, i, j] * (1 - abs(px - j)) * (1 - abs(py - i))
    return out


@pytest.mark.parametrize("axes", ["original", "fixed"])
def test_planes_against_a_loop(axes: PlaneAxes) -> None:
    torch.manual_seed(0)
    planes = torch.randn(1, 3, 4, 6, 5, dtype=torch.float64)
    points = torch.rand(1, 20, 3, dtype=torch.float64) * 2.4 - 1.2
    found = sample_planes(planes, points, box_warp=2.0, axes=axes)
    which = {"original": "xy xz zx", "fixed": "xy xz zy"}[axes].split()
    for m in range(20):
        at = dict(zip("xyz", points[0, m].tolist(), strict=True))
        parts = [bilinear(planes[0, k], at[p[0]], at[p[1]]) for k, p in enumerate(which)]
        assert torch.allclose(found[0, m], sum(parts) / 3)  # type: ignore[arg-type]


def test_reference_against_a_loop() -> None:
    """One ray, sample by sample, with the fine depths taken from the coarse weights."""
    torch.manual_seed(1)
    planes, decode = torch.randn(1, 3, 8, 12, 12).double() * 3, Decoder(8, 16, 5).double()
    config = RenderingConfig(depth_resolution=9, importance_resolution=0)
    origin, direction = torch.tensor([0.1, 0.05, 2.7]), torch.tensor([-0.04, 0.0, -1.0])
    origins, directions = (x.double()[None, None] for x in (origin, direction))
    with torch.no_grad():
        marched = render_rays(planes, decode, origins, directions, config, deterministic=True)
        step = (3.3 - 2.25) / 8
        depths = [2.25 + (k + 0.5) * step for k in range(9)]
        points = torch.stack([origin + t * direction for t in depths]).double()
        colors, densities = decode(sample_planes(planes, points[None], box_warp=1.0))
    light, color, mean = 1.0, torch.zeros(5).double(), 0.0
    for k in range(8):
        density = float(densities[0, k] + densities[0, k + 1]) / 2 - 1
        absorbed = 1 - math.exp(-math.log1p(math.exp(density)) * step)
        color += light * absorbed * (colors[0, k] + colors[0, k + 1]) / 2
        mean += light * absorbed * (depths[k] + depths[k + 1]) / 2
        light *= 1 - absorbed
    assert torch.allclose(marched.color[0, 0], color * 2 - 1, atol=1e-9)
    assert abs(float(marched.depth) - mean / (1 - light)) < 1e-6


def test_rays_are_sampled_where_they_cross_the_box() -> None:
    """Straight on the crossing is 2.7 ∓ 0.8; a ray that misses the box ends at a start."""
    seen: list[Tensor] = []

    def decode(features: Tensor) -> tuple[Tensor, Tensor]:
        return features[..., :1], features[..., 0]

    def query(planes: Tensor, points: Tensor, **_: object) -> Tensor:
        seen.append(points)
        return torch.zeros(*points.shape[:2], 1)

    config = RenderingConfig(
        depth_resolution=5, importance_resolution=0, ray_limits="box", box_warp=1.6
    )
    origins = torch.tensor([[[0.0, 0.0, 2.7], [0.0, 0.0, 2.7], [0.7, 0.0, 2.7]]])
    directions = torch.tensor([[[0.0, 0.0, -1.0], [0.8, 0.0, -0.6], [0.0, 0.0, -1.0]]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "sample_planes", query)
        found = render_rays(torch.zeros(1, 3, 1, 2, 2), decode, origins, directions, config,
                            deterministic=True)  # fmt: skip
    depths = (seen[0].view(3, 5, 3) - origins[0, :, None]).norm(dim=-1)
    across = 1.9 + (torch.arange(5.0) + 0.5) / 4 * 1.6
    assert torch.allclose(depths[0], across, atol=1e-5)
    assert torch.allclose(depths[2], across, atol=1e-5)
    assert torch.allclose(depths[1], torch.full((5,), 1.9), atol=1e-5)
    assert found.depth.max() <= across[-1] + 1e-5


@pytest.mark.parametrize("limits", ["fixed", "box"])
def test_chunks_change_nothing(limits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    planes, decode = torch.randn(2, 3, 8, 10, 10, requires_grad=True), Decoder(8, 16, 5)
    eyes = torch.cat([camera(), camera(0.3)])
    config = replace(SMALL, ray_limits=limits, box_warp=0.7)
    results = []
    for chunk in (1 << 20, 200):
        monkeypatch.setattr(volume, "CHUNK", chunk)
        seen = render_volume(planes, decode, eyes, config, resolution=5, deterministic=True)
        gradient = torch.autograd.grad(seen.features.square().sum() + seen.depth.sum(), planes)
        results.append((seen.features, seen.depth, *gradient))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_gradients_by_finite_differences() -> None:
    torch.manual_seed(3)
    planes, decode = torch.randn(1, 3, 4, 6, 6).double().requires_grad_(), Decoder(4, 8, 3).double()
    config = RenderingConfig(depth_resolution=6, importance_resolution=0, white_background=True)

    def loss(x: Tensor) -> Tensor:
        seen = render_volume(x, decode, camera().double(), config, resolution=2, deterministic=True)
        return seen.features.square().sum() + seen.opacity.sum()

    (gradient,) = torch.autograd.grad(loss(planes), planes)
    direction = torch.randn_like(planes)
    with torch.no_grad():
        ahead, behind = loss(planes + 1e-5 * direction), loss(planes - 1e-5 * direction)
    assert abs(float((gradient * direction).sum() - (ahead - behind) / 2e-5)) < 1e-5


CASES = {
    "plain": (RenderingConfig(), 32, (32, 64, 32), 1.0),
    "fixed axes, white": (
        RenderingConfig(plane_axes="fixed", white_background=True), 33, (32, 64, 32), 3.0,
    ),
    "odd widths": (
        RenderingConfig(depth_resolution=11, importance_resolution=5), 17, (7, 24, 5), 4.0,
    ),
    "opaque": (RenderingConfig(), 16, (32, 64, 32), 20.0),
    "by the box": (
        RenderingConfig(ray_limits="box", box_warp=0.7, white_background=True, depth_resolution=12),
        32, (32, 64, 32), 3.0,
    ),
    "coarse alone": (RenderingConfig(importance_resolution=0, box_warp=0.7), 20, (8, 64, 33), 2.0),
}  # fmt: skip


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_numba_against_torch(case: str, deterministic: bool) -> None:
    """Features within 1e-3, depth within 1e-4 where planes are as smooth as trained ones."""
    config, side, sizes, gain = CASES[case]
    torch.manual_seed(4)
    coarse = torch.randn(6, sizes[0], 8, 8) * gain
    planes = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    planes, decode = planes.view(2, 3, sizes[0], side, side), Decoder(*sizes)
    eyes = torch.cat([camera(), camera(0.5)])
    with torch.no_grad():
        one, other = (
            render_volume(
                planes, decode, eyes, config, resolution=13, backend=backend,
                deterministic=deterministic, generator=torch.Generator().manual_seed(5),
            )
            for backend in ("torch", "numba")
        )  # fmt: skip
    assert one.features.shape == other.features.shape
    assert (one.features - other.features).abs().max() < 1e-3
    assert (one.opacity - other.opacity).abs().max() < 1e-3
    assert (one.depth - other.depth).abs().max() < (1e-4 if gain < 10 else 2e-3)


@pytest.mark.parametrize("axes", ["original", "fixed"])
@pytest.mark.parametrize("shape", [(9, 9), (6, 11)])
def test_tables_are_the_first_layer(axes: PlaneAxes, shape: tuple[int, int]) -> None:
    torch.manual_seed(6)
    planes, first = torch.randn(3, 5, *shape), torch.randn(5, 32)
    tables = make_tables(planes, first, axes=axes, dtype=torch.float32)
    assert len(tables.texels) == (2 if axes == "original" and shape[0] == shape[1] else 3)
    points = torch.rand(1, 40, 3) * 1.2 - 0.6
    expected = sample_planes(planes[None], points, box_warp=1.0, axes=axes) @ first
    found = torch.zeros(40, 32)
    for table, pair in zip(tables.texels, tables.axes, strict=True):
        inner = table[1:-1, 1:-1].permute(2, 0, 1)[None]
        where = (points[0] * 2)[:, list(pair)][None, None]
        found += torch.nn.functional.grid_sample(inner, where, align_corners=False)[0, :, 0].T
        assert not table[0].any() and not table[:, -1].any()
    assert torch.allclose(found, expected[0], atol=1e-5)


@pytest.mark.parametrize("axes", ["original", "fixed"])
def test_density_grid(axes: PlaneAxes) -> None:
    torch.manual_seed(7)
    planes, decode = torch.randn(3, 8, 12, 12), Decoder(8, 64, 5)
    grids = [
        density_grid(planes, decode, resolution=11, side=1.1, axes=axes, backend=backend)
        for backend in ("torch", "numba")
    ]
    assert (grids[0] - grids[1]).abs().max() < 2e-3
    steps = grid_coordinates(11, 1.1)
    point = torch.stack([steps[2], steps[7], steps[9]])[None, None]
    density = decode(sample_planes(planes[None], point, box_warp=1.0, axes=axes))[1]
    assert abs(grids[0][2, 7, 9] - density.item()) < 1e-5
    with pytest.raises(ValueError):
        density_grid(planes, decode, resolution=1)


def _render(backend: VolumeBackend, planes: Tensor, decode: volume.Decode) -> volume.Volume:
    return render_volume(planes, decode, camera(), SMALL, resolution=3, backend=backend)


def test_backends_by_name() -> None:
    planes, decode = torch.randn(1, 3, 8, 10, 10), Decoder(8, 16, 5)
    with pytest.raises(RuntimeError, match="gradients"):
        _render("numba", planes, decode)
    assert _render("auto", planes, decode).features.requires_grad
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="weights"):
            _render("numba", planes, decode.forward)
        with pytest.raises(RuntimeError, match="double"):
            _render("numba", planes.double(), decode)
        assert _render("auto", planes, decode.forward).features.shape == (1, 5, 3, 3)


def test_in_inference_mode() -> None:
    with torch.inference_mode():
        planes, decode = torch.randn(1, 3, 8, 40, 40), Decoder(8, 16, 5)
        assert _render("numba", planes, decode).features.shape == (1, 5, 3, 3)
        assert density_grid(planes[0], decode, resolution=5, backend="numba").shape == (5, 5, 5)
