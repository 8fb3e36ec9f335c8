"""Samples of planes with the channels last, against torch's: values and gradients, odd sizes,
points outside, one plane and three, with numba's kernels and without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from portraiture.networks.plane_flow import move_gathered, move_planes, moved_places
from portraiture.triplane.gather import gather_planes
from portraiture.triplane.planes import sample_planes


def planes_of(channels: int, height: int, width: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, channels, height, width, generator=rng).requires_grad_(True)


def close(found: Tensor, wanted: Tensor, planes: Tensor) -> None:
    """Both have the same values, and the same gradients of a weighted sum."""
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 2e-6
    weight = torch.arange(wanted.numel()).sin().view(wanted.shape)
    a, b = (torch.autograd.grad((x * weight).sum(), [planes])[0] for x in (found, wanted))
    assert (a - b).abs().max() < 2e-5 * b.abs().max()


@pytest.mark.parametrize("channels", [32, 64, 5])
def test_samples_are_those_of_sample_planes(channels: int) -> None:
    planes = planes_of(channels, 13, 20)
    points = 1.2 * torch.rand(1, 501, 3, generator=torch.Generator().manual_seed(1)) - 0.6
    points[0, 0] = 9.0
    space = {"box_warp": 0.9, "axes": "fixed"}
    close(gather_planes(planes, points, **space), sample_planes(planes, points, **space), planes)  # type: ignore


@pytest.mark.parametrize("channels", [32, 5])
def test_moved_planes_are_those_of_move_planes(channels: int) -> None:
    planes = planes_of(channels, 16, 16)
    flow = 0.3 * torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    close(move_gathered(planes, moved_places(flow, 16)), move_planes(planes, flow), planes)
