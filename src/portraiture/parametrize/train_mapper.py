"""Trains the mapper: w+ of a photo to a relaxed avatar vector (Sang et al. 2022, section 3.3).

real photo ─encoder─▶ w+ ─┬─stylised generator─▶ portrait ─┬─ perceptual, identity, colours
                          └─mapper─▶ relaxed ─imitator─▶ image ─┘
photo of an avatar ─encoder─▶ w+ ─mapper─▶ numbers, logits ─ Huber, cross-entropy ─ vector    [ours]
The second, supervised line comes first and fades: self-supervision alone starts from anywhere.
Letters: B photos, N rows of w+, R side of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.data.pair_set import PairBatch, PairSet, Portraits
from portraiture.errors import TrainingError
from portraiture.parametrize.cascade import Bridge
from portraiture.parametrize.losses import (
    choice_loss,
    colour_loss,
    imitation_losses,
    number_loss,
    right_choices,
)
from portraiture.parametrize.networks import Mapper, MapperConfig, relaxed_vector
from portraiture.parametrize.train_regressor import fit_heads
from portraiture.parametrize.vector import hardened
from portraiture.perception.features import FeatureNetwork
from portraiture.perception.identity import IdentityNetwork
from portraiture.perception.parser import ParserNetwork
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState


class MapperBatch(NamedTuple):
    """pairs: avatars with their photos. portraits: photos of real people in [-1, 1], over white."""

    pairs: PairBatch
    portraits: Float[Tensor, "B 3 R R"]


@dataclass(frozen=True)
class MapperTraining:
    """supervised, faded: weight of the supervised losses at the start, and the share of it that is
    left after fade_steps. perceptual, identity, colour: weights of the losses of real photos, which
    begin at step real_from. epoch_steps: steps of what the paper calls an epoch; β is 1 in the
    first and one more in each later one, at most beta_most. real_share: share of a batch that are
    real photos. stylised: compare real photos' renders with stylised portraits rather than with the
    photos. relaxed: render relaxed vectors rather than strict ones, whose gradients are those of
    the relaxed (straight through); both are the paper's.
    learning_rate: of Adam, which AdamW is with no weight_decay, with cosine decay over decay_steps.
    half_life: of the EMA, in images. grid_photos: columns of the grid."""

    run: RunConfig
    network: MapperConfig = field(default_factory=MapperConfig)
    supervised: float = 1.0
    faded: float = 0.3
    fade_steps: int = 4_000
    perceptual: float = 0.8
    identity: float = 1.0
    colour: float = 1.0
    real_from: int = 1_000
    real_share: float = 0.5
    stylised: bool = True
    relaxed: bool = True
    epoch_steps: int = 500
    beta_most: float = 20.0
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    decay_steps: int = 10_000
    half_life: float = 4_000.0
    grid_photos: int = 8

    def beta(self, step: int) -> float:
        """β at a step (supplement 2.2: one more each epoch)."""
        return min(1.0 + step // self.epoch_steps, self.beta_most)


class TrainMapper:
    """The recipe; see `train.loop.Recipe`. bridge: the frozen encoder, stylised generator and
    imitator. parser: of the images' regions."""

    def __init__(
        self, config: MapperTraining, data: PairSet, portraits: Portraits, bridge: Bridge,
        features: FeatureNetwork, identity: IdentityNetwork, parser: ParserNetwork,
    ) -> None:  # fmt: skip
        rows, w_dim = bridge.faces.num_ws, bridge.faces.config.w_dim
        parts = (("stylization", config.stylised), ("relaxation", config.relaxed))
        network = replace(
            config.network, rows=rows, w_dim=w_dim, bridge=bridge.fingerprint(),
            without=tuple(name for name, kept in parts if not kept),
        )  # fmt: skip
        self.config, self.data = replace(config, network=network), data
        self.portraits, self.bridge = portraits, bridge
        self.features, self.identity, self.parser = features, identity, parser

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The mapper, its EMA and Adam."""
        self.bridge.to(world.device)
        for network in (self.identity, self.features, self.parser):
            if isinstance(network, torch.nn.Module):
                network.to(world.device)
        network = Mapper(self.config.network)
        network.w_avg.copy_(self.bridge.faces.mapping.w_avg)
        fit_heads(network.heads, self.data)
        return adamw_state("mapper", network.to(world.device), self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> MapperBatch:
        """Avatars and real photos."""
        real = min(max(1, round(size * self.config.real_share)), size - 1)
        if real < 1:
            raise TrainingError("mapper needs batches of two or more.")
        pairs = self.data.sample(size - real, generator)
        return MapperBatch(pairs, self.portraits.sample(real, generator))

    def step(
        self, state: TrainState, batch: MapperBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the mapper and its EMA."""
        network, config = state.models["mapper"], self.config
        assert isinstance(network, Mapper)
        start_step(state, "mapper", config)
        numbers, logits = network(self.bridge.codes(batch.pairs.photo))
        beta = config.beta(state.step)
        network.beta.fill_(beta)
        fade = min(state.step / max(1, config.fade_steps), 1.0)
        weight = config.supervised * (1.0 + (config.faded - 1.0) * fade)
        spread = network.heads.spread
        losses = {
            "numbers": weight * number_loss(numbers, batch.pairs.vector, spread),
            "choices": weight * choice_loss(logits, batch.pairs.vector, beta),
        }
        right = right_choices(logits, batch.pairs.vector).float().mean()
        if state.step >= config.real_from:
            losses |= self.of_real(network, batch.portraits, beta)
        loss = torch.stack(list(losses.values())).sum()
        finish_step(state, "mapper", config, loss, world)
        return {name: loss.detach() for name, loss in losses.items()} | {"right": right}

    def of_real(self, network: Mapper, photos: Tensor, beta: float) -> dict[str, Tensor]:
        """The weighted losses of real photos, in image space. photos: (B, 3, R, R)."""
        config, codes = self.config, self.bridge.codes(photos)
        target = self.bridge.portraits(codes) if config.stylised else photos
        vector = relaxed_vector(network(codes), beta)
        if not config.relaxed:
            vector = vector + (hardened(vector) - vector).detach()
        image = self.bridge.imitator(vector)
        found = imitation_losses(image, target, self.features, self.identity)
        with torch.no_grad():
            parsed = [self.parsed(images) for images in (image, target)]
        return {
            "perceptual": config.perceptual * found["perceptual"],
            "identity": config.identity * found["identity"],
            "colour": config.colour * colour_loss(image, target, parsed[0], parsed[1]),
        }

    def parsed(self, images: Float[Tensor, "B 3 R R"]) -> Float[Tensor, "B S R R"]:
        """Probabilities of segments."""
        side = images.shape[-1]
        large = F.interpolate(images, (self.parser.config.size,) * 2, mode="bilinear")
        logits = self.parser(large)
        return F.interpolate(logits, (side, side), mode="bilinear").softmax(1)

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: real photos, stylised portraits, relaxed renders."""
        network = state.averages["mapper"]
        assert isinstance(network, Mapper)
        count = min(self.config.grid_photos, len(self.portraits.photos))
        photos = self.portraits.plain(list(range(count))).to(network.w_avg.device)
        codes = self.bridge.codes(photos)
        relaxed = relaxed_vector(network(codes), float(network.beta))
        rows = (photos, self.bridge.portraits(codes), self.bridge.imitator(relaxed))
        return stack_rows(*(tile(row, columns=count) for row in rows))
