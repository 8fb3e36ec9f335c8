"""Adversarial losses against closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from portraiture.networks.discriminator import Discriminator, DiscriminatorConfig
from portraiture.ops.resize import resized
from portraiture.train.gan_losses import (
    density_variation,
    discriminator_loss,
    generator_loss,
    path_length_penalty,
    path_lengths,
    r1_penalty,
)


def _log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.log(1 + np.exp(-x))


def test_non_saturating_losses() -> None:
    real, fake = np.array([[0.3], [-2.0]]), np.array([[1.5], [0.0]])
    expected = -_log_sigmoid(real).mean() - np.log(1 - np.exp(_log_sigmoid(fake))).mean()
    got = discriminator_loss(torch.from_numpy(real), torch.from_numpy(fake))
    assert float(got) == pytest.approx(expected)
    assert float(generator_loss(torch.from_numpy(fake))) == pytest.approx(
        -_log_sigmoid(fake).mean()
    )


def _network() -> Discriminator:
    torch.manual_seed(0)
    config = DiscriminatorConfig(size=8, channel_base=32, channel_max=4)
    return Discriminator(config).double()


def _numeric_gradient(network: Discriminator, x: Tensor, step: float = 1e-5) -> Tensor:
    gradient = torch.zeros_like(x)
    flat, out = x.flatten(), gradient.flatten()
    for k in range(len(flat)):
        ends = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[k] += sign * step
            with torch.no_grad():
                ends.append(network(moved.view_as(x)).sum())
        out[k] = (ends[0] - ends[1]) / (2 * step)
    return out.view_as(x)


def test_r1_by_finite_differences() -> None:
    network = _network()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    penalty = r1_penalty(network(x), [x])
    expected = _numeric_gradient(network, x.detach()).square().sum((1, 2, 3)).mean()
    assert float(penalty.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_gradient_of_r1_by_finite_differences() -> None:
    """What the discriminator's weights receive: a second derivative."""
    network = _network()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    r1_penalty(network(x), [x]).backward()
    for name in ("b8.fromrgb.weight", "b8.conv1.weight", "b4.fc.weight"):
        weight = network.get_parameter(name)
        analytic, flat = weight.grad.flatten()[3], weight.data.view(-1)
        ends = []
        for move in (1e-5, -2e-5):
            flat[3] += move
            ends.append(float(r1_penalty(network(x), [x]).detach()))
        flat[3] += 1e-5
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float(analytic), rel=1e-4, abs=1e-9)


def test_r1_sums_over_all_inputs() -> None:
    a = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    b = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    logits = (2 * a.sum((1, 2, 3)) + b.square().sum((1, 2, 3)))[:, None]
    expected = 4 * 4 + (4 * b.detach().square()).sum((1, 2, 3)).mean()
    assert float(r1_penalty(logits, [a, b]).detach()) == pytest.approx(float(expected))


def test_r1_passes_through_resizing() -> None:
    raw = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    penalty = r1_penalty(resized(raw, 8).square().sum()[None, None], [raw])
    penalty.backward()
    assert raw.grad is not None and bool(raw.grad.abs().sum() > 0)


def test_path_lengths_of_a_linear_generator() -> None:
    matrix = torch.randn(3 * 16, 2 * 5, dtype=torch.float64)
    ws = torch.randn(4, 2, 5, dtype=torch.float64, requires_grad=True)
    images = (ws.flatten(1) @ matrix.T).view(4, 3, 4, 4)
    noise = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    pulled = (noise.flatten(1) / 4 @ matrix).view(4, 2, 5)
    expected = (pulled.norm(dim=2).square().mean(1)).sqrt()
    lengths = path_lengths(images, ws, noise)
    assert torch.allclose(lengths, expected)
    penalty, mean = path_length_penalty(lengths, 2.0, decay=0.25)
    assert float(mean.detach()) == pytest.approx(
        0.75 * 2.0 + 0.25 * float(expected.detach().mean())
    )
    assert torch.allclose(penalty, (expected - mean).square().mean())


def test_density_variation_of_a_linear_density() -> None:
    slope = torch.tensor([1.0, -2.0, 0.5])
    points, offsets = torch.rand(2, 7, 3), torch.randn(2, 7, 3)
    got = density_variation(lambda x: x @ slope, points, offsets)
    assert torch.allclose(got, (offsets @ slope).abs().mean(), atol=1e-6)


def test_r1_of_rows_is_the_squared_slope() -> None:
    weight = torch.tensor([3.0, 4.0])
    rows = torch.randn(5, 2, requires_grad=True)
    assert torch.isclose(r1_penalty((rows @ weight)[:, None], [rows]), torch.tensor(25.0))
