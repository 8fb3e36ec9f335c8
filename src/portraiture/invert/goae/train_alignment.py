"""The recipe of GOAE's adaptive feature alignment, its second stage (Yuan et al., ICCV 2023,
section 4.2 and supplement): encoder and generator are frozen.

photo ─encoder─▶ w+ ─▶ reconstruction - photo ─alignment─▶ F* ─planes, mixed─▶ renders
The photo's own view is rendered, as in the paper, and for synthetic people, whose ground truth is
known, another view. [ours] Photos of real people, whose heads fit them less well, are compared at
their own view only (`image_losses`). Letters: B photos, N rows of w+.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.data.fitted_photos import FittedBatch, FittedPhotos
from portraiture.data.photo_set import PhotoBatch, PhotoSet
from portraiture.errors import TrainingError
from portraiture.invert.goae.image_losses import ImageLosses, image_losses
from portraiture.invert.goae.param_groups import set_rate
from portraiture.invert.goae.refine import refine
from portraiture.invert.weights import Encoder
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.ops.resize import resized
from portraiture.perception.weights import load_identity, load_parser
from portraiture.train.distributed import World, average_gradients
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.lr_schedule import annealed
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState
from portraiture.train.truth_config import TruthConfig
from portraiture.train.truth_losses import TruthLosses
from portraiture.triplane.visibility import MixedPlanes


class AlignmentBatch(NamedTuple):
    """people: photos and other views of synthetic people. fitted: photos of real people."""

    people: PhotoBatch
    fitted: FittedBatch | None = None


@dataclass(frozen=True)
class AlignmentTraining:
    """Settings of the alignment's recipe.

    truth: losses against the engine (`train.truth_losses`). encoder, fitted: fingerprints of the
    frozen encoder and of the photos of real people, so that a run never resumes with others.
    fitted_share: share of these photos in a batch. image_losses: weights of the losses on them.
    other_weight: weight of losses at another view than the photo's; 0 in the paper. perturbed:
    share of heads whose w+ is moved towards another's, to imitate the inversion error of real
    photos [ours].
    feature_weight: λ7, on the mean squared F* - F. mixed: planes that are mixed by visibility.
    learning_rate: Adam's, after `warmup` steps, with cosine decay over decay_steps. clip: maximum
    gradient norm.
    half_life: of the EMA, in images.
    """

    run: RunConfig
    alignment: AlignmentConfig
    truth: TruthConfig
    encoder: str = ""
    fitted: str = ""
    fitted_share: float = 0.5
    image_losses: ImageLosses = field(default_factory=ImageLosses)
    other_weight: float = 1.0
    perturbed: float = 0.0
    feature_weight: float = 1e-4
    mixed: MixedPlanes = "all"
    learning_rate: float = 2.5e-5
    clip: float = 1.0
    warmup: int = 0
    decay_steps: int = 800_000
    half_life: float = 4_000.0
    grid_people: int = 8


class TrainAlignment:
    """The recipe; see `train.loop.Recipe`. network, encoder: frozen. fitted: photos of real
    people. Raises TrainingError if a batch is too small for them."""

    def __init__(
        self, config: AlignmentTraining, data: PhotoSet, network: TriPlaneGenerator,
        encoder: Encoder, *, fitted: FittedPhotos | None = None,
    ) -> None:  # fmt: skip
        if fitted is not None and not round(config.run.batch * config.fitted_share):
            raise TrainingError("The batch is too small for a share of photos of real people.")
        self.config, self.data, self.fitted = config, data, fitted
        self.network, self.encoder = network.requires_grad_(False), encoder.requires_grad_(False)
        self.features = load_parser()
        self.identity = load_identity()

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The alignment, its EMA and Adam."""
        alignment = FeatureAlignment(self.config.alignment).to(world.device)
        for network in (self.network, self.encoder, self.features, self.identity):
            network.to(world.device)
        return TrainState(
            models={"alignment": alignment},
            averages={"alignment": averaged_copy(alignment)},
            optimizers={"alignment": torch.optim.Adam(alignment.parameters(), foreach=False)},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> AlignmentBatch:
        """Photos of different people with their own and other views, and photos of real people."""
        if self.fitted is None:
            return AlignmentBatch(self.data.sample(size, generator))
        fitted = round(size * self.config.fitted_share)
        people = self.data.sample(size - fitted, generator)
        return AlignmentBatch(people, self.fitted.sample(fitted, generator))

    def step(
        self, state: TrainState, batch: AlignmentBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the alignment and its EMA."""
        config = self.config
        alignment, optimizer = state.models["alignment"], state.optimizers["alignment"]
        assert isinstance(alignment, FeatureAlignment)
        set_rate(
            optimizer,
            config.learning_rate * annealed(state.step, config.decay_steps, warmup=config.warmup),
        )
        optimizer.zero_grad(set_to_none=True)
        losses = self.losses(alignment, batch, rng)
        torch.stack(list(losses.values())).sum().backward()
        average_gradients(alignment.parameters(), world)
        torch.nn.utils.clip_grad_norm_(alignment.parameters(), config.clip)
        optimizer.step()
        seen = float((state.step + 1) * self.run.batch)
        beta = decay(self.run.batch, seen, half_life=config.half_life, ramp=0.1)
        update(state.averages["alignment"], alignment, beta)
        return {name: loss.detach() for name, loss in losses.items()}

    def losses(
        self, alignment: FeatureAlignment, batch: AlignmentBatch, rng: StepRng
    ) -> dict[str, Tensor]:
        """All weighted losses by name: Eq. 13's, and λ7 on F* - F (supplement A). Names of losses
        at the other view start with `other_`."""
        config, network = self.config, self.network
        people, real = batch
        ws = perturb(self._ws(people.photo), config.perturbed, rng)
        image, camera = people.seen.image, people.seen.camera
        if real is not None:  # in one pass, for the batch norms
            ws = torch.cat([ws, self._ws(real.photo)])
            image = torch.cat([image, resized(real.shown.image, image.shape[-1])])
            camera = torch.cat([camera, real.shown.camera])
        found = refine(network, alignment, ws, image, camera, mixed=config.mixed)
        moved = (found.features - found.plain_features).square().mean()
        losses = {"features": config.feature_weight * moved}
        known = len(people.photo)
        losses |= self._known(ws[:known], found.planes[:known], people, rng)
        if real is not None:
            networks = (self.features, self.identity)
            losses |= image_losses(
                network, networks, ws[known:], found.planes[known:], real.shown, rng,
                config.image_losses,
            )  # fmt: skip
        return losses

    def _known(
        self, ws: Float[Tensor, "B N D"], planes: Float[Tensor, "B 3 C P P"], people: PhotoBatch,
        rng: StepRng,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Losses on two views of synthetic people."""
        network, weight = self.network, self.config.other_weight
        compare = TruthLosses(self.config.truth, self.features)
        found = compare(network, ws, planes, people.seen, rng, coarse=False)
        if weight:
            other = compare(network, ws, planes, people.truth, rng, coarse=False)
            found |= {f"other_{name}": weight * loss for name, loss in other.items()}
        return found

    @torch.no_grad()
    def _ws(self, photos: Tensor) -> Tensor:
        return self.network.backbone.mapping.w_avg + self.encoder(photos)

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: the photo's view (w+ alone, refined, truth), another view (refined, truth)."""
        network, alignment = self.network, state.averages["alignment"]
        assert isinstance(alignment, FeatureAlignment)
        people = min(self.config.grid_people, len(self.data.people))
        batch = self.data.sample(people, generator(0))
        w_avg = network.backbone.mapping.w_avg
        ws = self._ws(batch.photo.to(w_avg))
        seen, other = (part.camera.to(w_avg) for part in (batch.seen, batch.truth))
        image = batch.seen.image.to(w_avg)
        found = refine(network, alignment, ws, image, seen, mixed=self.config.mixed)

        def rendered(planes: Tensor, camera: Tensor) -> Tensor:
            return network.upsample(network.render(planes, camera, deterministic=True).features, ws)

        rows = (
            rendered(network.planes(ws), seen), rendered(found.planes, seen), image,
            rendered(found.planes, other), batch.truth.image.to(w_avg),
        )  # fmt: skip
        side = image.shape[-1]
        return stack_rows(*(tile(row, side=side, columns=people) for row in rows))


def perturb(ws: Float[Tensor, "B N D"], share: float, rng: StepRng) -> Float[Tensor, "B N D"]:
    """Move a share of the w+ by a random fraction towards the next one in the batch."""
    if not share:
        return ws
    sampled = torch.rand(2, len(ws), 1, 1, generator=rng.cpu).to(ws)
    return ws + (sampled[0] < share) * sampled[1] * (ws.roll(1, 0) - ws)
