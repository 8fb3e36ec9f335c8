"""The discriminators against the published layout and brute-force formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from portraiture.networks.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorConv,
    DualDiscriminator,
    append_std,
    pair,
)

TINY = DiscriminatorConfig(size=16, channel_base=64, channel_max=8, mapping_layers=2)


def _published(size: int, channels: int, *, base: int, c_dim: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes as StyleGAN2-ADA's pickles and EG3D's (dual) hold them."""

    def width(side: int) -> int:
        return min(base // side, 512)

    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, outputs: int, inputs: int, side: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs, side, side)
        shapes[f"{name}.resample_filter"] = (4, 4)
        if bias:
            shapes[f"{name}.bias"] = (outputs,)

    side = size
    while side > 4:
        here, there = width(side), width(side // 2)
        shapes[f"b{side}.resample_filter"] = (4, 4)
        if side == size:
            conv(f"b{side}.fromrgb", here, channels, 1)
        conv(f"b{side}.conv0", here, here, 3)
        conv(f"b{side}.conv1", there, here, 3)
        conv(f"b{side}.skip", there, here, 1, bias=False)
        side //= 2
    conv("b4.conv", 512, 513, 3)
    shapes |= {"b4.fc.weight": (512, 8192), "b4.fc.bias": (512,)}
    outputs = 512 if c_dim else 1
    shapes |= {"b4.out.weight": (outputs, 512), "b4.out.bias": (outputs,)}
    if c_dim:
        shapes |= {"mapping.embed.weight": (512, c_dim), "mapping.embed.bias": (512,)}
        for k in range(8):
            shapes |= {f"mapping.fc{k}.weight": (512, 512), f"mapping.fc{k}.bias": (512,)}
    return shapes


def _shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in network.state_dict().items()}


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        plain = Discriminator(DiscriminatorConfig(size=256, channel_base=16384))
        heads = DualDiscriminator(DiscriminatorConfig(size=512, channels=6, c_dim=25))
    assert _shapes(plain) == _published(256, 3, base=16384, c_dim=0)
    expected = _published(512, 6, base=32768, c_dim=25)
    assert _shapes(heads) == expected | {"resample_filter": (4, 4)}


def test_number_of_parameters_is_that_of_stylegan2_at_1024() -> None:
    with torch.device("meta"):
        network = Discriminator(DiscriminatorConfig(size=1024))
    assert sum(p.numel() for p in network.parameters()) == 29_012_513


def test_deviation_by_hand() -> None:
    x = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="groups of 4"):
        append_std(x, group=4)
    out = append_std(x, group=3)
    assert torch.equal(out[:, :3], x)
    values = x.numpy().astype(np.float64)
    for first in range(2):
        members = [first, first + 2, first + 4]
        deviation = np.zeros((3, 4, 4))
        for c, i, j in np.ndindex(3, 4, 4):
            v = [values[m, c, i, j] for m in members]
            mean = sum(v) / 3
            deviation[c, i, j] = np.sqrt(sum((a - mean) ** 2 for a in v) / 3 + 1e-8)
        for m in members:
            assert np.allclose(out[m, 3], deviation.mean(), atol=1e-6)


def _padded(x: np.ndarray, n: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (n, n), (n, n)))


@pytest.mark.parametrize("size", [1, 3])
def test_halving_convolution_by_brute_force(size: int) -> None:
    """Blur with [1, 3, 3, 1]⊗[1, 3, 3, 1]/64, then convolve, then keep every second sample; the
    result's centre lies between four samples of the input."""
    torch.manual_seed(1)
    conv = DiscriminatorConv(2, 3, size, bias=False, activation="linear", down=True).double()
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    out = conv(x, gain=0.5)[0].detach().numpy()
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    pad = 1 if size == 1 else 2
    wide = _padded(x[0].numpy(), pad)
    blurred = np.zeros((2, wide.shape[1] - 3, wide.shape[2] - 3))
    for c, i, j in np.ndindex(blurred.shape):
        blurred[c, i, j] = (wide[c, i : i + 4, j : j + 4] * taps).sum()
    weight = conv.weight.detach().numpy() / np.sqrt(2 * size * size)
    assert out.shape == (3, 4, 4)
    for o, i, j in np.ndindex(out.shape):
        window = blurred[:, 2 * i : 2 * i + size, 2 * j : 2 * j + size]
        assert np.isclose(out[o, i, j], 0.5 * (window * weight[o]).sum())


def test_activation_is_clamped_after_its_gain() -> None:
    conv = DiscriminatorConv(1, 1, 1, clamp=3.0)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.fill_(0.5)
    x = torch.tensor([-1e3, -1.0, 1.0, 1e3]).view(1, 1, 1, 4)
    expected = torch.tensor([-1.5, -0.1 * 2**0.5 / 2, 1.5 * 2**0.5 / 2, 1.5])
    assert torch.allclose(conv(x, gain=0.5).flatten(), expected)


def test_camera_is_projected_on() -> None:
    torch.manual_seed(2)
    config = DiscriminatorConfig(size=8, channels=6, c_dim=25, channel_max=8, mapping_layers=3)
    network = DualDiscriminator(config)
    kept: list[Tensor] = []
    network.b4.out.register_forward_hook(lambda module, inputs, output: kept.append(output))
    image, camera = torch.randn(4, 6, 8, 8), torch.randn(4, 25)
    logits = network(image, camera)
    x = camera.numpy() @ network.mapping.embed.weight.detach().numpy().T / 5
    x = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8)
    for k in range(3):
        layer = getattr(network.mapping, f"fc{k}")
        x = x @ layer.weight.detach().numpy().T * 0.01 / np.sqrt(8)
        x = np.where(x > 0, x, 0.2 * x) * np.sqrt(2)
    expected = (kept[0].detach().numpy() * x).sum(1, keepdims=True) / np.sqrt(8)
    assert np.allclose(logits.detach().numpy(), expected, atol=1e-5)
    with pytest.raises(ValueError, match="condition"):
        network(image)


def test_pairs_hold_the_raw_image_at_the_images_size() -> None:
    image, raw = torch.randn(1, 3, 16, 16), torch.full((1, 3, 8, 8), 0.25)
    both = pair(image, raw)
    assert torch.equal(both[:, :3], image)
    assert torch.allclose(both[:, 3:], torch.full((1, 3, 16, 16), 0.25))
    with pytest.raises(ValueError, match="6 channels"):
        DualDiscriminator(TINY)


def test_sizes_that_are_no_power_of_two_are_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Discriminator(DiscriminatorConfig(size=24))


def test_bf16_stays_near_fp32() -> None:
    torch.manual_seed(3)
    network, x = Discriminator(TINY), torch.randn(4, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(x)
    assert low.dtype == torch.float32
    assert torch.allclose(low, network(x), atol=0.05)
