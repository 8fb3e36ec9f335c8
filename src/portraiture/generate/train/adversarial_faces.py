"""StyleGAN2's adversarial recipe (Karras et al. 2020a; ADA: Karras et al. 2020b).

z ─generator─▶ image ─┐
                      ├─augment─▶ discriminator
photo ────────────────┘
Letters: B images per process and step, R image side, N layers of ws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.generate.train.adversarial_heads import ImageData
from portraiture.networks.discriminator import Discriminator, DiscriminatorConfig
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.train.adversary import (
    AdversaryConfig,
    Opponent,
    autocast,
    follow_w,
    frozen,
    opponents,
    pieces,
    update_average,
    update_weights,
)
from portraiture.train.distributed import World, mean_over_processes
from portraiture.train.gan_losses import generator_loss, path_length_penalty, path_lengths
from portraiture.train.grids import tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState


@dataclass(frozen=True)
class Faces2dConfig:
    """The defaults are StyleGAN2-ADA's. mixing: probability of style mixing. path_weight,
    path_decay, path_shrink: path-length regularisation, computed on one in path_shrink images.
    truncation: of the grid's samples."""

    run: RunConfig
    generator: FacesConfig
    discriminator: DiscriminatorConfig
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    mixing: float = 0.9
    path_weight: float = 2.0
    path_decay: float = 0.01
    path_shrink: int = 2
    grid_columns: int = 8
    grid_people: int = 32
    truncation: float = 0.7


@dataclass
class AdversarialFaces:
    """The recipe; the data's cameras are ignored. start: generator with the config's sizes to start
    from; None for random weights."""

    config: Faces2dConfig
    data: ImageData
    start: FacesGenerator | None = None

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """A generator, its EMA and the discriminator."""
        made = FacesGenerator(self.config.generator)
        against = Discriminator(self.config.discriminator)
        if self.start is not None:
            made.load_state_dict(self.start.state_dict())
        state = opponents(made, against, self.config.adversary, world)
        state.numbers["path_mean"] = 0.0
        return state

    def batch(self, number: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.data.batch(number, size, generator)

    def step(
        self, state: TrainState, batch: tuple[Tensor, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """Generator, path-length, discriminator and R1 updates, then the EMA."""
        images, unused = batch
        rates = self.config.adversary
        opponent = Opponent(state, rates, self.run, rng, world)
        metrics: dict[str, Tensor | float] = {}
        if self.start is None or state.step >= rates.head_start:
            metrics |= self._improve(state, len(images), opponent)
            if state.step % rates.generator_every == 0 and self.config.path_weight:
                metrics |= self._even_out(state, len(images), rng, world)
        with torch.no_grad():
            parts = pieces(self.run, self._latents(len(images), rng, world))
            fakes = torch.cat([self._images(state, z, rng, world)[0] for (z,) in parts])
        metrics |= opponent.learn(images, fakes, unused, unused)
        if state.step % rates.r1_every == 0:
            metrics |= opponent.penalize((images,), unused, lambda x: x)
        update_average(state, rates, self.run)
        return metrics

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Truncated samples of the EMA."""
        average = state.averages["generator"]
        assert isinstance(average, FacesGenerator)
        z = torch.randn(self.config.grid_people, average.config.z_dim, generator=generator(0))
        z = z.to(next(average.parameters()).device)
        made = [
            average.images(average.mapping(part, None, truncation_psi=self.config.truncation))
            for part in z.split(8)
        ]
        return tile(torch.cat(made), columns=self.config.grid_columns)

    def _latents(self, count: int, rng: StepRng, world: World) -> Float[Tensor, "B Z"]:
        size = (count, self.config.generator.z_dim)
        return torch.randn(size, generator=rng.device, device=world.device)

    def _images(
        self, state: TrainState, z: Float[Tensor, "B Z"], rng: StepRng, world: World
    ) -> tuple[Float[Tensor, "B 3 R R"], Float[Tensor, "B N D"]]:
        """Images and their ws, with style mixing (Karras et al. 2019, section 3.1)."""
        network = state.models["generator"]
        assert isinstance(network, FacesGenerator)
        ws = network.mapping(z, None)
        if torch.is_grad_enabled():
            follow_w(network.mapping.w_avg, ws, world)
        mixes = torch.rand((), generator=rng.cpu) < self.config.mixing
        cut = int(torch.randint(1, network.num_ws, (), generator=rng.cpu))
        if mixes:
            other = network.mapping(self._latents(len(z), rng, world), None)
            ws = torch.cat([ws[:, :cut], other[:, cut:]], dim=1)
        with autocast(world.device, self.run.precision):
            return network.images(ws, noise="random").float(), ws

    def _improve(
        self, state: TrainState, count: int, opponent: Opponent
    ) -> dict[str, Tensor | float]:
        """One generator update by the adversarial loss."""
        rng, world = opponent.rng, opponent.world
        parts = pieces(self.run, self._latents(count, rng, world))

        def losses() -> Iterator[Tensor]:
            for (z,) in parts:
                images, _ = self._images(state, z, rng, world)
                yield generator_loss(opponent.score(images, None))

        network, optimizer = state.models["generator"], state.optimizers["generator"]
        with frozen(opponent.network):
            loss = update_weights(optimizer, network, losses(), len(parts), world)
        return {"loss_g": loss}

    def _even_out(
        self, state: TrainState, count: int, rng: StepRng, world: World
    ) -> dict[str, Tensor | float]:
        """One update by lazy path-length regularisation."""
        config, numbers = self.config, state.numbers
        parts = pieces(self.run, self._latents(max(1, count // config.path_shrink), rng, world))
        gain = config.path_weight * config.adversary.generator_every
        means: list[Tensor] = []

        def losses() -> Iterator[Tensor]:
            for (z,) in parts:
                images, ws = self._images(state, z, rng, world)
                noise = torch.randn(images.shape, generator=rng.device, device=images.device)
                lengths = path_lengths(images, ws, noise)
                penalty, mean = path_length_penalty(
                    lengths, numbers["path_mean"], decay=config.path_decay
                )
                means.append(mean)
                yield gain * penalty

        network, optimizer = state.models["generator"], state.optimizers["generator"]
        loss = update_weights(optimizer, network, losses(), len(parts), world)
        numbers["path_mean"] = float(mean_over_processes(torch.stack(means).mean(), world))
        return {"path": loss / gain, "path_mean": numbers["path_mean"]}
