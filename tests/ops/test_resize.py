"""Resizing against means over blocks and repeated pixels."""

from __future__ import annotations

import torch

from portraiture.ops.resize import resized


def test_constants_stay_and_the_mean_of_a_ramp_is_kept() -> None:
    ramp = torch.arange(8.0).expand(1, 2, 8, 8).contiguous()
    assert resized(ramp, 8) is ramp
    assert torch.allclose(resized(torch.full((1, 1, 6, 6), 0.3), 4), torch.tensor(0.3))
    small = resized(ramp, 4)
    assert small.shape == (1, 2, 4, 4)
    assert torch.allclose(small[0, 0, 0, 1:3], torch.tensor([2.5, 4.5]), atol=1e-5)


def test_growing_by_the_nearest_repeats_pixels() -> None:
    image = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(resized(image, 4, grow="nearest"), expected)
    assert not torch.equal(resized(image, 4), expected)
