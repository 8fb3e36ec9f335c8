"""Perceptual distance with SqueezeNet's first layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from shared_data import SHARED
from torch import Tensor

from portraiture.errors import TrainingError
from portraiture.perception.features import (
    FIRES,
    SqueezeFeatures,
    load_squeeze,
    perceptual_distance,
)

WEIGHTS = SHARED / "data/squeezenet/squeezenet_v1.0_imagenet.safetensors"
SIZES = {"fire2": (96, 16, 64), "fire3": (128, 16, 64), "fire4": (128, 32, 128)}
SIZES |= {"fire5": (256, 32, 128), "fire6": (256, 48, 192)}


def _random_weights() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)

    def layer(outputs: int, inputs: int, side: int) -> dict[str, Tensor]:
        scale = (2.0 / (inputs * side * side)) ** 0.5
        weight = torch.randn(outputs, inputs, side, side, generator=rng) * scale
        return {"weight": weight, "bias": 0.1 * torch.randn(outputs, generator=rng)}

    shapes = {"conv1": (96, 3, 7)}
    for name in FIRES:
        inputs, squeeze, expand = SIZES[name]
        shapes |= {
            f"{name}.squeeze": (squeeze, inputs, 1),
            f"{name}.e1": (expand, squeeze, 1),
            f"{name}.e3": (expand, squeeze, 3),
        }
    made = {"conv10.weight": torch.zeros(1)}
    for name, shape in shapes.items():
        made |= {f"{name}.{kind}": value for kind, value in layer(*shape).items()}
    return made


def test_it_is_zero_for_equal_images_and_grows_with_blur() -> None:
    network = SqueezeFeatures(_random_weights())
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    soft = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)
    softer = F.avg_pool2d(F.pad(image, (3, 3, 3, 3), mode="reflect"), 7, 1)
    assert perceptual_distance(network, image, image).abs().max() < 1e-9
    near, far = (perceptual_distance(network, x, image) for x in (soft, softer))
    assert (near > 0.01).all()
    assert (far > near).all()


def test_features_are_normalised_so_that_their_scale_does_not_count() -> None:
    weights = _random_weights()
    louder = dict(weights)
    for kind in ("weight", "bias"):
        for name in ("e1", "e3"):
            louder[f"fire6.{name}.{kind}"] = 3.0 * weights[f"fire6.{name}.{kind}"]
    a, b = (torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(s)) for s in (2, 3))
    quiet = perceptual_distance(SqueezeFeatures(weights), a, b)
    assert torch.allclose(perceptual_distance(SqueezeFeatures(louder), a, b), quiet, rtol=1e-4)


def test_gradients_flow_to_the_first_image_alone() -> None:
    network = SqueezeFeatures(_random_weights())
    rng = torch.Generator().manual_seed(4)
    a, b = (torch.rand(1, 3, 40, 40, generator=rng).requires_grad_() for _ in range(2))
    perceptual_distance(network, a, b).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().max() > 0
    assert b.grad is None
    assert not list(network.parameters())


@pytest.mark.skipif(not WEIGHTS.exists(), reason="../shared/data/squeezenet is absent")
def test_real_weights_see_a_shift_of_a_pixel_less_than_another_image() -> None:
    network = load_squeeze(WEIGHTS)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 113)] * 2, indexing="ij")
    disc = ((x**2 + y**2) < 0.4).float() * 2 - 1
    bars = torch.sin(12 * x)
    disc, bars = (t.expand(1, 3, -1, -1) for t in (disc, bars))
    shifted = perceptual_distance(network, disc.roll(1, -1), disc)
    other = perceptual_distance(network, bars, disc)
    assert float(shifted) < 0.5 * float(other)
    sides = [f.shape[-1] for f in network.features(disc)]
    assert sides == [54, 27, 27, 13]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not safetensors")
    with pytest.raises(TrainingError, match="SqueezeNet"):
        load_squeeze(path)
    save_file({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(TrainingError, match="conv1 is missing"):
        load_squeeze(path)
