"""StyleGAN2-ADA's pickles, and rosinality's files against rosinality's formulas, term by term."""

from __future__ import annotations

import argparse
import io
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from shared_data import SHARED

from portraiture.convert.refusal import RefusalError
from portraiture.convert.run import read_foreign
from portraiture.convert.stylegan2 import rosinality_names
from portraiture.networks.faces2d import FacesConfig, FacesGenerator

REFERENCE = SHARED / "reference"


@pytest.mark.parametrize("c_dim", [0, 3])
def test_ada_pickles(craft: Any, c_dim: int) -> None:
    config = FacesConfig(16, 7, 9, 3, 48, 6, c_dim=c_dim, clamp=256.0)
    torch.manual_seed(1)
    generator = FacesGenerator(config).eval().requires_grad_(False)
    clamp = {"synthesis.b4.conv1": {"conv_clamp": craft.value(256)}}
    discriminator = craft.network(torch.nn.Linear(2, 2))
    root = {"G_ema": craft.network(generator, "Generator", below=clamp), "D": discriminator}
    converted = read_foreign(craft.file(craft.dict(root)))
    assert FacesConfig(**converted.config) == config
    assert converted.dropped == ("D (2 tensors)",)
    ours = FacesGenerator(config)
    ours.load_state_dict(converted.tensors)
    z, c = torch.randn(2, 7), torch.randn(2, c_dim) if c_dim else None
    assert torch.equal(ours.mapping(z, c), generator.mapping(z, c))
    ws = generator.mapping(z, c)
    assert torch.equal(ours.images(ws), generator.images(ws))


def test_a_residual_generator_is_refused(craft: Any) -> None:
    """Its extra layers are tensors that nothing here would use."""
    generator = FacesGenerator(FacesConfig(8, 7, 9, 3, 48, 6))
    generator.synthesis.b8.skip = torch.nn.Conv2d(6, 6, 1, bias=False)
    root = {"G_ema": craft.network(generator, "Generator")}
    with pytest.raises(RefusalError, match=r"unknown tensor synthesis\.b8\.skip\.weight"):
        read_foreign(craft.file(craft.dict(root)))


@pytest.mark.skipif(
    not REFERENCE.exists(), reason="../shared/reference with tensor names is absent"
)
def test_every_published_name_has_one_of_ours() -> None:
    lines = (REFERENCE / "rosinality_stylegan2_256_state_dict.txt").read_text().splitlines()
    published = {line.partition(" ")[0] for line in lines if line}
    names = rosinality_names(dict.fromkeys(published) | {"latent_avg": None})
    kernels = {name for name in published if name.endswith(".kernel")}
    assert published - kernels == set(names) - {"latent_avg"}
    with torch.device("meta"):
        ours = set(FacesGenerator(FacesConfig()).state_dict())
    filters = {name for name in ours if name.endswith("resample_filter")}
    assert sorted(names.values()) == sorted(ours - filters)


W, Z, WIDE, NARROW = 5, 5, 6, 3
KERNEL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def rosinality_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """A random 8² generator under rosinality's names."""
    rng = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng)

    state = {
        f"style.{i}.{p}": random(*s)
        for i in (1, 2)
        for p, s in (("weight", (W, Z)), ("bias", (W,)))
    }
    state = {k: v * 100 for k, v in state.items()}  # their learning rate factor is 0.01
    state["input.input"] = random(1, WIDE, 4, 4)
    for name, inputs, outputs in (
        ("conv1", WIDE, WIDE), ("convs.0", WIDE, NARROW), ("convs.1", NARROW, NARROW)
    ):  # fmt: skip
        state[f"{name}.conv.weight"] = random(1, outputs, inputs, 3, 3)
        state[f"{name}.conv.modulation.weight"] = random(inputs, W)
        state[f"{name}.conv.modulation.bias"] = random(inputs)
        state[f"{name}.noise.weight"] = random(1)
        state[f"{name}.activate.bias"] = random(outputs)
    state["convs.0.conv.blur.kernel"] = torch.from_numpy(KERNEL * 4).float()
    for name, inputs in (("to_rgb1", WIDE), ("to_rgbs.0", NARROW)):
        state[f"{name}.bias"] = random(1, 3, 1, 1)
        state[f"{name}.conv.weight"] = random(1, 3, inputs, 1, 1)
        state[f"{name}.conv.modulation.weight"] = random(inputs, W)
        state[f"{name}.conv.modulation.bias"] = random(inputs)
    state["to_rgbs.0.upsample.kernel"] = torch.from_numpy(KERNEL * 4).float()
    for index, side in enumerate((4, 8, 8)):
        state[f"noises.noise_{index}"] = random(1, 1, side, side)
    return state


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def leaky(x: ndarray) -> ndarray:
    return np.where(x < 0, 0.2 * x, x) * np.sqrt(2)


def modulated(p: dict[str, ndarray], name: str, w: ndarray, *, demodulate: bool) -> ndarray:
    """Weight (O, I, k, k) of rosinality's modulated convolution for one w."""
    weight = p[f"{name}.conv.weight"][0]
    linear = p[f"{name}.conv.modulation.weight"] / np.sqrt(W)
    style = linear @ w + p[f"{name}.conv.modulation.bias"]
    weight = weight / np.sqrt(weight[0].size) * style[:, None, None]
    if demodulate:
        weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    return weight


def correlate(x: ndarray, weight: ndarray) -> ndarray:
    """Same-size correlation with zeros around."""
    o, _, k, _ = weight.shape
    pad = k // 2
    wide = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((o, *x.shape[1:]))
    for i in range(k):
        for j in range(k):
            part = wide[:, i : i + x.shape[1], j : j + x.shape[2]]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], part)
    return out


def spread(x: ndarray, weight: ndarray) -> ndarray:
    """Transposed convolution with stride 2: every input pixel stamps the unflipped kernel."""
    out = np.zeros((len(weight), 2 * x.shape[1] + 1, 2 * x.shape[2] + 1))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            stamp = np.einsum("ocij,c->oij", weight, x[:, row, column])
            out[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += stamp
    return out


def blur(x: ndarray, pad: tuple[int, int], kernel: ndarray) -> ndarray:
    wide = np.pad(x, ((0, 0), pad, pad))
    side = wide.shape[1] - 3
    out = np.zeros((len(x), side, side))
    for i in range(4):
        for j in range(4):
            out += kernel[3 - i, 3 - j] * wide[:, i : i + side, j : j + side]
    return out


def rosinality_image(p: dict[str, ndarray], z: ndarray, psi: float) -> ndarray:
    """rosinality's generator for one z, 8² pixels, in float64."""
    x = z / np.sqrt((z**2).mean() + 1e-8)
    for index in (1, 2):
        weight, bias = p[f"style.{index}.weight"], p[f"style.{index}.bias"]
        x = leaky(weight * (0.01 / np.sqrt(weight.shape[1])) @ x + bias * 0.01)
    w = p["latent_avg"] + psi * (x - p["latent_avg"])

    def styled(name: str, x: ndarray, noise: int, *, up: bool) -> ndarray:
        weight = modulated(p, name, w, demodulate=True)
        x = correlate(x, weight) if not up else blur(spread(x, weight), (1, 1), KERNEL * 4)
        x = x + p[f"{name}.noise.weight"] * p[f"noises.noise_{noise}"][0]
        return leaky(x + p[f"{name}.activate.bias"][:, None, None])

    def rgb(name: str, x: ndarray) -> ndarray:
        return correlate(x, modulated(p, name, w, demodulate=False)) + p[f"{name}.bias"][0]

    x = styled("conv1", p["input.input"][0], 0, up=False)
    image = rgb("to_rgb1", x)
    x = styled("convs.0", x, 1, up=True)
    x = styled("convs.1", x, 2, up=False)
    zeros = np.zeros((3, 8, 8))
    zeros[:, ::2, ::2] = image
    return rgb("to_rgbs.0", x) + blur(zeros, (2, 1), KERNEL * 4)


def test_rosinality_files_compute_what_rosinality_computes() -> None:
    state = rosinality_state()
    average = torch.randn(W, generator=torch.Generator().manual_seed(9))
    root = {"g_ema": state, "latent_avg": average, "d": {"w": torch.ones(1)}, "args": 3}
    converted = read_foreign(saved(root))
    assert converted.renamed == len(state) - 2 + 1
    assert set(converted.dropped) == {
        "convs.0.conv.blur.kernel", "to_rgbs.0.upsample.kernel", "d", "args"
    }  # fmt: skip
    config = FacesConfig(**converted.config)
    assert config == FacesConfig(8, Z, W, 2, 24, WIDE)
    generator = FacesGenerator(config).double()
    generator.load_state_dict(converted.tensors)
    z = torch.randn(2, Z, generator=torch.Generator().manual_seed(2)).double()
    exact = {name: tensor.double().numpy() for name, tensor in state.items()}
    exact["latent_avg"] = average.double().numpy()
    with torch.no_grad():
        ws = generator.mapping(z, None).double()
        ws = generator.mapping.w_avg.lerp(ws, 0.6)
        images = generator.images(ws).numpy()
    for index in range(2):
        truth = rosinality_image(exact, z[index].numpy(), 0.6)
        assert np.abs(truth).max() > 1
        assert np.abs(images[index] - truth).max() < 1e-5 * np.abs(truth).max()


def test_a_rosinality_file_without_its_average_gets_the_mean_of_mapped_codes() -> None:
    """As LiftedGAN's training writes it, with an argparse.Namespace beside it. The mean is within 5
    standard errors of that of other codes, mapped by rosinality's formula in float64."""
    state = rosinality_state()
    root = {"g_ema": state, "args": argparse.Namespace(size=8)}
    converted = read_foreign(saved(root))
    assert converted.renamed == len(state) - 2
    assert converted.dropped[-1].startswith("args")
    x = np.random.default_rng(5).standard_normal((200_000, Z))
    x = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8)
    for index in (1, 2):
        weight, bias = (state[f"style.{index}.{p}"].double().numpy() for p in ("weight", "bias"))
        x = leaky(x @ (weight * (0.01 / np.sqrt(weight.shape[1]))).T + bias * 0.01)
    error = x.std(0) * np.sqrt(1 / 50_000 + 1 / 200_000)
    found = converted.tensors["mapping.w_avg"].double().numpy()
    assert (np.abs(found - x.mean(0)) < 5 * error).all()
    assert (np.abs(found) > 5 * error).any()
    again = read_foreign(saved(root))
    assert torch.equal(again.tensors["mapping.w_avg"], converted.tensors["mapping.w_avg"])
    with pytest.raises(RefusalError, match="latent_avg"):
        read_foreign(saved(root | {"latent_avg": "mean"}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"convs.0.conv.blur.kernel": torch.ones(4, 4)}, "constant convs.0.conv.blur.kernel"),
        ({"convs.0.conv.blur.gernel": torch.ones(4, 4)}, "unknown tensor convs.0.conv.blur.gernel"),
        ({"conv1.activate.bias": torch.ones(WIDE + 1)}, "tensor conv1.activate.bias"),
        ({"noises.noise_2": None}, "lacks the tensor synthesis.b8.conv1.noise_const"),
        ({"conv1.conv.weight": torch.ones(1, WIDE + 1, WIDE, 3, 3)}, "widths"),
    ],
)
def test_rosinality_files_that_do_not_add_up(change: dict[str, Any], reason: str) -> None:
    state = {k: v for k, v in (rosinality_state() | change).items() if v is not None}
    with pytest.raises(RefusalError, match=reason.replace(".", r"\.")):
        read_foreign(saved({"g_ema": state, "latent_avg": torch.zeros(W)}))
