"""Trains the supervised regressor, the baseline of `evaluate` (as Wang et al. 2023, SwiftAvatar).

photo of an avatar, augmented ─Regressor─▶ numbers, logits ─ Huber, cross-entropy ─ vector
Since one engine renders the same parameters as photo and as normalised render, labels are exact;
what it cannot have is photos of real people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from numpy import ndarray
from torch import Tensor

from portraiture.data.pair_set import PairBatch, PairSet
from portraiture.parametrize.losses import choice_loss, number_loss, right_choices
from portraiture.parametrize.networks import (
    SMALLEST,
    Regressor,
    RegressorConfig,
    VectorHeads,
)
from portraiture.parametrize.vector import numbers_of
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState


@dataclass(frozen=True)
class RegressorTraining:
    """normal_share: share of a batch that are normalised renders instead of photos. numbers,
    choices: weights of the losses. learning_rate: of AdamW, with cosine decay over decay_steps.
    half_life: of the EMA, in images. grid_avatars: columns of the grid."""

    run: RunConfig
    network: RegressorConfig = field(default_factory=RegressorConfig)
    normal_share: float = 0.15
    numbers: float = 1.0
    choices: float = 1.0
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    decay_steps: int = 10_000
    half_life: float = 4_000.0
    grid_avatars: int = 8


class TrainRegressor:
    """The recipe; see `train.loop.Recipe`."""

    def __init__(self, config: RegressorTraining, data: PairSet) -> None:
        network = replace(config.network, size=data.side)
        self.config, self.data = replace(config, network=network), data

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its EMA and AdamW."""
        network = Regressor(self.config.network)
        fit_heads(network.heads, self.data)
        return adamw_state("regressor", network.to(world.device), self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> PairBatch:
        """A batch of different avatars, some of whose photos are their normalised renders."""
        batch = self.data.sample(size, generator)
        normal = torch.rand(size, generator=generator) < self.config.normal_share
        photo = torch.where(normal[:, None, None, None], batch.normal, batch.photo)
        return batch._replace(photo=photo)

    def step(
        self, state: TrainState, batch: PairBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network and its EMA."""
        network, config = state.models["regressor"], self.config
        assert isinstance(network, Regressor)
        start_step(state, "regressor", config)
        with autocast(world.device, self.run.precision):
            numbers, logits = network(batch.photo)
        numbers, logits = numbers.float(), logits.float()
        losses = {
            "numbers": number_loss(numbers, batch.vector, network.heads.spread),
            "choices": choice_loss(logits, batch.vector),
        }
        loss = config.numbers * losses["numbers"] + config.choices * losses["choices"]
        finish_step(state, "regressor", config, loss, world)
        right = right_choices(logits, batch.vector).float().mean()
        return {name: loss.detach() for name, loss in losses.items()} | {"right": right}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: photos, and the normalised renders of the same avatars."""
        count = min(self.config.grid_avatars, len(self.data))
        parts = [self.data.example(k) for k in range(count)]
        photos = torch.cat([part.photo for part in parts])
        wanted = torch.cat([part.normal for part in parts])
        return stack_rows(tile(photos, columns=count), tile(wanted, columns=count))


def fit_heads(heads: VectorHeads, data: PairSet) -> None:
    """Set the mean and standard deviation of the numbers."""
    center, spread = data.spread()
    heads.center.copy_(numbers_of(center[None])[0])
    heads.spread.copy_(numbers_of(spread[None])[0].clamp_min(SMALLEST))
