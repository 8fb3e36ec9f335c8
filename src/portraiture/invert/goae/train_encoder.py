"""Recipe of GOAE's encoder (Yuan et al., ICCV 2023, section 4.1 and supplement), supervised by
people with known w.

photo ─encoder─▶ w+ ─┬─frozen generator─▶ densities, rays, image of any view ─losses─ engine
                     ├─▶ w of the person's z, weighted by its visible effect         [ours]
                     └─▶ D_Wc, row by row
The paper has only photos, and compares images. Ours also has synthetic people with ground truth:
the losses of `train.truth_losses`, at other views than the photo's, replace its image losses and
its background depth loss. The loss on w alone costs a fraction of a step and comes first; for it,
half of the photos are sampled from an image generator, without renders. Photos of real people, to
whom the engine was fitted, add the statistics of real images; they are compared as in the paper
(`image_losses`). Letters: B photos, K of them sampled from the generator, N rows of w+.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.data.fitted_photos import FittedBatch, FittedPhotos
from portraiture.data.photo_set import PhotoBatch, PhotoSet
from portraiture.data.sampled_photos import SampledBatch, SampledPhotos
from portraiture.errors import TrainingError
from portraiture.invert.goae.discriminator import LatentDiscriminator
from portraiture.invert.goae.image_losses import ImageLosses, image_losses
from portraiture.invert.goae.latent_metric import LatentMetric, image_gradients, visible_metric
from portraiture.invert.goae.latent_prior import LatentPrior
from portraiture.invert.goae.param_groups import parameter_groups, set_rate
from portraiture.invert.goae.ranger import Ranger
from portraiture.invert.weights import Encoder
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.goae_encoder import EncoderConfig, GoaeEncoder
from portraiture.networks.pyramid_encoder import PyramidConfig, PyramidEncoder
from portraiture.perception.weights import load_identity, load_parser
from portraiture.train.adversary import update_weights
from portraiture.train.distributed import World, average_gradients
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.gan_losses import discriminator_loss, generator_loss, r1_penalty
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.lr_schedule import annealed
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState
from portraiture.train.truth_config import TruthConfig
from portraiture.train.truth_losses import TruthLosses

DISCRIMINATOR = "latent discriminator"
METRIC, PRIOR = "metric", "prior"
METRIC_SEED = 0x5EE


class EncoderBatch(NamedTuple):
    """people: photos and other views of synthetic people. sampled: photos with a known latent only,
    those of real people last. fitted: the latter with their own views."""

    people: PhotoBatch
    sampled: SampledBatch
    fitted: FittedBatch | None = None


@dataclass(frozen=True)
class EncoderTraining:
    """Settings of the encoder's recipe.

    truth: losses against the engine (`train.truth_losses`). start, fitted: fingerprints of the
    initial encoder and of the photos of real people, so that a run never resumes with others.
    fitted_share: share of a batch that are photos of real people, if there are any. sampled_share:
    share of the rest sampled from an image generator. levels_from: steps from which coarse, middle
    and fine rows are trained; the defaults are the published program's.
    latent_weight: weight of the squared distance of w+ (`visible_metric`), in which each direction
    of w is weighted by its visible effect, estimated from metric_gradients image gradients;
    metric_floor: isotropic share of this metric, all of it for 0 gradients. whole_from: step from
    which the image losses are used: those weighted by truth_weight, adversarial_weight (λ4) and
    prior_weight (of `latent_prior`), and those of image_losses on photos of real people, if given.
    offset_weight: λ6. r1_gamma, discriminator_rate: R1 weight and learning rate of D_Wc. optimizer:
    Ranger as in the paper, or AdamW with gradients clipped to norm 1. learning_rate: with warm-up
    over warmup steps and cosine decay over decay_steps. whole_rate, whole_decay: the same from
    whole_from on, if given. half_life: of the EMA, in images.
    """

    run: RunConfig
    encoder: EncoderConfig | PyramidConfig
    truth: TruthConfig
    start: str = ""
    fitted: str = ""
    sampled_share: float = 0.5
    fitted_share: float = 0.25
    levels_from: tuple[int, int, int] = (10_000, 20_000, 30_001)
    latent_weight: float = 1.0
    metric_gradients: int = 480
    metric_floor: float = 0.1
    whole_from: int = 0
    truth_weight: float = 1.0
    image_losses: ImageLosses | None = None
    prior_weight: float = 0.3
    adversarial_weight: float = 0.05
    offset_weight: float = 0.001
    r1_gamma: float = 10.0
    discriminator_rate: float = 2e-5
    optimizer: Literal["ranger", "adamw"] = "ranger"
    learning_rate: float = 1e-4
    warmup: int = 0
    decay_steps: int = 1_000_000
    whole_rate: float | None = None
    whole_decay: int = 1
    half_life: float = 4_000.0
    grid_people: int = 8
    w_samples: int = 8192


def build_encoder(config: EncoderConfig | PyramidConfig) -> Encoder:
    """A new encoder with random weights."""
    return GoaeEncoder(config) if isinstance(config, EncoderConfig) else PyramidEncoder(config)


class TrainEncoder:
    """The recipe; see `train.loop.Recipe`. network: the frozen generator. fitted: photos of real
    people. start: encoder to start from."""

    def __init__(
        self, config: EncoderTraining, data: PhotoSet, sampled: SampledPhotos,
        network: TriPlaneGenerator, *, fitted: FittedPhotos | None = None,
        start: Encoder | None = None,
    ) -> None:  # fmt: skip
        if config.encoder.num_ws != network.num_ws:
            raise ValueError("the encoder's rows are not the generator's")
        if fitted is not None and not round(config.run.batch * config.fitted_share):
            raise TrainingError("The batch is too small for a share of photos of real people.")
        self.config, self.data, self.sampled, self.fitted = config, data, sampled, fitted
        self.start = start
        self.network = network.requires_grad_(False)
        self.features = load_parser()
        self.identity = load_identity()

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The encoder, its EMA, D_Wc, their optimisers, and metric and prior, not yet estimated."""
        config = self.config
        encoder = build_encoder(config.encoder).to(world.device)
        if self.start is not None:
            begun = self.start.config
            levels_are_new = isinstance(begun, EncoderConfig) and begun.single_w
            encoder.load_state_dict(self.start.state_dict(), strict=not levels_are_new)
        discriminator = LatentDiscriminator(config.encoder.w_dim).to(world.device)
        self.network.to(world.device)
        self.features.to(world.device)
        self.identity.to(world.device)
        metric, prior = (
            kind(config.encoder.w_dim).to(world.device) for kind in (LatentMetric, LatentPrior)
        )
        return TrainState(
            models={"encoder": encoder, DISCRIMINATOR: discriminator, METRIC: metric, PRIOR: prior},
            averages={"encoder": averaged_copy(encoder)},
            optimizers={
                "encoder": self._optimizer(encoder),
                DISCRIMINATOR: torch.optim.Adam(
                    discriminator.parameters(), config.discriminator_rate, foreach=False
                ),
            },
        )

    def _optimizer(self, encoder: Encoder) -> torch.optim.Optimizer:
        rate = self.config.learning_rate
        groups = parameter_groups(encoder)
        if self.config.optimizer == "ranger":
            return Ranger(groups, rate)
        return torch.optim.AdamW(groups, rate, betas=(0.9, 0.99), foreach=False)

    def batch(self, number: int, size: int, generator: torch.Generator) -> EncoderBatch:
        """Photos of different people with other views, and photos without other views."""
        config = self.config
        fitted = 0 if self.fitted is None else round(size * config.fitted_share)
        sampled = round((size - fitted) * config.sampled_share)
        people = self.data.sample(size - fitted - sampled, generator)
        others = self.sampled.sample(sampled, generator)
        if self.fitted is None:
            return EncoderBatch(people, others)
        real = self.fitted.sample(fitted, generator)
        pairs = zip(others, (real.photo, real.z), strict=True)
        return EncoderBatch(people, SampledBatch(*map(torch.cat, pairs)), real)

    def step(
        self, state: TrainState, batch: EncoderBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of D_Wc, then of the encoder and its EMA."""
        config = self.config
        if state.step == 0:
            self.measure(state)
        encoder, optimizer = state.models["encoder"], state.optimizers["encoder"]
        set_rate(optimizer, self.rate(state.step))
        levels = sum(state.step >= first for first in config.levels_from)
        photos = torch.cat([batch.people.photo, batch.sampled.photo])
        offsets = encoder(photos, levels=levels)
        ws = self.network.backbone.mapping.w_avg + offsets
        metrics = self._update_discriminator(state, ws.detach(), batch.people.truth.z, world)
        optimizer.zero_grad(set_to_none=True)
        losses = self.losses(state, ws, offsets, batch, rng)
        torch.stack(list(losses.values())).sum().backward()
        average_gradients(encoder.parameters(), world)
        if config.optimizer == "adamw":
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        seen = float((state.step + 1) * self.run.batch)
        beta = decay(self.run.batch, seen, half_life=config.half_life, ramp=0.1)
        update(state.averages["encoder"], encoder, beta)
        return {name: loss.detach() for name, loss in losses.items()} | metrics

    def rate(self, step: int) -> float:
        """The encoder's learning rate at a step."""
        config = self.config
        if config.whole_rate is not None and step >= config.whole_from:
            after = step - config.whole_from
            return config.whole_rate * annealed(after, config.whole_decay, warmup=config.warmup)
        return config.learning_rate * annealed(step, config.decay_steps, warmup=config.warmup)

    def measure(self, state: TrainState) -> None:
        """Estimate the metric of w and the prior; the same on every process."""
        config, rng = self.config, generator(METRIC_SEED)
        w_avg = self.network.backbone.mapping.w_avg
        z = torch.randn(config.w_samples, self.network.config.z_dim, generator=rng).to(w_avg)
        with torch.no_grad():
            w = self.network.mapping(z, None)[:, 0]
        count, floor = config.metric_gradients, config.metric_floor
        if count:
            seen = image_gradients(self.network, self.data.people, count, rng)
        else:
            seen, floor = torch.ones(1, w.shape[1]).to(w), 1.0
        metric, prior = state.models[METRIC], state.models[PRIOR]
        assert isinstance(metric, LatentMetric) and isinstance(prior, LatentPrior)
        prior.measure(w)
        metric.matrix.copy_(visible_metric(seen, w, floor=floor))

    def losses(
        self, state: TrainState, ws: Float[Tensor, "B N D"], offsets: Float[Tensor, "B N D"],
        batch: EncoderBatch, rng: StepRng,
    ) -> dict[str, Tensor]:  # fmt: skip
        """All weighted losses of the encoder by name: Eq. 14 with Eq. 3 and λ6. `TruthLosses` and
        `image_losses` replace Eqs. 4 and 13."""
        config, network = self.config, self.network
        wanted = network.mapping(torch.cat([batch.people.truth.z, batch.sampled.z]), None)
        found = {
            "latent": config.latent_weight * state.models[METRIC](ws - wanted),
            "offset": config.offset_weight
            * (offsets - offsets[:, :1]).flatten(1).norm(dim=1).mean(),
        }
        if state.step < config.whole_from:
            return found
        if config.prior_weight:
            found["prior"] = config.prior_weight * state.models[PRIOR](ws)
        if config.adversarial_weight:
            logits = state.models[DISCRIMINATOR](ws.flatten(0, 1))
            found["adversarial"] = config.adversarial_weight * generator_loss(logits)
        if config.truth_weight:
            truth = batch.people.truth
            own = ws[: len(truth.z)]
            compare = TruthLosses(config.truth, self.features)
            supervised = compare(network, own, network.planes(own), truth, rng, coarse=False)
            found |= {name: config.truth_weight * loss for name, loss in supervised.items()}
        if config.image_losses is not None and batch.fitted is not None:
            shown = batch.fitted.shown
            own = ws[-len(shown.image) :]
            found |= image_losses(
                network, (self.features, self.identity), own, network.planes(own), shown,
                rng, config.image_losses,
            )  # fmt: skip
        return found

    def _update_discriminator(
        self, state: TrainState, fakes: Float[Tensor, "B N D"], z: Float[Tensor, "B Z"],
        world: World,
    ) -> dict[str, Tensor]:  # fmt: skip
        """One update of D_Wc (Eq. 2): w of other people as real, all rows of w+ as fake."""
        config, discriminator = self.config, state.models[DISCRIMINATOR]
        if not config.adversarial_weight or state.step < config.whole_from:
            return {}
        reals = self.network.mapping(z.roll(1, 0), None).flatten(0, 1).requires_grad_(True)

        def losses() -> Iterator[Tensor]:
            logits = discriminator(reals)
            penalty = 0.5 * config.r1_gamma * r1_penalty(logits, [reals])
            yield discriminator_loss(logits, discriminator(fakes.flatten(0, 1))) + penalty

        total = update_weights(state.optimizers[DISCRIMINATOR], discriminator, losses(), 1, world)
        return {"loss_d": total}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: photos, the head at the truth's view, the truth, the head of the true w."""
        network, encoder = self.network, state.averages["encoder"].eval()
        people = min(self.config.grid_people, len(self.data.people))
        batch = self.data.sample(people, generator(0))
        w_avg = network.backbone.mapping.w_avg
        camera = batch.truth.camera.to(w_avg)
        ws = w_avg + encoder(batch.photo.to(w_avg))
        true = network.mapping(batch.truth.z.to(w_avg), None)
        ours, best = (network.synthesize(w, camera, deterministic=True).image for w in (ws, true))
        side = ours.shape[-1]
        rows = (batch.photo, ours, batch.truth.image, best)
        return stack_rows(*(tile(row, side=side, columns=people) for row in rows))
