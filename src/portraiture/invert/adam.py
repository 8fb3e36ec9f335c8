"""A few steps of Adam on a change of planes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.pti import Advance
from portraiture.train.lr_schedule import annealed


def descend(
    start: Float[Tensor, "1 3 C P P"],
    loss_of: Callable[[Tensor], Tensor],
    *,
    steps: int,
    rate: float,
    warmup: int,
    stage: str,
    advance: Advance | None = None,
) -> Float[Tensor, "1 3 C P P"]:
    """What a change of planes becomes on its way down a loss. rate: of Adam, in units of the
    planes' features; it rises over warmup steps and falls along a half cosine. advance: told of the
    stage after each step."""
    change = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([change], rate, betas=(0.8, 0.95))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * annealed(step, steps, warmup=warmup)
        with torch.enable_grad():
            loss = loss_of(change)
            (change.grad,) = torch.autograd.grad(loss, [change])
        optimizer.step()
        if advance is not None:
            advance(stage, step + 1, steps, float(loss.detach()))
    return change.detach()
