"""Adam minimisation of a loss over a residual of the planes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.progress import SILENT, Progress
from portraiture.train.lr_schedule import annealed


def minimise(
    start: Float[Tensor, "1 3 C P P"],
    loss_of: Callable[[Tensor], Tensor],
    *,
    steps: int,
    rate: float,
    warmup: int,
    stage: str,
    floor: float = 0.0,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """Minimise a loss over a residual of the planes by Adam.

    rate: learning rate in units of the planes' features, with linear warm-up over `warmup` steps
    and cosine decay. floor: added to the root mean square of a number's gradients in time, in root
    mean squares over all numbers, so that weak gradients make small steps. stage: its name in
    `progress`. If cancelled, it returns the current residual.
    """
    change = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([change], rate, betas=(0.8, 0.95), eps=floor or 1e-8)
    progress.stage(stage, steps)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * annealed(step, steps, warmup=warmup)
        with torch.enable_grad():
            loss = loss_of(change)
            (gradient,) = torch.autograd.grad(loss, [change])
        if floor:
            gradient = gradient / gradient.square().mean().sqrt().clamp_min(1e-12)
        change.grad = gradient
        optimizer.step()
        progress.step(loss=float(loss.detach()))
        if progress.cancelled:
            break
    return change.detach()
