"""Recipe of the attribute network: photos of people whose attributes are known.

photo ─AttributeNetwork─▶ scores ◀─robust error─▶ `people.attributes` of the person's latent
Letters: B photos, A attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.data.photo_set import PhotoSet
from portraiture.data.sampled_photos import SampledPhotos
from portraiture.people.attributes import score_people
from portraiture.people.latent import sample_latents
from portraiture.perception.attributes import AttributeNetwork, AttributesConfig
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.distributed import World
from portraiture.train.grids import tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState

PEOPLE, PEOPLE_SEED = 4_000, 0xA77


@dataclass(frozen=True)
class AttributesTraining:
    """sampled_share: of a batch, sampled from an image generator. learning_rate: AdamW's, falling
    along a half cosine over decay_steps. half_life: of the average, in images."""

    run: RunConfig
    network: AttributesConfig = field(default_factory=AttributesConfig)
    sampled_share: float = 0.5
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    decay_steps: int = 1_000
    half_life: float = 4_000.0


class TrainAttributes:
    """Recipe; see `train.loop.Recipe`."""

    def __init__(self, config: AttributesTraining, data: PhotoSet, sampled: SampledPhotos) -> None:
        names, means, deviations = known_spread()
        network = replace(config.network, names=names, means=means, deviations=deviations)
        self.config, self.data, self.sampled = replace(config, network=network), data, sampled

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its average and AdamW."""
        config = self.config
        network = AttributeNetwork(config.network).to(world.device)
        return adamw_state("attributes", network, config)

    def batch(
        self, number: int, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B 3 R R"], Float[Tensor, "B A"]]:
        """Photos and their people's standardised scores."""
        count = round(size * self.config.sampled_share)
        people = self.data.sample(size - count, generator)
        sampled = self.sampled.sample(count, generator)
        photos = torch.cat([people.photo, sampled.photo])
        return photos, self.standardised(torch.cat([people.seen.z, sampled.z]))

    def standardised(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B A"]:
        """Scores of people by their latents."""
        network, scores = self.config.network, score_people(z.numpy())
        columns = [
            (scores[name] - mean) / deviation  # type: ignore[index]
            for name, mean, deviation in zip(
                network.names, network.means, network.deviations, strict=True
            )
        ]
        return torch.from_numpy(np.stack(columns, 1)).float()

    def step(
        self, state: TrainState, batch: tuple[Tensor, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network and its average."""
        config, (photos, wanted) = self.config, batch
        network = state.models["attributes"]
        assert isinstance(network, AttributeNetwork)
        start_step(state, "attributes", config)
        found = network.standardised(photos)
        loss = F.smooth_l1_loss(found, wanted)
        finish_step(state, "attributes", config, loss, world)
        unknown = (found.detach() - wanted).square().mean(0)
        names = (f"unknown_{name}" for name in config.network.names)
        return {"loss": loss.detach(), **dict(zip(names, unknown, strict=True))}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """What the network is shown."""
        photos, _ = self.batch(0, min(32, self.run.batch), generator(0))
        return tile(photos, columns=8)


def known_spread() -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    """Names of the attributes, and mean and standard deviation of each over people."""
    scores = score_people(sample_latents(PEOPLE, PEOPLE_SEED))
    means = tuple(float(values.mean()) for values in scores.values())
    deviations = tuple(float(values.std()) for values in scores.values())
    return tuple(scores), means, deviations
