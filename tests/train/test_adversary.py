"""What the adversarial recipes share."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from portraiture.networks.discriminator import Discriminator, DiscriminatorConfig
from portraiture.train import log as log_module
from portraiture.train.adversary import (
    AdversaryConfig,
    Opponent,
    follow_w,
    frozen,
    lazy_adam,
    pieces,
    update_weights,
)
from portraiture.train.distributed import World
from portraiture.train.log import open_log
from portraiture.train.loop import RunConfig
from portraiture.train.rng import step_rng
from portraiture.train.state import TrainState

TINY = DiscriminatorConfig(size=8, channel_base=32, channel_max=4)


def test_lazy_adam_makes_up_for_its_second_update() -> None:
    group = lazy_adam(nn.Linear(1, 1), 0.002, 16).param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))


def test_pieces_give_the_gradient_of_the_whole() -> None:
    x, y = torch.randn(6, 3), torch.randn(6)
    weights = []
    for micro in (None, 2, 3):
        torch.manual_seed(0)
        network = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        parts = pieces(RunConfig(steps=1, batch=6, micro_batch=micro), x, y)
        assert len(parts) == {None: 1, 2: 3, 3: 2}[micro]

        def losses(
            parts: list[tuple[Tensor, ...]] = parts, network: nn.Module = network
        ) -> Iterator[Tensor]:
            for a, b in parts:
                yield (network(a)[:, 0] - b).square().mean()

        loss = update_weights(optimizer, network, losses(), len(parts), World())
        weights.append((loss, network.weight.detach()))
    for loss, weight in weights[1:]:
        assert torch.allclose(loss, weights[0][0]) and torch.allclose(weight, weights[0][1])


def test_frozen_networks_thaw() -> None:
    network = nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="stop"), frozen(network):
        assert not network.weight.requires_grad
        raise RuntimeError("stop")
    assert network.weight.requires_grad


def test_w_average_moves_by_two_thousandths() -> None:
    average, ws = torch.ones(3), torch.full((4, 2, 3), 3.0)
    follow_w(average, ws, World())
    assert torch.allclose(average, torch.full((3,), 0.998 + 0.002 * 3.0))


def _opponent(target: float | None, precision: str = "fp32") -> Opponent:
    torch.manual_seed(0)
    network = Discriminator(TINY)
    state = TrainState(
        {"discriminator": network},
        {},
        {"discriminator": lazy_adam(network, 0.01, 16)},
        {"augment_p": 0.0, "signs": 0.0},
    )
    config = AdversaryConfig(augment_target=target, augment_kimg=0.16)
    run = RunConfig(steps=1, batch=4, precision=precision)  # type: ignore[arg-type]
    with torch.random.fork_rng():
        rng = step_rng(0, 0, 0, torch.device("cpu"))
    return Opponent(state, config, run, rng, World())


@pytest.mark.parametrize(("target", "expected"), [(-2.0, 0.1), (2.0, 0.0), (None, 0.0)])
def test_p_follows_the_signs_every_four_steps(target: float | None, expected: float) -> None:
    opponent, images = _opponent(target), torch.randn(4, 3, 8, 8)
    state = opponent.state
    for state.step in range(4):
        assert state.numbers["augment_p"] == 0.0
        opponent.learn(images, images.flip(0), torch.zeros(4, 25), torch.zeros(4, 25))
    assert state.numbers["augment_p"] == pytest.approx(expected) and state.numbers["signs"] == 0.0


def test_it_learns_to_tell_and_r1_flattens_it() -> None:
    opponent = _opponent(None)
    reals, none = torch.rand(4, 3, 8, 8), torch.zeros(4, 25)
    for _ in range(30):
        metrics = opponent.learn(reals, -reals, none, none)
    assert metrics["score_real"] > metrics["score_fake"] + 1
    before = float(opponent.penalize((reals,), none, lambda x: x)["r1"])
    for _ in range(30):
        after = float(opponent.penalize((reals,), none, lambda x: x)["r1"])
    assert after < 0.7 * before


def test_bf16_keeps_fp32_weights_and_gradients() -> None:
    opponent = _opponent(None, "bf16")
    opponent.learn(torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8), *torch.zeros(2, 4, 25))
    for p in opponent.network.parameters():
        assert p.dtype == torch.float32 and p.grad is not None and p.grad.dtype == torch.float32
        assert opponent.state.optimizers["discriminator"].state[p]["exp_avg_sq"].dtype == p.dtype


def test_tensorboard_gets_the_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows: list[Any] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            rows.append((Path(folder).name, purge_step))

        def __enter__(self) -> Writer:
            return self

        def __exit__(self, *error: object) -> None:
            rows.append("closed")

        def add_scalar(self, *arguments: object) -> None:
            rows.append(arguments)

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(log_module, "find_spec", lambda name: object())
    with open_log(tmp_path, 6, World()) as log:
        log(7, {"loss": 0.5})
    assert rows == [("events", 7), ("loss", 0.5, 7), "closed"]
