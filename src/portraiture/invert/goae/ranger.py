"""Ranger: rectified Adam (Liu et al. 2020) with Lookahead (Zhang et al. 2019), which moves the
weights every few steps to a slow average of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class Ranger(torch.optim.RAdam):
    """every: steps between synchronisations. share: interpolation of slow towards fast weights.

    The slow weights are part of the optimiser's state, so that a run resumes exactly.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, *, betas: tuple[float, float] = (0.95, 0.999),
        every: int = 6, share: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(params, lr=lr, betas=betas, eps=1e-5, foreach=False)
        self.every, self.share = every, share

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of RAdam, and a synchronisation when it is due."""
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        first = {p: p.detach().clone() for p in moved if not self.state[p]}
        loss = super().step(closure)
        for p in moved:
            if p in first:
                self.state[p]["slow"] = first[p]
            if int(self.state[p]["step"]) % self.every == 0:
                slow = self.state[p]["slow"]
                slow.lerp_(p, self.share)
                p.copy_(slow)
        return loss
