"""How unlikely a w is for people of the generator.

The engine's numbers are nearly normal in z and the mapping nearly linear in them, so that w's own
covariance says which directions people differ in. An encoder that is asked for photos which no w
draws finds directions in which people do not differ at all, along which a generator can be made to
draw anything: haze, streaks, one face that an identity network takes for everybody's. D_Wc learns
to tell these; here they are known (Zhu et al., "Improved StyleGAN embedding", 2020, whiten w too).
Letters: B people, N rows of w+, D their dimension, K samples of w.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEAST = 1e-5
"""Variances are at least so much of the largest one."""


class LatentPrior(nn.Module):
    """The weights are buffers, so that a training's state keeps them."""

    mean: Tensor
    whiten: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("whiten", torch.eye(width))

    @torch.no_grad()
    def measure(self, w: Float[Tensor, "K D"]) -> None:
        """Take over mean and deviations of samples."""
        mean = w.double().mean(0)
        variance, axes = torch.linalg.eigh(torch.cov(w.T.double()))
        variance = variance.clamp_min(LEAST * float(variance.max()))
        self.mean.copy_(mean)
        self.whiten.copy_(axes * variance.rsqrt())

    def distance(self, ws: Float[Tensor, "*n D"]) -> Float[Tensor, "*n"]:
        """The mean square of w's whitened numbers: about 1 for people."""
        return ((ws - self.mean) @ self.whiten).square().mean(-1)

    def forward(self, ws: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """By how much rows are farther out than people are, on average."""
        return (self.distance(ws) - 1.0).clamp_min(0.0).mean()
