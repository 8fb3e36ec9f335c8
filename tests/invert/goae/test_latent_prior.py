"""The prior on w against what normal numbers are known to be."""

from __future__ import annotations

import torch

from portraiture.invert.goae.latent_prior import LatentPrior


def _prior() -> tuple[LatentPrior, torch.Tensor]:
    """Of w with a mean, whose numbers are mixed and vary by 3, 1, 0.1 and not at all."""
    torch.manual_seed(0)
    mixing, _ = torch.linalg.qr(torch.randn(4, 4))
    deviations = torch.tensor([3.0, 1.0, 0.1, 0.0])
    w = 5.0 + (torch.randn(4_000, 4) * deviations) @ mixing.T
    prior = LatentPrior(4)
    prior.measure(w)
    return prior, mixing


def test_people_are_at_distance_1_whatever_they_vary_in() -> None:
    prior, mixing = _prior()
    along = 5.0 + (torch.diag(torch.tensor([3.0, 1.0, 0.1])) @ mixing.T[:3])
    assert torch.allclose(4.0 * prior.distance(along), torch.ones(3), atol=0.1)
    assert torch.allclose(prior.distance(torch.full((4,), 5.0)), torch.zeros(()), atol=1e-2)


def test_where_nobody_differs_a_little_is_far() -> None:
    prior, mixing = _prior()
    off = 5.0 + 0.2 * mixing.T[3]
    assert prior.distance(off) > 10.0


def test_only_what_is_farther_out_than_people_costs() -> None:
    prior, mixing = _prior()
    near = (5.0 + 1.5 * mixing.T[0])[None, None].requires_grad_(True)
    assert float(prior(near).detach()) == 0.0
    far = (5.0 + 12.0 * mixing.T[0])[None, None].requires_grad_(True)
    (slope,) = torch.autograd.grad(prior(far), far)
    assert float(slope[0, 0] @ mixing.T[0]) > 0.0
    assert float(prior(far).detach()) == float(prior.distance(far).detach().mean()) - 1.0
