"""Recipe of the face parser: synthetic portraits with a label per pixel.

faces ─distort─▶ 128² ─ParserNetwork─▶ logits ─cross entropy + Dice─▶ loss ◀─ labels
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from portraiture.data.distort import Distortion
from portraiture.data.labelled_photos import UNKNOWN
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.perception_training.faces_data import FaceData
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState
from portraiture.types import Segment

RARE = {
    Segment.NOSE: 1.5, Segment.GLASSES: 3.0, Segment.LEFT_EYE: 4.0, Segment.RIGHT_EYE: 4.0,
    Segment.LEFT_BROW: 3.0, Segment.RIGHT_BROW: 3.0, Segment.LEFT_EAR: 2.0,
    Segment.RIGHT_EAR: 2.0, Segment.MOUTH: 3.0, Segment.UPPER_LIP: 3.0, Segment.LOWER_LIP: 3.0,
    Segment.HAT: 2.0,
}  # fmt: skip
"""Weights of small or seldom classes; the others count 1."""

COLOURS = np.array(
    [
        (30, 30, 34), (232, 190, 160), (240, 150, 110), (90, 200, 230), (60, 110, 240),
        (30, 60, 170), (120, 80, 40), (170, 120, 60), (230, 110, 150), (190, 70, 120),
        (250, 250, 250), (220, 60, 60), (160, 20, 40), (80, 50, 100), (60, 160, 80),
        (250, 220, 60), (200, 180, 40), (200, 150, 130), (90, 120, 150),
    ],
    np.uint8,
)  # fmt: skip
"""A colour for each `Segment`, for looking at."""


@dataclass(frozen=True)
class ParserTraining:
    """dice: weight of the Dice loss. learning_rate: AdamW's, falling along a half cosine over
    decay_steps. half_life: of the average, in images."""

    run: RunConfig
    network: ParserConfig = field(default_factory=ParserConfig)
    distortion: Distortion = field(
        default_factory=lambda: Distortion(
            size=128, zoom=(0.75, 1.25), shift=0.05, turn=0.1, colour=0.75, blur=0.3, dye=0.6
        )
    )
    dice: float = 0.5
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    decay_steps: int = 1200
    half_life: float = 2_000.0


@dataclass
class TrainParser:
    """Recipe; see `train.loop.Recipe`."""

    config: ParserTraining
    data: FaceData

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its average and AdamW."""
        network = ParserNetwork(self.config.network).to(world.device)
        return adamw_state("parser", network, self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Distorted faces and their labels."""
        images, labels, _ = self.data.batch(size, self.config.distortion, generator)
        return images, labels

    def step(
        self, state: TrainState, batch: tuple[Tensor, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network and its average."""
        config, (images, labels) = self.config, batch
        start_step(state, "parser", config)
        with autocast(world.device, self.run.precision):
            logits = state.models["parser"](images)
        value = parsing_loss(logits.float(), labels, dice=config.dice)
        finish_step(state, "parser", config, value, world)
        right = (logits.detach().argmax(1) == labels).float().mean()
        return {"loss": value.detach(), "accuracy": right}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: images, their labels, ours."""
        images, labels = self.batch(0, 8, generator(0))
        network = state.averages["parser"]
        device = next(network.parameters()).device
        found = network(images.to(device)).argmax(1).cpu()
        return stack_rows(
            tile(images, columns=8), *(tile(coloured(x), columns=8) for x in (labels, found))
        )


def parsing_loss(
    logits: Float[Tensor, "B C H W"], labels: Int[Tensor, "B H W"], *, dice: float
) -> Float[Tensor, ""]:
    """Cross entropy, weighted by `RARE`, and `dice` times the Dice loss (Milletari et al. 2016,
    eq. 1) averaged over the classes of the batch. Pixels labelled UNKNOWN are ignored."""
    weight = torch.ones(logits.shape[1], device=logits.device)
    for segment, value in RARE.items():
        weight[segment] = value
    entropy = F.cross_entropy(logits, labels, weight=weight, ignore_index=UNKNOWN)
    known = labels != UNKNOWN
    flat = labels[known]
    found = logits.softmax(1).permute(0, 2, 3, 1)[known]
    right = found.gather(1, flat[:, None])[:, 0]
    both = torch.zeros_like(weight).index_add(0, flat, right)
    true = torch.zeros_like(weight).index_add(0, flat, torch.ones_like(right))
    share = 2.0 * both / (found.sum(0) + true).clamp_min(1.0)
    return entropy + dice * (1.0 - share[true > 0]).mean()


def coloured(labels: Int[Tensor, "B H W"]) -> Float[Tensor, "B 3 H W"]:
    """Labels as images in [-1, 1]."""
    palette = torch.from_numpy(COLOURS).float() / 127.5 - 1.0
    return palette[labels.long()].permute(0, 3, 1, 2)
