"""How unlikely a w is for people of the generator.

The engine's parameters are nearly normal in z and the mapping is nearly linear in them, so the
covariance of w shows in which directions people differ. An encoder trained on photos that no w
reproduces finds directions in which people do not vary, along which a generator can produce
anything: haze, streaks, one face that an identity network takes for everybody's. D_Wc has to learn
these directions; here they are known (Zhu et al., "Improved StyleGAN embedding", 2020, also whiten
w). Letters: B people, N rows of w+, D their dimension, K samples of w.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEAST = 1e-5
"""Minimum variance of a direction relative to the largest."""


class LatentPrior(nn.Module):
    """The statistics are buffers, so that the training state includes them."""

    mean: Tensor
    whiten: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("whiten", torch.eye(width))

    @torch.no_grad()
    def measure(self, w: Float[Tensor, "K D"]) -> None:
        """Set mean and whitening from samples of w."""
        mean = w.double().mean(0)
        variance, axes = torch.linalg.eigh(torch.cov(w.T.double()))
        variance = variance.clamp_min(LEAST * float(variance.max()))
        self.mean.copy_(mean)
        self.whiten.copy_(axes * variance.rsqrt())

    def distance(self, ws: Float[Tensor, "*n D"]) -> Float[Tensor, "*n"]:
        """Mean square of whitened w: about 1 for people."""
        return ((ws - self.mean) @ self.whiten).square().mean(-1)

    def forward(self, ws: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """How much this distance exceeds that of people, mean over rows."""
        return (self.distance(ws) - 1.0).clamp_min(0.0).mean()
