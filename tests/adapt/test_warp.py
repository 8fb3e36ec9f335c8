"""The thin-plate spline and the warp of the front plane.

Properties: the spline interpolates its displacements and reproduces affine maps exactly, with no
bending energy; the energy is the integral of squared second derivatives, up to its constant; an
untrained warp and the amount 0 are the identity, the amount scales displacements, and only the
front plane moves, by what a known translation says.
"""

from __future__ import annotations

import torch

from portraiture.adapt.thin_plate import control_grid, spline_matrices
from portraiture.adapt.warp import FrontWarp, WarpConfig


def affine(points: torch.Tensor) -> torch.Tensor:
    return points @ torch.tensor([[0.2, -0.1], [0.05, 0.3]]).double() + torch.tensor([0.1, -0.2])


def test_affine_displacements_are_reproduced_without_bending() -> None:
    points = control_grid(4)
    places = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    spread, bending = spline_matrices(points, places)
    d = affine(points)
    assert torch.allclose(spread @ d, affine(places), atol=1e-9)
    assert abs(float((d.T @ bending @ d).trace())) < 1e-9


def test_the_spline_passes_through_its_displacements() -> None:
    points = control_grid(4)
    spread, _ = spline_matrices(points, points)
    assert torch.allclose(spread, torch.eye(16).double(), atol=1e-9)


def test_the_energy_is_the_integral_of_squared_second_derivatives() -> None:
    """∫ u_xx² + 2 u_xy² + u_yy² over the plane is 16π d·C·d: Δ² of r² log r is 8π δ, and U is twice
    that. Finite differences on a wide grid."""
    points = control_grid(3)
    d = torch.zeros(9, 1).double()
    d[4] = 0.1
    side, reach = 400, 6.0
    steps = torch.linspace(-reach, reach, side).double()
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    spread, bending = spline_matrices(points, torch.stack([x, y], -1).reshape(-1, 2))
    u = (spread @ d).view(side, side)
    h = float(steps[1] - steps[0])
    xx = (u[1:-1, 2:] - 2 * u[1:-1, 1:-1] + u[1:-1, :-2]) / h**2
    yy = (u[2:, 1:-1] - 2 * u[1:-1, 1:-1] + u[:-2, 1:-1]) / h**2
    xy = (u[2:, 2:] - u[2:, :-2] - u[:-2, 2:] + u[:-2, :-2]) / (4 * h**2)
    integral = float((xx**2 + yy**2 + 2 * xy**2).sum() * h**2)
    energy = float((d.T @ bending @ d).squeeze())
    assert abs(integral / (16 * torch.pi * energy) - 1.0) < 0.05
    values = torch.linalg.eigvalsh(bending)
    assert float(values.min()) > -1e-9


def warp(controls: int = 3) -> FrontWarp:
    torch.manual_seed(0)
    return FrontWarp(
        WarpConfig(controls=controls, pooled=2, hidden=8), features=4, w_dim=6, side=16
    ).requires_grad_(False)


def test_an_untrained_warp_is_the_identity() -> None:
    made, planes = warp(), torch.randn(2, 3, 4, 16, 16)
    assert torch.allclose(made(planes, torch.randn(2, 5, 6)), planes, atol=1e-5)


def test_only_the_front_plane_moves_and_the_amount_scales_it() -> None:
    made, planes = warp(), torch.randn(1, 3, 4, 16, 16)
    shift = torch.zeros(1, 9, 2)
    shift[..., 0] = 2.0 / 16.0  # one texel along the width
    moved = made.move(planes, shift)
    assert torch.equal(moved[:, 1:], planes[:, 1:])
    assert torch.allclose(moved[:, 0, :, :, :-1], planes[:, 0, :, :, 1:], atol=1e-4)
    twice = made.move(planes, shift, amount=2.0)
    assert torch.allclose(twice[:, 0, :, :, :-2], planes[:, 0, :, :, 2:], atol=1e-4)
    assert made(planes, torch.randn(1, 5, 6), amount=0.0) is planes


def test_displacements_depend_on_features_and_on_w_within_the_limit() -> None:
    made = warp()
    made.out.weight.normal_(std=5.0)
    planes, w = torch.randn(2, 3, 4, 16, 16), torch.randn(2, 6)
    d = made.controls(planes, w)
    assert d.shape == (2, 9, 2) and float(d.abs().max()) <= made.config.limit
    assert float((made.controls(planes, w.flip(0)) - d).abs().max()) > 1e-3
    assert float((made.controls(planes.flip(0), w) - d).abs().max()) > 1e-3
    assert float(made.energy(d).min()) > 0.0
