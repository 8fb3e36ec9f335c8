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
    adam = Adam(change, eps=floor or 1e-8)
    progress.stage(stage, steps)
    for step in range(steps):
        with torch.enable_grad():
            loss = loss_of(change)
            (gradient,) = torch.autograd.grad(loss, [change])
        if floor:
            gradient = gradient / gradient.square().mean().sqrt().clamp_min(1e-12)
        adam.step(gradient, rate * annealed(step, steps, warmup=warmup))
        progress.step(loss=float(loss.detach()))
        if progress.cancelled:
            break
    return change.detach()


class Adam:
    """Adam (Kingma and Ba 2015) of one tensor, in place; the numbers of `torch.optim.Adam`, whose
    import of torch's compiler takes a second or two."""

    BETAS = (0.8, 0.95)

    def __init__(self, values: Tensor, *, eps: float) -> None:
        self.values, self.eps, self.steps = values, eps, 0
        self.mean, self.square = torch.zeros_like(values), torch.zeros_like(values)

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """Move the tensor against its gradient, of the same shape."""
        first, second = self.BETAS
        self.steps += 1
        self.mean.lerp_(gradient, 1.0 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
        size = (self.square.sqrt() / (1.0 - second**self.steps) ** 0.5).add_(self.eps)
        self.values.addcdiv_(self.mean, size, value=-rate / (1.0 - first**self.steps))
