"""What recipes that train one network share: AdamW, its schedule, and a moving average."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.train.distributed import World, average_gradients
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.loop import RunConfig
from portraiture.train.lr_schedule import annealed
from portraiture.train.state import TrainState

WARMUP = 50
"""Steps of linear warm-up."""
RAMP = 0.1
"""Maximum half-life of the average as a fraction of the images seen."""


class Schedule(Protocol):
    """The fields of a recipe's config that are read here. half_life: of the average, in images."""

    @property
    def run(self) -> RunConfig: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def decay_steps(self) -> int: ...

    @property
    def half_life(self) -> float: ...


class Decaying(Schedule, Protocol):
    """The same with AdamW's decay of weights."""

    @property
    def weight_decay(self) -> float: ...


def adamw_state(name: str, network: nn.Module, config: Decaying) -> TrainState:
    """The state of a recipe that trains one network: the network, its average and AdamW."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay,
        foreach=False,
    )  # fmt: skip
    return TrainState(
        models={name: network},
        averages={name: averaged_copy(network)},
        optimizers={name: optimizer},
    )


def start_step(state: TrainState, name: str, config: Schedule, *, last: float = 0.01) -> None:
    """Set the learning rate and clear the gradients. last: factor on the rate at the end; groups of
    parameters may have a "factor" of their own."""
    optimizer = state.optimizers[name]
    along = annealed(state.step, config.decay_steps, warmup=WARMUP, last=last)
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * along * group.get("factor", 1.0)
    optimizer.zero_grad(set_to_none=True)


def finish_step(
    state: TrainState, name: str, config: Schedule, loss: Float[Tensor, ""], world: World, *,
    others: Iterable[nn.Module] = (), clip: float | None = None,
) -> None:  # fmt: skip
    """Backpropagate and update the network and its average. others: modules that are trained with
    it. clip: maximum gradient norm."""
    network = state.models[name]
    loss.backward()
    parameters = [p for module in (network, *others) for p in module.parameters()]
    average_gradients(parameters, world)
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(parameters, clip)
    state.optimizers[name].step()
    seen = float(state.step * config.run.batch)
    beta = decay(config.run.batch, seen, half_life=config.half_life, ramp=RAMP)
    update(state.averages[name], network, beta)
