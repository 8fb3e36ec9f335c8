"""The discriminator of the encoder's latents."""

from __future__ import annotations

import torch

from portraiture.invert.goae.discriminator import LatentDiscriminator


def test_the_latent_discriminator_sees_rows_alone() -> None:
    torch.manual_seed(0)
    network = LatentDiscriminator(8, layers=2)
    ws = torch.randn(2, 3, 8)
    assert torch.allclose(network(ws)[1, 2], network(ws[1:2, 2])[0])
