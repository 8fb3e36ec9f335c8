"""The recipe of FF3D's image-to-triplane network (Ma et al. 2023, section 3.2, Eq. 4): generator,
decoder and superresolution are frozen.

z ─generator─▶ planes, view ─H─▶ planes ─ L1 ─ planes        as published, but from any side [ours]
photo of the engine's people ─H─▶ planes ─▶ its own view and another ─ the engine's truth     [ours]
photo of a real person ─H─▶ planes ─▶ its own view ─ the photo                                [ours]
The paper learns from the generator's samples alone, before it is fine-tuned to a style; the other
two are for inversion. Letters: B photos, N rows of w+.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import radians
from typing import NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.data.fitted_photos import FittedBatch, FittedPhotos
from portraiture.data.photo_set import PhotoBatch, PhotoSet
from portraiture.errors import TrainingError
from portraiture.invert.goae.image_losses import ImageLosses, image_losses
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.image_to_planes import (
    ImageToPlanes,
    ImageToPlanesConfig,
    planes_of_photos,
    spread_of_planes,
)
from portraiture.ops.resize import resized
from portraiture.perception.weights import load_identity, load_parser
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState
from portraiture.train.truth_config import TruthConfig
from portraiture.train.truth_losses import TruthLosses


class PlanesBatch(NamedTuple):
    """z, camera: of the generator's samples. people: photos and other views of synthetic people.
    fitted: photos of real people."""

    z: Float[Tensor, "B Z"]
    camera: Float[Tensor, "B 25"]
    people: PhotoBatch
    fitted: FittedBatch | None = None


@dataclass(frozen=True)
class PlanesTraining:
    """Settings of the recipe.

    truth: losses against the engine. sampled_share: share of a batch that are the generator's
    samples; fitted_share: of the rest that are real people. yaw, pitch: standard deviation of the
    samples' views, radians. planes: weight of Eq. 4, relative to how far planes are from the mean
    person's; w: of the squared error of w, relative to its variance in the batch. other_weight: of
    the losses at another view than the photo's. learning_rate, weight_decay: of AdamW, with cosine
    decay over decay_steps. half_life: of the EMA, in images. clip: maximum gradient norm.
    grid_people: columns of the grid.
    """

    run: RunConfig
    truth: TruthConfig
    network: ImageToPlanesConfig = field(default_factory=ImageToPlanesConfig)
    fitted: str = ""
    sampled_share: float = 0.3
    fitted_share: float = 0.3
    yaw: float = radians(25.0)
    pitch: float = radians(8.0)
    planes: float = 1.0
    w: float = 0.1
    other_weight: float = 1.0
    image_losses: ImageLosses = field(default_factory=ImageLosses)
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    decay_steps: int = 20_000
    half_life: float = 4_000.0
    clip: float = 1.0
    grid_people: int = 8


class TrainImageToPlanes:
    """The recipe; see `train.loop.Recipe`. network: frozen. fitted: photos of real people."""

    def __init__(
        self, config: PlanesTraining, data: PhotoSet, network: TriPlaneGenerator, *,
        fitted: FittedPhotos | None = None,
    ) -> None:  # fmt: skip
        self.config, self.data, self.fitted = config, data, fitted
        self.network = network.requires_grad_(False)
        self.features, self.identity = load_parser(), load_identity()

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its EMA and AdamW."""
        for network in (self.network, self.features, self.identity):
            network.to(world.device)
        network = ImageToPlanes(self.config.network)
        network.spread.fill_(spread_of_planes(self.network))
        network.to(world.device)
        return adamw_state("i2t", network, self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> PlanesBatch:
        """Samples of the generator, synthetic people, real people."""
        sampled, fitted = self.shares(size)
        z = torch.randn(sampled, self.network.config.z_dim, generator=generator)
        angles = torch.randn(sampled, 2, generator=generator).clamp(-2.4, 2.4)
        angles = angles * torch.tensor([self.config.yaw, self.config.pitch])
        cameras = [torch.from_numpy(to_eg3d(eg3d_orbit(*pair))) for pair in angles.tolist()]
        camera = torch.stack(cameras).float()
        people = self.data.sample(size - sampled - fitted, generator)
        real = self.fitted.sample(fitted, generator) if self.fitted is not None else None
        return PlanesBatch(z, camera, people, real)

    def shares(self, size: int) -> tuple[int, int]:
        """How many of a batch are the generator's samples, and real people. Raises
        TrainingError."""
        if size < 3:
            raise TrainingError("i2t needs batches of three or more.")
        sampled = min(max(round(size * self.config.sampled_share), 1), size - 2)
        rest = size - sampled
        fitted = 0 if self.fitted is None else min(
            max(round(rest * self.config.fitted_share), 1), rest - 1
        )  # fmt: skip
        return sampled, fitted

    def step(
        self, state: TrainState, batch: PlanesBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network and its EMA."""
        network = state.models["i2t"]
        assert isinstance(network, ImageToPlanes)
        start_step(state, "i2t", self.config)
        losses = self.losses(network, batch, rng)
        loss = torch.stack(list(losses.values())).sum()
        finish_step(state, "i2t", self.config, loss, world, clip=self.config.clip)
        return {name: loss.detach() for name, loss in losses.items()}

    def losses(self, network: ImageToPlanes, batch: PlanesBatch, rng: StepRng) -> dict[str, Tensor]:
        """All weighted losses by name. Names of losses at the other view start with `other_`, of
        real people with `own_`."""
        config, generator, size = self.config, self.network, self.config.network.image_size
        with torch.no_grad():
            known = generator.mapping(batch.z, None)
            wanted = generator.planes(known)
            volume = generator.render(wanted, batch.camera)
            shown = generator.upsample(volume.features, known).clamp(-1.0, 1.0)
        parts = [resized(shown, size), batch.people.photo]
        if batch.fitted is not None:
            parts.append(batch.fitted.photo)
        planes, ws = planes_of_photos(network, torch.cat(parts), generator)
        count, seen = len(batch.z), len(batch.people.photo)
        w_avg = generator.backbone.mapping.w_avg
        scale = (known[:, 0] - w_avg).square().mean().clamp_min(1e-6)
        losses = {
            "planes": config.planes * (planes[:count] - wanted).abs().mean() / network.spread,
            "w": config.w * (ws[:count, 0] - known[:, 0]).square().mean() / scale,
        }
        compare = TruthLosses(config.truth, self.features)
        of_people = (ws[count : count + seen], planes[count : count + seen])
        losses |= compare(generator, *of_people, batch.people.seen, rng, coarse=False)
        other = compare(generator, *of_people, batch.people.truth, rng, coarse=False)
        losses |= {f"other_{name}": config.other_weight * loss for name, loss in other.items()}
        if batch.fitted is not None:
            losses |= image_losses(
                generator, (self.features, self.identity), ws[count + seen :],
                planes[count + seen :], batch.fitted.shown, rng, config.image_losses,
            )  # fmt: skip
        return losses

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: photos of synthetic people, their own view, another one, and its truth."""
        network, generator_ = state.averages["i2t"], self.network
        assert isinstance(network, ImageToPlanes)
        people = min(self.config.grid_people, len(self.data.people))
        batch = self.data.sample(people, generator(0))
        device = generator_.backbone.mapping.w_avg.device
        photo = batch.photo.to(device)
        planes, ws = planes_of_photos(network.eval(), photo, generator_)

        def rendered(camera: Tensor) -> Tensor:
            volume = generator_.render(planes, camera.to(device), deterministic=True)
            return generator_.upsample(volume.features, ws)

        truth = batch.truth.image.to(device)
        rows = (
            resized(photo, truth.shape[-1]), rendered(batch.seen.camera),
            rendered(batch.truth.camera), truth,
        )  # fmt: skip
        side = truth.shape[-1]
        return stack_rows(*(tile(row, side=side, columns=people) for row in rows))


def fitted_planes(config: PlanesTraining, theirs: TriPlaneConfig) -> PlanesTraining:
    """For this generator: its planes and w. Raises TrainingError where the layers do not lead
    there."""
    side = theirs.plane_size >> (len(config.network.layers) - 1)
    try:
        network = replace(
            config.network, code_size=side, plane_size=theirs.plane_size,
            plane_features=theirs.plane_features, w_dim=theirs.w_dim,
            image_size=max(config.network.image_size, 2 * side),
        )  # fmt: skip
    except ValueError as error:
        raise TrainingError(f"This generator's planes do not fit this preset: {error}.") from None
    truth = config.truth.fitting(theirs.neural_resolution)
    return replace(config, network=network, truth=truth)
