"""Adam of one tensor takes the steps of torch's, and finds a minimum."""

from __future__ import annotations

import torch

from portraiture.invert.adam import Adam, minimise


def test_steps_are_those_of_torch() -> None:
    numbers = torch.Generator().manual_seed(0)
    ours, theirs = (torch.ones(5, 7, requires_grad=True) for _ in range(2))
    adam, reference = Adam(ours, eps=1e-3), torch.optim.Adam([theirs], betas=Adam.BETAS, eps=1e-3)
    for step in range(1, 9):
        gradient = torch.randn(5, 7, generator=numbers)
        adam.step(gradient, 0.1 * step)
        reference.param_groups[0]["lr"] = 0.1 * step
        theirs.grad = gradient
        reference.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_parabola_has_its_minimum() -> None:
    wanted = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    found = minimise(
        torch.zeros_like(wanted), lambda x: (x - wanted).square().sum(), steps=80, rate=0.2,
        warmup=2, stage="Minimise",
    )  # fmt: skip
    assert (found - wanted).abs().max() < 0.05
