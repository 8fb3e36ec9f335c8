"""Values spread over planes: the adjoint of sampling, and planes that give the values back."""

from __future__ import annotations

import pytest
import torch

from portraiture.triplane.backproject import _corners, _splat, backproject
from portraiture.triplane.planes import sample_places

SIZE = 8


def _places(count: int, seed: int = 0, reach: float = 0.95) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(2, 3, count, 2, generator=rng, dtype=torch.float64) * 2.0 - 1.0) * reach


def test_splats_are_the_adjoint_of_samples() -> None:
    """Also at places outside: with autograd's gradient of the sampler as the truth."""
    places = _places(40, reach=1.2)
    values = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    planes = torch.zeros(2, 3, 5, SIZE, SIZE, dtype=torch.float64, requires_grad=True)
    (sample_places(planes, places) * values).sum().backward()
    texels, weights = _corners(places, SIZE)
    assert planes.grad is not None
    torch.testing.assert_close(_splat(values, texels, weights, SIZE), planes.grad)


def test_a_lone_point_gets_its_value() -> None:
    places = _places(1, reach=0.5)
    values = torch.tensor([[[2.0, -1.0]], [[0.5, 4.0]]], dtype=torch.float64)
    shares = torch.full((2, 3, 1), 1.0 / 3.0, dtype=torch.float64)
    found = backproject(values, places, shares, size=SIZE, rounds=40)
    torch.testing.assert_close(sample_places(found, places), values, atol=1e-3, rtol=0)


@pytest.mark.parametrize("rounds", [1, 4, 16])
def test_more_rounds_come_nearer(rounds: int) -> None:
    """Values that some planes have."""
    rng = torch.Generator().manual_seed(2)
    truth = torch.randn(2, 3, 4, SIZE, SIZE, generator=rng, dtype=torch.float64)
    places = _places(60, seed=3)
    values = sample_places(truth, places)
    shares = torch.full((2, 3, 60), 1.0 / 3.0, dtype=torch.float64)
    found = backproject(values, places, shares, size=SIZE, rounds=rounds)
    lacking = float(
        (sample_places(found, places) - values).square().mean() / values.square().mean()
    )
    assert lacking < {1: 0.6, 4: 0.2, 16: 0.05}[rounds]


def test_shares_say_which_plane_changes() -> None:
    places = _places(30, seed=4)
    values = torch.ones(2, 30, 1, dtype=torch.float64)
    shares = torch.zeros(2, 3, 30, dtype=torch.float64)
    shares[:, 1] = 1.0
    found = backproject(values, places, shares, size=SIZE, rounds=6)
    assert not found[:, 0].any() and not found[:, 2].any()
    assert float((sample_places(found, places) - 1.0).abs().mean()) < 0.15
