"""Trains the encoder of stage 1: a photo over white to w+ of the image generator (e4e; Tov et al.,
SIGGRAPH 2021), the prior from which portraits are stylised (Sang et al. 2022, section 3.2).

z ─mapping─▶ w ─generator─▶ image ─augmented─▶ encoder ─▶ w+ ─ L2 ─ w            known codes
photos of the engine's avatars and of real people ─▶ encoder ─▶ w+ ─generator─▶ image ─ photo
e4e's discriminator of codes is left out: the known codes keep w+ near W instead. [ours]
Letters: B photos, N rows of w+, W w dimension, R side of the generator's image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.checkpoints import fingerprint
from portraiture.data.pair_set import PairSet, Portraits
from portraiture.errors import TrainingError
from portraiture.networks.faces2d import FacesGenerator
from portraiture.networks.pyramid_encoder import PyramidConfig, PyramidEncoder
from portraiture.parametrize.losses import imitation_losses
from portraiture.perception.features import FeatureNetwork
from portraiture.perception.identity import IdentityNetwork
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import BUILD, StepRng, generator
from portraiture.train.state import TrainState


class PhotoBatch(NamedTuple):
    """photos: of avatars and real people, in [-1, 1], over white. z: latents of as many images."""

    photos: Float[Tensor, "B 3 R R"]
    z: Float[Tensor, "B Z"]


@dataclass(frozen=True)
class FacesEncoderTraining:
    """sampled_share: share of a batch that are the generator's own images, whose codes are known.
    real_share: share of the others that are real people, if there are any. codes, offsets: weights
    of the distance of w+, and of the squared offsets of its rows from the first (e4e's L_d-reg).
    image, perceptual, identity: of the image losses. images_from: first step with image losses.
    truncation: of the sampled codes. learning_rate: of AdamW, with cosine decay over decay_steps.
    half_life: of the EMA, in images. grid_photos: columns of the grid."""

    run: RunConfig
    encoder: PyramidConfig = field(
        default_factory=lambda: PyramidConfig(
            "e4e",
            image_size=128,
            widths=(24, 48, 96, 160),
            units=(2, 2, 2, 2),
            rows=(3, 4, 4),
            branch=96,
        )
    )
    sampled_share: float = 0.4
    real_share: float = 0.5
    codes: float = 1.0
    offsets: float = 0.02
    image: float = 1.0
    perceptual: float = 0.8
    identity: float = 0.5
    images_from: int = 300
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    decay_steps: int = 10_000
    half_life: float = 4_000.0
    grid_photos: int = 8


class TrainFacesEncoder:
    """The recipe; see `train.loop.Recipe`. faces: the frozen generator. portraits: of real people,
    if there are any."""

    def __init__(
        self, config: FacesEncoderTraining, data: PairSet, faces: FacesGenerator,
        features: FeatureNetwork, identity: IdentityNetwork, portraits: Portraits | None = None,
    ) -> None:  # fmt: skip
        self.config = replace(config, encoder=fitted(config.encoder, faces))
        self.data, self.portraits = data, portraits
        self.faces, self.features = faces.requires_grad_(False), features
        self.identity = identity

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The encoder, its EMA and AdamW."""
        for network in (self.faces, self.identity, self.features):
            if isinstance(network, torch.nn.Module):
                network.to(world.device)
        encoder = PyramidEncoder(self.config.encoder).to(world.device)
        return adamw_state("encoder", encoder, self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> PhotoBatch:
        """Photos of avatars and real people, and latents."""
        if size < 2:
            raise TrainingError("faces-encoder needs batches of two or more.")
        sampled = min(max(round(size * self.config.sampled_share), 1), size - 1)
        others = size - sampled
        real = round(others * self.config.real_share) if self.portraits is not None else 0
        photos = [self.data.sample(others - real, generator).photo] if others > real else []
        if real:
            assert self.portraits is not None
            photos.append(self.portraits.sample(real, generator))
        z = torch.randn(sampled, self.faces.config.z_dim, generator=generator)
        return PhotoBatch(torch.cat(photos), z)

    def step(
        self, state: TrainState, batch: PhotoBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the encoder and its EMA."""
        encoder, config = state.models["encoder"], self.config
        assert isinstance(encoder, PyramidEncoder)
        start_step(state, "encoder", config)
        with torch.no_grad():
            known = self.faces.mapping(batch.z, None)
            images = self.faces.images(known).clamp(-1.0, 1.0)
        with autocast(world.device, self.run.precision):
            offsets = encoder(torch.cat([images, batch.photos])).float()
        w_avg, count = self.faces.mapping.w_avg, len(known)
        spread = (known - w_avg).square().mean()
        away = (offsets[:count] + w_avg - known).square().mean() / spread.clamp_min(1e-6)
        apart = (offsets[:, 1:] - offsets[:, :1]).square().mean() / spread.clamp_min(1e-6)
        losses = {"codes": config.codes * away, "offsets": config.offsets * apart}
        if state.step >= config.images_from:
            with autocast(world.device, self.run.precision):
                shown = self.faces.images(w_avg + offsets[count:]).float()
            found = imitation_losses(shown, batch.photos, self.features, self.identity)
            losses |= {name: getattr(config, name) * loss for name, loss in found.items()}
        loss = torch.stack(list(losses.values())).sum()
        finish_step(state, "encoder", config, loss, world, clip=1.0)
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: photos, real ones last, and the generator's images of their w+."""
        encoder = state.averages["encoder"]
        assert isinstance(encoder, PyramidEncoder)
        count = self.config.grid_photos
        photos = self.data.sample(count, generator(self.run.seed, BUILD, 2)).photo
        if self.portraits is not None:
            real = min(count // 2, len(self.portraits.photos))
            photos = torch.cat([photos[: count - real], self.portraits.plain(list(range(real)))])
        photos = photos.to(self.faces.mapping.w_avg.device)
        shown = self.faces.images(self.faces.mapping.w_avg + encoder.eval()(photos))
        return stack_rows(tile(photos, columns=count), tile(shown, columns=count))


def fitted(config: PyramidConfig, faces: FacesGenerator) -> PyramidConfig:
    """For this generator: its side and w dimension, and as many rows; the first of the coarse ones
    is counted apart."""
    rest = faces.num_ws - 1
    coarse = rest // 4
    mid = (rest - coarse) // 2
    rows = (coarse, mid, rest - coarse - mid)
    return replace(
        config, image_size=faces.config.size, w_dim=faces.config.w_dim, rows=rows,
        generator=fingerprint(faces),
    )  # fmt: skip
