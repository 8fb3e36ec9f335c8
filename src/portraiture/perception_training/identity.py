"""Recipe of the identity network: CosFace on synthetic people.

two views of each person ─distort─▶ 112² ─IdentityNetwork─▶ embeddings ─┬─CosFace─▶ loss
                                                                        └─pair loss─┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from numpy import ndarray
from torch import Tensor

from portraiture.data.distort import Distortion
from portraiture.errors import TrainingError
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.perception_training.cosface import CosFace, pair_loss
from portraiture.perception_training.faces_data import FaceData
from portraiture.train.adamw import finish_step, start_step
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.ema import averaged_copy
from portraiture.train.grids import tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState


@dataclass(frozen=True)
class IdentityTraining:
    """people: directions of the loss, at least as many as the data's people. scale, margin: of
    CosFace; the margin grows from 0 over margin_steps. pair_weight, pair_scale: of the loss between
    the two views of each person, with the same margin. learning_rate: AdamW's, falling along a half
    cosine over decay_steps. half_life: of the average, in images."""

    run: RunConfig
    network: IdentityConfig = field(default_factory=IdentityConfig)
    distortion: Distortion = field(
        default_factory=lambda: Distortion(
            size=112,
            zoom=(0.76, 0.94),
            light=0.25,
            colour=0.7,
            occlude=0.08,
            blur=0.3,
            grain=0.25,
            jpeg=0.25,
        )
    )
    people: int = 4096
    scale: float = 30.0
    margin: float = 0.25
    margin_steps: int = 600
    pair_weight: float = 2.0
    pair_scale: float = 16.0
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    decay_steps: int = 1200
    half_life: float = 4_000.0


@dataclass
class TrainIdentity:
    """Recipe; see `train.loop.Recipe`."""

    config: IdentityTraining
    data: FaceData

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its average and the loss's directions. Raises TrainingError when the data
        has more people than the loss has directions."""
        config = self.config
        if len(self.data.faces) > config.people:
            raise TrainingError(
                f"The data holds {len(self.data.faces)} people, the preset takes {config.people}."
            )
        network = IdentityNetwork(config.network).to(world.device)
        loss = CosFace(config.people, config.network.embedding, scale=config.scale)
        loss = loss.to(world.device)
        optimizer = torch.optim.AdamW(
            [
                {"params": list(network.parameters()), "weight_decay": config.weight_decay},
                {"params": list(loss.parameters()), "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            foreach=False,
        )
        return TrainState(
            models={"identity": network, "people": loss},
            averages={"identity": averaged_copy(network)},
            optimizers={"identity": optimizer},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Distorted faces and who they are: two of each person."""
        images, _, person = self.data.batch(size, self.config.distortion, generator, pairs=True)
        return images, person

    def step(
        self, state: TrainState, batch: tuple[Tensor, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network, the directions and the average."""
        config, (images, person) = self.config, batch
        network, loss = state.models["identity"], state.models["people"]
        assert isinstance(loss, CosFace)
        start_step(state, "identity", config)
        loss.margin = config.margin * min(1.0, state.step / max(1, config.margin_steps))
        with autocast(world.device, self.run.precision):
            embeddings = network(images)
        embeddings = embeddings.float()
        first, second = embeddings.chunk(2)
        pairs = pair_loss(first, second, scale=config.pair_scale, margin=loss.margin)
        value = loss(embeddings, person) + config.pair_weight * pairs
        finish_step(state, "identity", config, value, world, others=[loss])
        with torch.no_grad():
            right = (loss.cosines(embeddings).argmax(1) == person).float().mean()
            nearest = (first @ second.T).argmax(1).cpu() == torch.arange(len(first))
        metrics = {"loss": value.detach(), "pairs": pairs.detach()}
        return metrics | {"accuracy": right, "pair_accuracy": nearest.float().mean()}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """What the network is shown."""
        images, _ = self.batch(0, 32, generator(0))
        return tile(images, columns=8)
