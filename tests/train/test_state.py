"""The state on disk is the state in memory, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from portraiture.errors import TrainingError
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.state import TrainState, checkpoints, restore, save, save_checkpoint


def _state(seed: int, width: int = 3) -> TrainState:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 1))
    return TrainState(
        models={"net": network},
        averages={"net": averaged_copy(network)},
        optimizers={
            "adam": torch.optim.Adam(network[0].parameters(), lr=0.1 / 3, betas=(0.0, 0.99)),
            "sgd": torch.optim.SGD(network[2].parameters(), lr=0.01, momentum=0.9),
        },
        numbers={"p": 0.0},
    )


def _work(state: TrainState, steps: int) -> None:
    for _ in range(steps):
        x = torch.randn(4, 2, generator=torch.Generator().manual_seed(state.step))
        for optimizer in state.optimizers.values():
            optimizer.zero_grad()
        state.models["net"](x).square().mean().backward()
        for optimizer in state.optimizers.values():
            optimizer.step()
        update(state.averages["net"], state.models["net"], 0.9)
        state.numbers["p"] += 0.1
        state.step += 1


def _bits(state: TrainState) -> dict[str, torch.Tensor]:
    networks = {**state.models, **{f"average {k}": v for k, v in state.averages.items()}}
    return {f"{n} {k}": v for n, m in networks.items() for k, v in m.state_dict().items()}


def _assert_same(a: TrainState, b: TrainState) -> None:
    assert a.step == b.step and a.numbers == b.numbers
    for name, tensor in _bits(a).items():
        assert torch.equal(tensor, _bits(b)[name]), name


def test_going_on_from_disk_is_going_on(tmp_path: Path) -> None:
    one, other = _state(0), _state(1)
    _work(one, 3)
    save(tmp_path / "s.safetensors", one)
    restore(tmp_path / "s.safetensors", other)
    _assert_same(one, other)
    group = other.optimizers["adam"].param_groups[0]
    assert group["lr"] == 0.1 / 3 and group["betas"] == (0.0, 0.99)
    _work(one, 3)
    _work(other, 3)
    _assert_same(one, other)


def test_fresh_optimizers_too(tmp_path: Path) -> None:
    one, other = _state(0), _state(1)
    save(tmp_path / "s.safetensors", one)
    restore(tmp_path / "s.safetensors", other)
    _work(one, 2)
    _work(other, 2)
    _assert_same(one, other)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save(path, _state(0))
    with pytest.raises(TrainingError, match="other networks"):
        restore(path, _state(0, width=4))
    other = _state(0)
    other.models["second"] = nn.Linear(1, 1)
    with pytest.raises(TrainingError, match="other networks"):
        restore(path, other)
    less = _state(0)
    less.averages = {}
    with pytest.raises(TrainingError, match="other networks"):
        restore(path, less)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(TrainingError, match="cannot be read"):
        restore(path, _state(0))
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(TrainingError, match="not a training state"):
        restore(path, _state(0))


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    state = _state(0)
    (tmp_path / ".step-00000009.aa.partial.safetensors").write_bytes(b"cut short by a kill")
    for state.step in (5, 10, 100):
        save_checkpoint(tmp_path, state)
    names = [p.name for p in checkpoints(tmp_path)]
    assert names == ["step-00000010.safetensors", "step-00000100.safetensors"]
    assert len(list(tmp_path.iterdir())) == 2
    with safe_open(checkpoints(tmp_path)[-1], framework="pt") as file:
        assert json.loads(file.metadata()["state"])["step"] == 100


def test_average_follows_its_closed_form() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = averaged_copy(network)
    assert not average.training and not average.weight.requires_grad
    values = [3.0, -1.0, 2.0]
    expected = float(average.weight)
    for value in values:
        nn.init.constant_(network.weight, value)
        update(average, network, 0.75)
        expected = 0.75 * expected + 0.25 * value
    assert float(average.weight) == pytest.approx(expected)


def test_decay_halves_in_its_half_life() -> None:
    assert decay(32, 1e9, half_life=10_000) ** (10_000 / 32) == pytest.approx(0.5)
    assert decay(32, 1e9, half_life=64, ramp=None) == pytest.approx(0.5**0.5)
    assert decay(32, 1000, half_life=10_000) == pytest.approx(0.5 ** (32 / 50))
    assert decay(32, 0, half_life=10_000) == 0.0
