"""Trains the imitator: avatar vector to the engine's image (Sang et al. 2022, supplement 2.1).

vector ─MLPs─▶ w+ ─StyleGAN2─▶ image ─ L1 + 0.8 perceptual + 1.0 identity ─ normalised render
The first of its two steps, a StyleGAN2 of such renders without labels, is the recipe
adversarial-faces; the second, which is here, starts from that, or straight from a generator of
similar images. Letters: B avatars, R side of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from numpy import ndarray
from torch import Tensor

from portraiture.data.pair_set import PairBatch, PairSet
from portraiture.networks.faces2d import FacesGenerator
from portraiture.parametrize.losses import imitation_losses
from portraiture.parametrize.networks import SELDOM, SMALLEST, Imitator, ImitatorConfig
from portraiture.parametrize.vector import FIRST_CHOICE, LAST_CHOICE
from portraiture.perception.features import FeatureNetwork
from portraiture.perception.identity import IdentityNetwork
from portraiture.train.adamw import finish_step, start_step
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.ema import averaged_copy
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState


@dataclass(frozen=True)
class ImitatorTraining:
    """image, perceptual, identity: λ1, λ2 and λ3 of equation 1. learning_rate: of Adam, for the
    MLPs; generator_rate: factor on it for the StyleGAN2. final_rate: factor on both at the end of a
    cosine decay over decay_steps (the paper halves them every two epochs). half_life: of the EMA,
    in images. start: fingerprint of the network that it started from. grid_avatars: columns of
    the grid."""

    run: RunConfig
    network: ImitatorConfig = field(default_factory=ImitatorConfig)
    image: float = 1.0
    perceptual: float = 0.8
    identity: float = 1.0
    learning_rate: float = 0.002
    generator_rate: float = 0.5
    final_rate: float = 0.05
    decay_steps: int = 20_000
    half_life: float = 4_000.0
    start: str = ""
    grid_avatars: int = 8


class TrainImitator:
    """The recipe; see `train.loop.Recipe`. begun: StyleGAN2 or imitator to start from."""

    def __init__(
        self, config: ImitatorTraining, data: PairSet, begun: FacesGenerator | Imitator,
        features: FeatureNetwork, identity: IdentityNetwork,
    ) -> None:  # fmt: skip
        known = begun.config
        if isinstance(known, ImitatorConfig):
            network = replace(known, style=data.style)
        else:
            network = replace(config.network, faces=known, style=data.style)
        self.config, self.data = replace(config, network=network), data
        self.begun, self.features, self.identity = begun, features, identity

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The imitator as it was, or with the generator's synthesis; its EMA and Adam."""
        network = Imitator(self.config.network)
        if isinstance(self.begun, Imitator):
            network.load_state_dict(self.begun.state_dict())
        else:
            network.synthesis.load_state_dict(self.begun.synthesis.state_dict())
            network.w_avg.copy_(self.begun.mapping.w_avg)
            center, spread = self.data.spread()
            network.center.copy_(center)
            network.spread.copy_(spread.clamp_min(SMALLEST))
            network.spread[FIRST_CHOICE:LAST_CHOICE].clamp_min_(SELDOM)
        network.to(world.device)
        self.identity.to(world.device)
        if isinstance(self.features, torch.nn.Module):
            self.features.to(world.device)
        groups = [
            {"params": list(network.rows.parameters()), "factor": 1.0},
            {
                "params": list(network.synthesis.parameters()),
                "factor": self.config.generator_rate,
            },
        ]
        return TrainState(
            models={"imitator": network},
            averages={"imitator": averaged_copy(network)},
            optimizers={"imitator": torch.optim.Adam(groups, betas=(0.9, 0.99), foreach=False)},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> PairBatch:
        """A batch of different avatars."""
        return self.data.sample(size, generator)

    def step(
        self, state: TrainState, batch: PairBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the imitator and its EMA."""
        network, config = state.models["imitator"], self.config
        assert isinstance(network, Imitator)
        start_step(state, "imitator", config, last=config.final_rate)
        with autocast(world.device, self.run.precision):
            image = network(batch.vector).float()
        losses = imitation_losses(image, batch.normal, self.features, self.identity)
        weights = {
            "image": config.image, "perceptual": config.perceptual, "identity": config.identity,
        }  # fmt: skip
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        finish_step(state, "imitator", config, total, world)
        error = (image.detach().clamp(-1, 1) - batch.normal).square().mean((1, 2, 3))
        psnr = (-10.0 * (error / 4.0).clamp_min(1e-9).log10()).mean()
        return {name: loss.detach() for name, loss in losses.items()} | {"psnr": psnr}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: renders of the engine, the imitator's images, and steps from the first avatar to
        the second (figure 1)."""
        network = state.averages["imitator"]
        assert isinstance(network, Imitator)
        count = min(self.config.grid_avatars, len(self.data))
        parts = [self.data.example(k) for k in range(count)]
        wanted = torch.cat([part.normal for part in parts])
        vector = torch.cat([part.vector for part in parts]).to(network.w_avg.device)
        along = torch.linspace(0.0, 1.0, count).to(vector)[:, None]
        between = torch.lerp(vector[:1], vector[-1:], along)
        rows = (wanted, network(vector), network(between))
        return stack_rows(*(tile(row, columns=count) for row in rows))
