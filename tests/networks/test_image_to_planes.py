from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from portraiture.networks.image_to_planes import (
    ImageToPlanes,
    ImageToPlanesConfig,
    ModulatedLayer,
    modulated,
)

SMALL = ImageToPlanesConfig(
    image_size=32, code=8, code_size=8, widths=(16, 16, 16, 16), tokens=1, heads=2, layers=(12, 8),
    plane_size=16, plane_features=4, w_dim=10,
)  # fmt: skip


def test_modulation_is_that_of_equation_3() -> None:
    """Mean and deviation over channels, at each position by itself."""
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(size=(3, 2, 5, 3, 4))
    expected = np.empty_like(x)
    for b, row, column in np.ndindex(2, 3, 4):
        values = x[b, :, row, column]
        even = (values - values.mean()) / values.std()
        expected[b, :, row, column] = gamma[b, :, row, column] * even + beta[b, :, row, column]
    found = modulated(*(torch.from_numpy(part) for part in (x, gamma, beta)))
    assert np.allclose(found.numpy(), expected, atol=1e-4)


def test_a_code_acts_where_it_stands() -> None:
    torch.manual_seed(0)
    layer = ModulatedLayer(6, 6, 4)
    x, code = torch.randn(1, 6, 8, 8), torch.randn(1, 4, 8, 8)
    other = code.clone()
    other[:, :, 2, 5] += 1.0
    changed = (layer(x, code) - layer(x, other)).abs().amax(1)[0] > 1e-6
    rows, columns = changed.nonzero().unbind(1)
    assert rows.min() == 1 and rows.max() == 3 and columns.min() == 4 and columns.max() == 6


def test_planes_and_w_of_photos() -> None:
    torch.manual_seed(0)
    network = ImageToPlanes(SMALL).eval()
    photos = torch.rand(2, 3, 32, 32) * 2 - 1
    planes, w = network(photos)
    assert planes.shape == (2, 3, 4, 16, 16) and w.shape == (2, 10)
    assert torch.allclose(planes[1:], network(photos[1:])[0], atol=1e-5)
    seen = photos.clone().requires_grad_()
    network(seen)[0][0, :, :, 0, 0].sum().backward()
    assert seen.grad is not None
    assert float(seen.grad[0, :, -4:, -4:].abs().sum()) > 0.0, "attention reaches every corner"


def test_layers_have_to_lead_to_the_planes() -> None:
    with pytest.raises(ValueError, match="doubles"):
        replace(SMALL, plane_size=32)
    with pytest.raises(ValueError, match="twice"):
        replace(SMALL, code_size=32, plane_size=64)
