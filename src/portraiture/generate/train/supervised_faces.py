"""Supervised recipe for images: a StyleGAN2 trained on renders with known latents.

z (person, camera, light) ─mapping─▶ ws ─synthesis─▶ image ─losses─ render
The render of each z is known, so images are compared pixel by pixel. Regression gives soft images;
`adversarial-faces` can start from the result. Letters: B people, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from numpy import ndarray
from torch import Tensor

from portraiture.generate.train.pretrain_mapping import pretrain_mapping
from portraiture.generate.train.supervised import (
    anneal,
    initialise_styles,
    learning_groups,
    pretrain_on_first,
)
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.people.people_set import Example, PeopleSet
from portraiture.perception.features import load_squeeze, perceptual_distance
from portraiture.perception.weights import load_parser
from portraiture.train.adversary import autocast, follow_w
from portraiture.train.distributed import World, average_gradients
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState


@dataclass(frozen=True)
class SupervisedFacesConfig:
    """Settings of supervised-faces.

    pretrain_people, pretrain_steps: number of people and steps of pre-training the mapping
    (`pretrain_mapping`). learning_rate: Adam's, with cosine decay over `decay_steps` to the factor
    `final_rate`. perceptual: network behind the perceptual loss. *_weight: loss weights. half_life:
    of the EMA, in images. grid_people: columns of the grid.
    """

    run: RunConfig
    generator: FacesConfig
    pretrain_people: int = 40_000
    pretrain_steps: int = 4_500
    learning_rate: float = 0.002
    decay_steps: int = 20_000
    final_rate: float = 0.1
    image_weight: float = 1.0
    perceptual: Literal["parser", "squeezenet"] = "parser"
    perceptual_weight: float = 0.4
    half_life: float = 4_000.0
    grid_people: int = 8


class SupervisedFaces:
    """The recipe; see `train.loop.Recipe`. perceptual: SqueezeNet's weights for the perceptual
    loss, instead of the shipped face parser."""

    def __init__(
        self, config: SupervisedFacesConfig, data: PeopleSet, perceptual: Path | None = None
    ) -> None:
        kind = "parser" if perceptual is None else "squeezenet"
        self.config, self.data = replace(config, perceptual=kind), data
        self.features = load_parser() if perceptual is None else load_squeeze(perceptual)

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """A new generator, its EMA and Adam."""
        network = FacesGenerator(self.config.generator).to(world.device)
        self.features.to(world.device)
        synthesis = network.synthesis
        initialise_styles(network, [synthesis.block(synthesis.resolutions[-1]).torgb])
        groups = learning_groups(network, network.mapping, self.config.learning_rate)
        return TrainState(
            models={"generator": network},
            averages={"generator": averaged_copy(network)},
            optimizers={"generator": torch.optim.Adam(groups, betas=(0.9, 0.99))},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> Example:
        """A batch of different people, one view each."""
        return self.data.sample(size, generator)

    def step(
        self, state: TrainState, batch: Example, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the generator and its EMA."""
        network, optimizer = state.models["generator"], state.optimizers["generator"]
        average = state.averages["generator"]
        assert isinstance(network, FacesGenerator)
        pretrained: dict[str, Tensor] = {}
        if state.step == 0 and self.config.pretrain_steps:
            pretrain, names = partial(self._pretrain, network), ("parameters_unknown",)
            pretrained = pretrain_on_first(network, average, pretrain, names, world)
        config = self.config
        anneal(optimizer, state.step, decay_steps=config.decay_steps, last=config.final_rate)
        optimizer.zero_grad(set_to_none=True)
        ws = network.mapping(batch.z, None)
        with autocast(world.device, self.run.precision):
            image = network.images(ws).float()
        losses = self.losses(image, batch)
        torch.stack(list(losses.values())).sum().backward()
        average_gradients(network.parameters(), world)
        optimizer.step()
        follow_w(network.mapping.w_avg, ws.detach(), world)
        images = float((state.step + 1) * self.run.batch)
        update(average, network, decay(self.run.batch, images, half_life=config.half_life))
        return pretrained | {name: loss.detach() for name, loss in losses.items()}

    def losses(self, image: Tensor, batch: Example) -> dict[str, Tensor]:
        """The weighted losses by name. image: (B, 3, R, R)."""
        error = (batch.weight * (image - batch.image).abs()).mean()
        distance = perceptual_distance(self.features, image, batch.image).mean()
        return {
            "image": self.config.image_weight * error,
            "perceptual": self.config.perceptual_weight * distance,
        }

    def _pretrain(self, network: FacesGenerator) -> dict[str, float]:
        config = self.config
        unknown, _ = pretrain_mapping(
            network.mapping, people=config.pretrain_people, steps=config.pretrain_steps,
            seed=self.run.seed,
        )  # fmt: skip
        return {"parameters_unknown": unknown}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Two rows: renders of the engine, images of the generator."""
        network = state.averages["generator"]
        assert isinstance(network, FacesGenerator)
        people = range(min(self.config.grid_people, len(self.data)))
        parts = [self.data.example(k, k % self.data.views(k)) for k in people]
        wanted = torch.cat([part.image for part in parts])
        z = torch.cat([part.z for part in parts]).to(network.mapping.w_avg.device)
        made = network.images(network.mapping(z, None))
        return stack_rows(tile(wanted, columns=len(parts)), tile(made, columns=len(parts)))
