"""The weight format: 8-bit storage is exact once it is rounded, and nothing odd is read.

Rounding is within half a step; the stored values come back to the bit; storing them again changes
nothing; files whose tensors, types, scales or numbers are not those of a network are refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from portraiture.errors import CheckpointError
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.perception.weights import load_identity, save_network
from portraiture.weights import (
    MIN_QUANTISED,
    Card,
    dequantise,
    is_quantised,
    quantise,
    read_weights,
    write_weights,
)

CARD = Card("identity", {})


def _weights(exponent: int = 0) -> Tensor:
    """Channels of very different sizes."""
    torch.manual_seed(0)
    return (
        torch.randn(24, 19, 3, 3) * torch.logspace(-4, 3, 24)[:, None, None, None] * 2.0**exponent
    )


@pytest.mark.parametrize("exponent", [-60, 0, 60])
def test_quantisation_is_within_half_a_step(exponent: int) -> None:
    x = _weights(exponent)
    q, scale = quantise(x)
    step = x.double().flatten(1).abs().amax(1) / 127
    assert q.dtype == torch.int8 and scale.shape == (24,)
    assert int(q.abs().max()) == 127 and int(q.min()) >= -127
    assert ((scale.double() >= step) & (scale.double() < step * (1 + 2.0**-14))).all()
    error = (q.double() * scale.double()[:, None, None, None] - x.double()).abs().flatten(1).amax(1)
    assert (error <= 0.5001 * scale.double()).all()


@pytest.mark.parametrize("exponent", [-60, 0, 60])
def test_quantising_again_changes_nothing(exponent: int) -> None:
    q, scale = quantise(_weights(exponent))
    exact = q.numpy().astype(np.float64) * scale.numpy().astype(np.float64)[:, None, None, None]
    values = dequantise(q, scale)
    assert np.array_equal(values.numpy().astype(np.float64), exact)  # float32 holds them
    again, same = quantise(values)
    assert torch.equal(again, q) and torch.equal(same, scale)


def test_a_channel_of_zeros_stays_zero_and_an_endless_one_is_refused() -> None:
    x = _weights()
    x[3] = 0.0
    x[4] = 1e-40
    q, scale = quantise(x)
    assert not q[3:5].any() and (scale[3:5] == 1.0).all()
    x[5, 0, 0, 0] = float("inf")
    with pytest.raises(ValueError, match="finite"):
        quantise(x)


@pytest.mark.parametrize(
    ("name", "shape", "wanted"),
    [
        ("body.conv.weight", (64, 64), True),
        ("attention.in_proj_weight", (64, 64), True),
        ("body.conv.weight", (63, 65), False),  # one value too few
        ("norm.weight", (MIN_QUANTISED,), False),
        ("body.conv.bias", (64, 64), False),
        ("backbone.mapping.fc0.weight", (64, 64), False),
        ("synthesis.b8.conv0.weight", (64, 64, 3, 3), False),
        ("synthesis.b8.conv0.affine.weight", (64, 64), True),
        ("mapping.w_avg", (8, 512), False),
        ("flow.basis", (64, 3, 2, 32, 32), False),
    ],
)
def test_which_tensors_are_kept_in_8_bits(name: str, shape: tuple[int, ...], wanted: bool) -> None:
    assert is_quantised(name, torch.zeros(shape)) == wanted


@pytest.mark.parametrize("name", ["net", "net.safetensors"])
def test_a_file_in_8_bits_comes_back_exactly(tmp_path: Path, name: str) -> None:
    tensors = {
        "a.weight": _weights(), "a.bias": torch.randn(24), "a.count": torch.tensor(7),
        "a.small.weight": torch.randn(4, 4),
    }  # fmt: skip
    path, *_ = write_weights(tmp_path / name, tensors, CARD, storage="int8")
    kept = load_file(path)
    assert {k: v.dtype for k, v in kept.items()} == {
        "a.weight": torch.int8, "a.weight.scale": torch.float32, "a.bias": torch.float16,
        "a.count": torch.int64, "a.small.weight": torch.float16,
    }  # fmt: skip
    _, read = read_weights(tmp_path / name)
    assert read.keys() == tensors.keys()
    assert torch.equal(read["a.weight"], dequantise(*quantise(tensors["a.weight"])))
    assert torch.equal(read["a.bias"], tensors["a.bias"].half().float())
    write_weights(tmp_path / "again.safetensors", read, CARD, storage="int8")
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == kept.keys()
    assert all(torch.equal(again[k], v) for k, v in kept.items())


def _network() -> IdentityNetwork:
    torch.manual_seed(0)
    return IdentityNetwork(IdentityConfig(width=8, neck=8, embedding=12, size=32)).eval()


def _spoilt(folder: Path, tensors: dict[str, Tensor]) -> Path:
    """A file of a network with other tensors, and its card."""
    card, _ = read_weights(folder)
    out = folder.with_name("spoilt.safetensors")
    write_weights(out, {}, Card(card.model, card.config), overwrite=True)
    save_file(tensors, out, {"card": Card(card.model, card.config).to_json()})
    return out


def test_files_with_odd_tensors_are_refused(tmp_path: Path) -> None:
    network = _network()
    save_network(network, tmp_path / "net", data="", recipe="", metrics={}, storage="int8")
    good = load_file(tmp_path / "net" / "model.safetensors")
    name = next(k for k, v in good.items() if v.dtype == torch.int8)
    scale, bias = good[name + ".scale"], next(k for k in good if k.endswith("running_mean"))
    load_identity(_spoilt(tmp_path / "net", good))
    cases: list[tuple[dict[str, Tensor], str]] = [
        ({k: v for k, v in good.items() if k != name + ".scale"}, "lacks the scales"),
        (good | {name + ".scale": scale.double()}, "lacks the scales"),
        (good | {name + ".scale": scale[1:]}, "lacks the scales"),
        (good | {name + ".scale": torch.full_like(scale, float("nan"))}, "not finite"),
        (good | {bias: torch.full_like(good[bias], float("inf"))}, "not finite"),
        (good | {bias: good[bias].int()}, "torch.int32"),
        (good | {bias: good[bias].double()}, "torch.float64"),
        (good | {bias + ".scale": scale.clone()}, "unknown tensor"),
        ({k: v for k, v in good.items() if k != bias}, "lacks the tensor"),
        (good | {bias: good[bias][1:]}, "in shape"),
    ]
    for tensors, sentence in cases:
        with pytest.raises(CheckpointError, match=sentence) as caught:
            load_identity(_spoilt(tmp_path / "net", tensors))
        assert "\n" not in str(caught.value)


def test_what_float16_does_not_hold_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.bias"):
        write_weights(tmp_path / "x", {"a.bias": torch.tensor([1e5])}, CARD, storage="float16")
    assert not (tmp_path / "x").exists()
