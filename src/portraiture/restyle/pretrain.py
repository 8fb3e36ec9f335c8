"""The recipe `planes`: FF3D's pretraining of the image-to-plane network as published (Ma et al.
2023, section 3.2, Eq. 4), for any generator of EG3D's family and without other data.

z ─G─▶ planes p, front view I_f ─H─▶ planes ─ L1 ─ p
The recipe i2t also learns from the engine and from photos. w for superresolution is ours, as there.
Letters: B samples, Z length of z.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.errors import TrainingError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import (
    ImageToPlanes,
    ImageToPlanesConfig,
    spread_of_planes,
)
from portraiture.restyle.few_shot import cameras_at, views_of
from portraiture.restyle.fine_tune import styled_planes
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.run_presets import TINY_RUN
from portraiture.train.state import TrainState
from portraiture.types import Preset

NAME = "planes"


class LatentBatch(NamedTuple):
    """z: of the samples."""

    z: Float[Tensor, "B Z"]


@dataclass(frozen=True)
class PlanesPretraining:
    """Settings of the recipe. network: sizes of planes and w are the generator's
    (`fitted_network`). w: weight of the squared error of w, relative to its variance in the batch
    [ours]. truncation: of the samples. learning_rate, weight_decay: of AdamW with cosine decay over
    decay_steps; half_life: of the EMA, in images; clip: maximum gradient norm [all ours: the paper
    gives Adam's rate, 0.002, alone]. grid_people: columns of the grid."""

    run: RunConfig
    network: ImageToPlanesConfig = field(default_factory=ImageToPlanesConfig)
    w: float = 0.1
    truncation: float = 0.7
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    decay_steps: int = 20_000
    half_life: float = 4_000.0
    clip: float = 1.0
    grid_people: int = 6


PLANES: dict[Preset, PlanesPretraining] = {
    "tiny": PlanesPretraining(
        run=replace(TINY_RUN, batch=2),
        network=ImageToPlanesConfig(
            image_size=32, code=8, code_size=8, widths=(16, 16, 16, 16), tokens=1, heads=2,
            layers=(8, 8), plane_size=16,
        ),
        grid_people=2,
    ),
    "cpu": PlanesPretraining(
        run=RunConfig(steps=8_000, batch=8, log_every=25, grid_every=500, checkpoint_every=500),
        network=ImageToPlanesConfig(
            code=192, widths=(32, 64, 112, 192), tokens=3, heads=6, layers=(160, 112, 80)
        ),
        decay_steps=8_000,
    ),
    "gpu": PlanesPretraining(
        run=RunConfig(steps=10_000, batch=32, grid_every=1_000, checkpoint_every=1_000),
        network=ImageToPlanesConfig(tokens=3, layers=(192, 128, 96)), decay_steps=10_000,
    ),
    "paper": PlanesPretraining(
        run=RunConfig(steps=100_000, batch=4, checkpoint_every=2_000),
        network=ImageToPlanesConfig(
            image_size=512, layers=(256, 192, 160, 128), plane_size=256
        ),
        truncation=1.0, learning_rate=0.002, decay_steps=100_000,
    ),
}  # fmt: skip
"""paper: 512² images and 256² planes, w_s of 512 × 32², Adam's published rate."""


class TrainPlanes:
    """The recipe; see `train.loop.Recipe`. network: G, frozen."""

    data = None

    def __init__(self, config: PlanesPretraining, network: TriPlaneGenerator) -> None:
        self.config, self.network = config, network.requires_grad_(False)

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """H, its EMA and AdamW."""
        self.network.to(world.device)
        made = ImageToPlanes(self.config.network)
        made.spread.fill_(_spread(self.network))
        return adamw_state(NAME, made.to(world.device), self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> LatentBatch:
        return LatentBatch(torch.randn(size, self.network.config.z_dim, generator=generator))

    @torch.no_grad()
    def known(self, z: Float[Tensor, "B Z"]) -> tuple[Tensor, Tensor, Tensor]:
        """Front views I_f, planes p and w+ of samples."""
        front = cameras_at([(0.0, 0.0)]).to(z)
        camera = front.expand(len(z), -1) if self.network.config.c_dim else None
        ws = self.network.mapping(z, camera, truncation_psi=self.config.truncation)
        planes = self.network.planes(ws)
        pairs = zip(planes.split(1), ws.split(1), strict=True)
        return torch.cat([views_of(self.network, p, w, front) for p, w in pairs]), planes, ws

    def step(
        self, state: TrainState, batch: LatentBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of H and its EMA."""
        network = state.models[NAME]
        assert isinstance(network, ImageToPlanes)
        start_step(state, NAME, self.config)
        images, wanted, known = self.known(batch.z)
        planes, ws = styled_planes(network, images, self.network)
        w_avg = self.network.backbone.mapping.w_avg
        scale = (known[:, 0] - w_avg).square().mean().clamp_min(1e-6)
        losses = {
            "planes": (planes - wanted).abs().mean() / network.spread,  # Eq. 4, in units of spread
            "w": self.config.w * (ws[:, 0] - known[:, 0]).square().mean() / scale,
        }
        loss = torch.stack(list(losses.values())).sum()
        finish_step(state, NAME, self.config, loss, world, clip=self.config.clip)
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: front views, the same of H's planes, and those from the side."""
        network = state.averages[NAME]
        assert isinstance(network, ImageToPlanes)
        rng, count = generator(0), self.config.grid_people
        z = torch.randn(count, self.network.config.z_dim, generator=rng)
        images, _, _ = self.known(z.to(self.network.backbone.mapping.w_avg))
        cameras, rows = cameras_at([(0.0, 0.0), (0.5, 0.0)]), []
        for image in images.split(1):
            planes, ws = styled_planes(network, image, self.network)
            rows.append(views_of(self.network, planes, ws, cameras))
        front, side = torch.stack(rows, 1)
        return stack_rows(*(tile(row, columns=count) for row in (images, front, side)))


def _spread(network: TriPlaneGenerator) -> float:
    """`spread_of_planes`, 1 where the mapping needs a camera."""
    return 1.0 if network.config.c_dim else spread_of_planes(network)


def fitted_network(config: PlanesPretraining, theirs: TriPlaneGenerator) -> PlanesPretraining:
    """For this generator's planes and w. Raises TrainingError where the layers do not lead
    there."""
    sizes = theirs.config
    side = sizes.plane_size >> (len(config.network.layers) - 1)
    try:
        network = replace(
            config.network, code_size=side, plane_size=sizes.plane_size,
            plane_features=sizes.plane_features, w_dim=sizes.w_dim,
            image_size=max(config.network.image_size, 2 * side),
        )  # fmt: skip
    except ValueError as error:
        raise TrainingError(f"This generator's planes do not fit this preset: {error}.") from None
    return replace(config, network=network)
