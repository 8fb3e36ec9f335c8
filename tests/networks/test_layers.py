"""Resampling layers against each other."""

from __future__ import annotations

import pytest
import torch

from portraiture.networks.layers import fir_kernel, upsample2, upsample2_bilinear


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 5, 7), (1, 2, 1, 1)])
def test_upsampling_is_bilinear_interpolation_between_zeros(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    kernel = fir_kernel().double()
    a, b = upsample2(x, kernel), upsample2_bilinear(x)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    weights = torch.rand(a.shape, generator=torch.Generator().manual_seed(1)).double()
    (ga,) = torch.autograd.grad((a * weights).sum(), x)
    (gb,) = torch.autograd.grad((b * weights).sum(), x)
    torch.testing.assert_close(ga, gb, rtol=0, atol=1e-12)
