"""Recipe of the portrait parser: portraits of real people with pseudo-labels, and renders [ours].

portraits, pictures, cut-outs ─augment─▶ 256² ─PortraitParser─▶ pixels ─cross entropy, Dice─┐
                                                             └▶ looks ─cross entropy────────┴▶ loss
Unknown pixels and looks are excluded; a photo labelled with glasses must have pixels of them.
Letters: B images, K segments, L logits of looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from portraiture.data.augment import Augmentation, augmented
from portraiture.data.labelled_photos import UNKNOWN, LabelledPhotos
from portraiture.perception.looks import NAMES, Look, split
from portraiture.perception.portrait_parser import PortraitParser, PortraitParserConfig
from portraiture.perception_training.parser import coloured, parsing_loss
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState
from portraiture.types import Segment

NAME = "portrait-parser"
CLIP = 5.0
"""Maximum gradient norm."""
SMOOTHING = 0.05
"""Of the looks' labels."""


@dataclass(frozen=True)
class Source:
    """share: of a batch. how: augmentation of its pictures."""

    share: float
    how: Augmentation


@dataclass(frozen=True)
class PortraitParserTraining:
    """portraits, pictures, cutouts: what a batch is made of. dice: weight of the Dice loss. looks:
    of the looks' mean cross entropy. seen: of glasses that have to be somewhere. learning_rate:
    AdamW's, falling along a half cosine over decay_steps. half_life: of the
    average, in images."""

    run: RunConfig
    network: PortraitParserConfig
    portraits: Source
    pictures: Source
    cutouts: Source
    dice: float = 0.5
    looks: float = 0.3
    seen: float = 0.05
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    decay_steps: int = 8_000
    half_life: float = 20_000.0


class Sources(TypedDict):
    """What a batch is made of, as arguments of `PortraitParserTraining`."""

    portraits: Source
    pictures: Source
    cutouts: Source


def sources(size: int) -> Sources:
    """Shares and augmentations for pictures of `size` pixels."""
    synthetic = Augmentation(size, zoom=(0.75, 1.3), dye=0.6)
    return {
        "portraits": Source(0.5, Augmentation(size, zoom=(0.75, 2.1))),
        "pictures": Source(0.3, synthetic),
        "cutouts": Source(0.2, synthetic),
    }


@dataclass
class TrainPortraitParser:
    """Recipe; see `train.loop.Recipe`. data: by the name of their source in the config.
    backgrounds: behind cut-outs."""

    config: PortraitParserTraining
    data: dict[str, LabelledPhotos]
    backgrounds: Tensor

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its average and AdamW; moves the pictures to the device."""
        self.data = {name: photos.to(world.device) for name, photos in self.data.items()}
        self.backgrounds = self.backgrounds.to(world.device)
        network = PortraitParser(self.config.network).to(world.device)
        return adamw_state(NAME, network, self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Rows of each source, and seeds of their augmentation."""
        found, left = {}, size
        for k, (name, photos) in enumerate(self.data.items()):
            source: Source = getattr(self.config, name)
            last = k == len(self.data) - 1
            count = left if last else min(left, round(size * source.share))
            left -= count
            if count:
                chance = photos.chance.cpu()
                found[name] = torch.multinomial(chance, count, True, generator=generator)
        found["seed"] = torch.randint(1 << 62, (), generator=generator)
        return found

    def augment(
        self, batch: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"], Int[Tensor, "B A"]]:
        """The pictures of a batch, their labels and looks."""
        rng, parts = torch.Generator().manual_seed(int(batch["seed"])), []
        for name, photos in self.data.items():
            if name not in batch:
                continue
            source: Source = getattr(self.config, name)
            index = batch[name]
            images, labels = augmented(photos, index, source.how, self.backgrounds, rng)
            looks = photos.looks[index.to(photos.looks.device)].long()
            parts.append((images, labels, looks))
        images, labels, looks = (torch.cat(part) for part in zip(*parts, strict=True))
        return images, labels, looks

    def step(
        self, state: TrainState, batch: dict[str, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network and its average."""
        config = self.config
        start_step(state, NAME, config)
        images, labels, looks = self.augment(batch)
        with autocast(world.device, self.run.precision):
            logits, found = state.models[NAME](images)
        losses = {
            "pixels": parsing_loss(logits.float(), labels, dice=config.dice),
            "looks": config.looks * looks_loss(found.float(), looks),
            "seen": config.seen * seen_loss(logits.float(), looks),
        }
        total = torch.stack(list(losses.values())).sum()
        finish_step(state, NAME, config, total, world, clip=CLIP)
        known = labels != UNKNOWN
        right = (logits.detach().argmax(1) == labels)[known].float().mean()
        return {name: loss.detach() for name, loss in losses.items()} | {"accuracy": right}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: pictures, their labels, ours."""
        images, labels, _ = self.augment(self.batch(0, 16, generator(0)))
        network = state.averages[NAME]
        found = network(images)[0].argmax(1).cpu()
        known = torch.where(labels == UNKNOWN, 0, labels).cpu()
        return stack_rows(
            tile(images.cpu(), columns=16), *(tile(coloured(x), columns=16) for x in (known, found))
        )


def looks_loss(logits: Float[Tensor, "B L"], looks: Int[Tensor, "B A"]) -> Float[Tensor, ""]:
    """Cross entropy of each look over the pictures where it is known, averaged over the looks; one
    that is known nowhere counts zero."""
    total = logits.sum() * 0.0
    for name, scores in split(logits).items():
        column = looks[:, NAMES.index(name)]
        known = column >= 0
        if bool(known.any()):
            total = total + F.cross_entropy(scores[known], column[known], label_smoothing=SMOOTHING)
    return total / len(NAMES)


def seen_loss(logits: Float[Tensor, "B K H W"], looks: Int[Tensor, "B A"]) -> Float[Tensor, ""]:
    """Minus log probability of glasses, at the likeliest 400th of the pixels (at least one) of each
    image labelled with glasses."""
    glasses: Look = "glasses"
    worn = looks[:, NAMES.index(glasses)] > 0
    if not bool(worn.any()):
        return logits.sum() * 0.0
    found = logits[worn].log_softmax(1)[:, int(Segment.GLASSES)].flatten(1)
    count = max(1, found.shape[1] // 400)
    return -found.topk(count, 1).values.mean()
