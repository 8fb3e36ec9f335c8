"""CosFace against its formula and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portraiture.perception_training.cosface import CosFace, cosface_logits, pair_loss


def _unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=1, keepdim=True)


def test_logits_take_the_margin_from_the_right_person_only() -> None:
    cosines = torch.tensor([[0.5, -0.2, 0.1], [0.0, 0.9, -1.0]])
    logits = cosface_logits(cosines, torch.tensor([2, 1]), scale=10.0, margin=0.3)
    expected = [[5.0, -2.0, -2.0], [0.0, 6.0, -10.0]]
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.35])
def test_loss_is_equation_4(margin: float) -> None:
    generator = torch.Generator().manual_seed(0)
    loss = CosFace(5, 7, scale=12.0, margin=margin)
    x = _unit(torch.randn(4, 7, generator=generator))
    people = torch.tensor([0, 4, 2, 2])
    W = loss.directions.detach().double().numpy()
    W = W / np.linalg.norm(W, axis=1, keepdims=True)
    cosines = x.double().numpy() @ W.T
    terms = []
    for row, y in zip(cosines, people.tolist(), strict=True):
        right = np.exp(12.0 * (row[y] - margin))
        others = sum(np.exp(12.0 * row[k]) for k in range(5) if k != y)
        terms.append(-np.log(right / (right + others)))
    assert float(loss(x, people).detach()) == pytest.approx(np.mean(terms), abs=1e-5)


def test_gradient_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    loss = CosFace(4, 5, scale=4.0, margin=0.2).double()
    x = _unit(torch.randn(3, 5, generator=generator, dtype=torch.float64)).requires_grad_()
    people = torch.tensor([3, 0, 1])
    assert torch.autograd.gradcheck(lambda e: loss(e, people), (x,))


def test_a_margin_makes_the_loss_larger() -> None:
    x, people = torch.eye(3), torch.arange(3)
    loss = CosFace(3, 3, scale=8.0, margin=0.0)
    with torch.no_grad():
        loss.directions.copy_(torch.eye(3))
        easy = float(loss(x, people))
        loss.margin = 0.5
        assert float(loss(x, people)) > easy


def test_pair_loss_is_the_same_formula_both_ways() -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = (_unit(torch.randn(4, 6, generator=generator)) for _ in range(2))
    cosines = (a @ b.T).double().numpy() - 0.2 * np.eye(4)
    terms = []
    for table in (cosines, cosines.T):
        shares = np.exp(9.0 * table) / np.exp(9.0 * table).sum(1, keepdims=True)
        terms.append(-np.log(np.diag(shares)).mean())
    found = float(pair_loss(a, b, scale=9.0, margin=0.2))
    assert found == pytest.approx(np.mean(terms), abs=1e-5)
