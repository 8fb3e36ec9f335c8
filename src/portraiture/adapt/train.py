"""Trains a style: G_t, a generator linked to G_s, from 2D images alone (3DAvatarGAN, section 3).

z, camera of M(θ, φ, c, r) ─G_t─▶ image ‖ raw, depth, opacity ─▶ D, R(D), similarity to G_s
                           └─────▶ Δs, densities ─▶ R(Δs), density regularisation (lazily)
then, with G_t frozen:  planes ─warp─▶ image ─▶ D, identity, bending
Letters: B images per process and step, Z latent size, n side of raw images, R side of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from portraiture.adapt.images import StyleImages
from portraiture.adapt.layers import geometry_names, trained_names
from portraiture.adapt.losses import (
    background_depth,
    background_opacity,
    delta_penalty,
    depth_similarity,
    flatness,
    outside,
)
from portraiture.adapt.settings import StyleTraining
from portraiture.adapt.sheets import style_grid
from portraiture.adapt.style import Style, StyleConfig
from portraiture.adapt.train_warp import exaggerate, freeze, made_of_warp
from portraiture.adapt.views import Made, canonical, made_of, seen_pair, source_of
from portraiture.checkpoints import fingerprint
from portraiture.networks.discriminator import DualDiscriminator, pair
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.perception.identity import IdentityNetwork
from portraiture.perception.parser import ParserNetwork
from portraiture.train.adversary import (
    Opponent,
    autocast,
    frozen,
    lazy_adam,
    pieces,
    update_weights,
)
from portraiture.train.distributed import World
from portraiture.train.ema import decay, update
from portraiture.train.gan_losses import density_variation, generator_loss
from portraiture.train.loop import RunConfig
from portraiture.train.pace import Pace
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState
from portraiture.types import Segment

SAMPLED = 64
"""Samples of G_s for its average background depth."""


@dataclass
class TrainStyle:
    """The recipe. source: G_s, frozen. identity: for the warp's loss; parser: finds the background
    in images of generators that have one."""

    config: StyleTraining
    data: StyleImages
    source: TriPlaneGenerator
    identity: IdentityNetwork | None = None
    parser: ParserNetwork | None = None
    _depth: float | None = field(default=None, repr=False)

    @property
    def run(self) -> RunConfig:
        return self.config.run

    @property
    def white(self) -> bool:
        """Whether G_s has a white background, and so no background depth."""
        return self.source.config.rendering.white_background

    def build(self, world: World) -> TrainState:
        """G_t as a copy of G_s, D from scratch, the warp, and the style, which is exported."""
        device, config = world.device, self.config
        self.source = self.source.to(device).eval().requires_grad_(False)
        for network in (self.identity, self.parser):
            if network is not None:
                network.to(device).eval().requires_grad_(False)
        style = Style(self._about()).to(device).eval().requires_grad_(False)
        made = TriPlaneGenerator(self.source.config).to(device).eval()
        made.load_state_dict(self.source.state_dict())
        made.requires_grad_(False)
        against = DualDiscriminator(config.discriminator).to(device)
        warp = Style(self._about()).warp.to(device)
        warp.load_state_dict(style.warp.state_dict())
        rates, trained = config.adversary, self._trained(made)
        return TrainState(
            models={"generator": made, "discriminator": against, "warp": warp},
            averages={"style": style},
            optimizers={
                "generator": lazy_adam(
                    nn.ParameterList(trained), rates.generator_lr, rates.generator_every
                ),
                "discriminator": lazy_adam(against, rates.discriminator_lr, rates.r1_every),
                "warp": lazy_adam(warp, rates.generator_lr, rates.generator_every),
            },
            numbers={"augment_p": 0.0, "signs": 0.0},
        )

    def batch(
        self, number: int, size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.data.batch(number, size, generator)

    def step(
        self, state: TrainState, batch: tuple[Tensor, Tensor, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """Updates of G_t and of D; from `warp_from` on of the warp and of D."""
        images, own, cameras = batch
        config, side = self.config, self.config.discriminator.size
        opponent = Opponent(state, config.adversary, self.run, rng, world)
        warping = state.step >= config.warp_from
        metrics: dict[str, Tensor | float] = {}
        if warping:
            freeze(state, self.source)
            metrics |= exaggerate(self, state, self._drawn(cameras, rng), opponent)
        elif state.step >= config.adversary.head_start:
            metrics |= self._improve(state, self._drawn(cameras, rng), opponent)
            if state.step % config.adversary.generator_every == 0:
                metrics |= self._regularise(state, self._drawn(cameras, rng), rng, world)
        z, seen = self._drawn(cameras, rng)
        with torch.no_grad():
            make = made_of_warp if warping else made_of
            fakes = [
                seen_pair(make(self, state, z_part, seen_part, rng, world), side)
                for z_part, seen_part in pieces(self.run, z, seen)
            ]
        raw, images = resized(images, self.neural(state.step)), resized(images, side)
        metrics |= opponent.learn(pair(images, raw), torch.cat(fakes), own, seen)
        if state.step % config.adversary.r1_every == 0:
            metrics |= opponent.penalize((images, raw), own, pair)
        self._follow(state, warping=warping)
        return metrics

    def grid(self, state: TrainState) -> ndarray:
        """One row per person: G_s, and the style from three sides with depths, by the EMA."""
        style = state.averages["style"]
        assert isinstance(style, Style)
        return style_grid(self.source, style, people=self.config.grid_people)

    def fit_time(self, step: int, pace: Pace) -> None:
        """Fit the length to the time; the warp takes `warp_share` of it."""
        config, share = self.config, self.config.warp_share * pace.total
        if step < config.warp_from:
            last = step + pace.steps_in(max(pace.left - share, 0.0))
            steps = last + (pace.steps_in(share) if config.warp_share else 0)
            finer = step if step >= config.neural_from else max(step, round(0.7 * last))
            config = replace(config, warp_from=last, neural_from=min(config.neural_from, finer))
        else:
            steps = step + pace.steps_in(pace.left, since=config.warp_from)
        self.config = replace(config, run=replace(config.run, steps=steps))

    def neural(self, step: int) -> int:
        """Side of raw images at a step: 64², then 128² (appendix, "training details")."""
        config = self.config
        return config.neural_last if step >= config.neural_from else config.neural_first

    def background(self, image: Float[Tensor, "B 3 R R"], side: int) -> Float[Tensor, "B 1 n n"]:
        """S_b(I_t) by the parser, for generators with a background."""
        assert self.parser is not None
        found = (self.parser.segment(image) == int(Segment.BACKGROUND)).float()[:, None]
        return resized(found, side)

    def _about(self) -> StyleConfig:
        yaw, pitch = self.data.cameras.spread()
        return StyleConfig(
            self.source.config, fingerprint(self.source), self.config.layers, self.config.warp,
            (yaw.mean, yaw.deviation), (pitch.mean, pitch.deviation),
            self.data.cameras.pivot, self.data.cameras.radius,
        )  # fmt: skip

    def _trained(self, network: TriPlaneGenerator) -> list[nn.Parameter]:
        """The parameters that are trained, with gradients from now on."""
        own = dict(network.named_parameters())
        trained = [own[name] for name in trained_names(network, self.config.layers)]
        for parameter in trained:
            parameter.requires_grad_(True)
        return trained

    def _drawn(self, cameras: Tensor, rng: StepRng) -> tuple[Tensor, Tensor]:
        """Random latents, and the batch's cameras in random order."""
        b, device = len(cameras), cameras.device
        z = torch.randn(b, self.source.config.z_dim, generator=rng.device, device=device)
        return z, cameras[torch.randperm(b, generator=rng.device, device=device)]

    def _improve(
        self, state: TrainState, drawn: tuple[Tensor, Tensor], opponent: Opponent
    ) -> dict[str, Tensor | float]:
        """One update of G_t by D and the regularisers of depth."""
        rng, world = opponent.rng, opponent.world
        parts, shown = pieces(self.run, *drawn), {}
        side = self.config.discriminator.size

        def losses() -> Iterator[Tensor]:
            for z, seen in parts:
                made = made_of(self, state, z, seen, rng, world)
                found = {"loss_g": generator_loss(opponent.score(seen_pair(made, side), seen))}
                found |= self._depth_losses(made, z, seen)
                for name, value in found.items():
                    shown[name] = shown.get(name, 0.0) + value.detach() / len(parts)
                yield torch.stack(list(found.values())).sum()

        network, optimizer = state.models["generator"], state.optimizers["generator"]
        with frozen(opponent.network):
            update_weights(optimizer, network, losses(), len(parts), world)
        return shown

    def _depth_losses(
        self, made: Made, z: Float[Tensor, "B Z"], seen: Float[Tensor, "B 25"]
    ) -> dict[str, Tensor]:
        """R(D), similarity to the frozen G_s and flatness, weighted, by name."""
        config, found = self.config, {}
        depth, opacity = source_of(self.source, z, seen, made.depth.shape[-1])
        if config.background_weight and self.white:
            stray = background_opacity(made.opacity, outside(opacity))
            found["background"] = config.background_weight * stray
        elif config.background_weight:
            where = self.background(made.image.detach(), made.depth.shape[-1])
            found["background"] = config.background_weight * background_depth(
                made.depth, where, self._average_depth()
            )
        if config.similarity_weight:
            found["similarity"] = config.similarity_weight * depth_similarity(
                made.depth, depth, made.opacity, opacity, blur=config.similarity_blur
            )
        if config.flatness_weight:
            found["flatness"] = config.flatness_weight * flatness(made.depth, made.opacity)
        return found

    @torch.no_grad()
    def _average_depth(self) -> float:
        """a_d: mean depth of G_s's background over samples (section 3.3 as we read it)."""
        if self._depth is None:
            like = next(self.source.parameters())
            rng = torch.Generator().manual_seed(self.run.seed)
            total, count = 0.0, 0.0
            for _ in range(SAMPLED):
                z = torch.randn(1, self.source.config.z_dim, generator=rng).to(like)
                camera = self.data.cameras.vectors(self.data.cameras.sample(1, rng)).to(like)
                shown = self.source.synthesize(canonical(self.source, z), camera)
                where = self.background(shown.image, shown.depth.shape[-1])
                total += float((where * shown.depth).sum())
                count += float(where.sum())
            self._depth = total / max(count, 1.0)
        return self._depth

    def _regularise(
        self, state: TrainState, drawn: tuple[Tensor, Tensor], rng: StepRng, world: World
    ) -> dict[str, Tensor | float]:
        """One lazy update by R(Δs) and EG3D's density regularisation (section 3.3)."""
        config, network = self.config, state.models["generator"]
        assert isinstance(network, TriPlaneGenerator)
        if not config.density_weight and not config.delta_weight:
            return {}
        gain = config.adversary.generator_every
        parts, shown = pieces(self.run, drawn[0]), {}
        start = dict(self.source.named_parameters())
        live = dict(network.named_parameters())

        def losses() -> Iterator[Tensor]:
            for (z,) in parts:
                deltas = (live[name] - start[name] for name in geometry_names(network))
                found = {"delta": config.delta_weight * delta_penalty(deltas)}
                found["density"] = config.density_weight * self._variation(network, z, rng, world)
                for name, value in found.items():
                    shown[name] = shown.get(name, 0.0) + value.detach() / len(parts)
                yield gain * torch.stack(list(found.values())).sum()

        update_weights(state.optimizers["generator"], network, losses(), len(parts), world)
        return shown

    def _variation(
        self, network: TriPlaneGenerator, z: Float[Tensor, "B Z"], rng: StepRng, world: World
    ) -> Tensor:
        """EG3D's density regularisation, or by how much G_t exceeds G_s in it. [ours]"""
        config, box = self.config, network.config.rendering.box_warp
        kind = {"generator": rng.device, "device": z.device}
        points = (torch.rand(len(z), config.density_points, 3, **kind) - 0.5) * box
        offsets = torch.randn(points.shape, **kind) * config.density_reach
        with autocast(world.device, self.run.precision):
            planes = network.planes(canonical(network, z))
        planes = planes.float()
        found = density_variation(lambda x: network.query(planes, x)[1], points, offsets)
        if not config.density_excess:
            return found
        with torch.no_grad():
            plain = self.source.planes(canonical(self.source, z))
            own = density_variation(lambda x: self.source.query(plain, x)[1], points, offsets)
        return (found - own).clamp_min(0.0)

    def _follow(self, state: TrainState, *, warping: bool) -> None:
        """Update the style: the EMA of G_t's residuals, or of the warp."""
        style, network = state.averages["style"], state.models["generator"]
        assert isinstance(style, Style) and isinstance(network, TriPlaneGenerator)
        rates, batch = self.config.adversary, self.run.batch
        images = float((state.step + 1) * batch)
        beta = decay(batch, images, half_life=rates.ema_kimg * 1000, ramp=rates.ema_ramp)
        if warping:
            update(style.warp, state.models["warp"], beta)
        else:
            style.follow(network, self.source, beta)
