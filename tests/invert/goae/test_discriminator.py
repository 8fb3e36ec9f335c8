"""What judges the encoder's latents."""

from __future__ import annotations

import torch

from portraiture.invert.goae.discriminator import LatentDiscriminator


def test_the_latent_judge_sees_rows_alone() -> None:
    torch.manual_seed(0)
    judge = LatentDiscriminator(8, layers=2)
    ws = torch.randn(2, 3, 8)
    assert torch.allclose(judge(ws)[1, 2], judge(ws[1:2, 2])[0])
