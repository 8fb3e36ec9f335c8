"""GOAE's latent discriminator: is this single w one of the mapping for a frontal camera? (Yuan et
al., ICCV 2023, section 4.1, Eq. 2.)"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class LatentDiscriminator(nn.Module):
    """w, row by row → logit: an MLP of `layers` hidden layers as wide as w."""

    def __init__(self, w_dim: int = 512, *, layers: int = 4) -> None:
        super().__init__()
        hidden = [
            module
            for _ in range(layers)
            for module in (nn.Linear(w_dim, w_dim), nn.LeakyReLU(0.2, inplace=True))
        ]
        self.net = nn.Sequential(*hidden, nn.Linear(w_dim, 1))

    def forward(self, w: Float[Tensor, "... D"]) -> Float[Tensor, "... 1"]:
        return self.net(w)
