"""EG3D's adversarial recipe (Chan et al. 2022, section 5 and supplement, section 1).

z, camera ─generator─▶ image ‖ raw ─┐
                                    ├─augment─▶ dual discriminator ◀─ camera
photo ─shrink─────▶ image ‖ raw ────┘
Letters: B images per process and step, R image side, n neural resolution, Z latent size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.camera import EG3D_FOCAL, EG3D_RADIUS, orbit, to_eg3d
from portraiture.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    pair,
)
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.ops.resize import resized
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
from portraiture.train.distributed import World
from portraiture.train.gan_losses import density_variation, generator_loss
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.state import TrainState

PIVOT = (0.0, 0.0, 0.2)
"""Look-at point of the grid's cameras (EG3D's average pivot)."""

GRID_YAWS = (-0.5, 0.0, 0.5)
"""Yaws of the grid's views, radians."""


class ImageData(Protocol):
    """Provides images (B, 3, R, R) in [-1, 1] and cameras (B, 25); see `Recipe.batch`."""

    def batch(
        self, number: int, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B 3 R R"], Float[Tensor, "B 25"]]: ...


@dataclass(frozen=True)
class HeadsConfig:
    """The defaults are EG3D's for FFHQ. Lengths are in EG3D units, `kimg` in thousands of images.

    neural_first, neural_last, neural_fade_kimg: schedule of the raw images' side. swap,
    swap_fade_kimg: probability that the generator is conditioned on another camera than the one it
    renders from, falling from 1 to `swap` (generator pose conditioning). density_weight,
    density_reach: weight of |σ(x)−σ(x+δ)| and standard deviation of δ. density_side: side of the
    cube from which its points are sampled; density_points: points per image. blur_sigma,
    blur_fade_kimg: standard deviation in pixels of the blur of all images that D sees, fading to 0.
    grid_people: rows of the grid.
    """

    run: RunConfig
    generator: TriPlaneConfig
    discriminator: DiscriminatorConfig
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    neural_first: int = 64
    neural_last: int = 128
    neural_fade_kimg: float = 1000.0
    swap: float = 0.5
    swap_fade_kimg: float = 1000.0
    density_weight: float = 0.25
    density_reach: float = 0.004
    density_side: float = 2.0
    density_points: int = 1000
    blur_sigma: float = 10.0
    blur_fade_kimg: float = 200.0
    grid_people: int = 6


@dataclass(frozen=True)
class Schedule:
    """Settings that change as images are seen. neural: side of raw images. swap: probability.
    blur: sigma in pixels."""

    neural: int
    swap: float
    blur: float


def schedule(config: HeadsConfig, images: float) -> Schedule:
    """The schedule after `images` images."""

    def faded(kimg: float) -> float:
        return min(images / (kimg * 1000), 1.0) if kimg > 0 else 1.0

    along = faded(config.neural_fade_kimg)
    return Schedule(
        neural=round(config.neural_first * (1 - along) + config.neural_last * along),
        swap=1 + faded(config.swap_fade_kimg) * (config.swap - 1),
        blur=config.blur_sigma * (1 - faded(config.blur_fade_kimg)),
    )


def blurred(x: Float[Tensor, "B C H W"], sigma: float) -> Float[Tensor, "B C H W"]:
    """Blur with a kernel 2^-(t/sigma)², truncated at 3 sigma, with zero padding; below a third of a
    pixel, x is returned unchanged."""
    reach = int(3 * sigma)
    if reach < 1:
        return x
    t = torch.arange(-reach, reach + 1, device=x.device, dtype=torch.float32)
    taps = torch.exp2(-((t / sigma) ** 2))
    taps = (taps / taps.sum()).to(x.dtype).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(x, taps, padding=(0, reach), groups=x.shape[1])
    return F.conv2d(x, taps.transpose(2, 3), padding=(reach, 0), groups=x.shape[1])


@dataclass(frozen=True)
class Draft:
    """Latents and cameras of the images generated in a step. `seen`: cameras to render from, which
    D is conditioned on; `told`: cameras that the mapping is conditioned on."""

    z: Float[Tensor, "B Z"]
    seen: Float[Tensor, "B 25"]
    told: Float[Tensor, "B 25"]


@dataclass
class AdversarialHeads:
    """The recipe. start: generator with the config's sizes to start from, such as the supervised
    recipe's; None for random weights."""

    config: HeadsConfig
    data: ImageData
    start: TriPlaneGenerator | None = None

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """A generator, its EMA and the dual discriminator."""
        made = TriPlaneGenerator(self.config.generator)
        against = DualDiscriminator(self.config.discriminator)
        if self.start is not None:
            made.load_state_dict(self.start.state_dict())
        return opponents(made, against, self.config.adversary, world)

    def batch(
        self, number: int, size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return self.data.batch(number, size, generator)

    def step(
        self, state: TrainState, batch: tuple[Tensor, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """Generator, density, discriminator and R1 updates, each with Adam, then the EMA."""
        images, cameras = batch
        config, now = self.config, schedule(self.config, state.step * self.run.batch)
        opponent = Opponent(state, config.adversary, self.run, rng, world)
        metrics: dict[str, Tensor | float] = {}
        if self.start is None or state.step >= config.adversary.head_start:
            metrics |= self._improve(state, self._draft(cameras, now, rng), now, opponent)
            if state.step % config.adversary.generator_every == 0 and config.density_weight:
                metrics |= self._smooth(state, self._draft(cameras, now, rng), rng, world)
        draft = self._draft(cameras, now, rng)
        with torch.no_grad():
            made = [self._pairs(state, part, now, rng, world) for part in self._parts(draft)]
        raw = blurred(resized(images, now.neural), now.blur)
        reals = blurred(images, now.blur)
        fakes = torch.cat(made)
        metrics |= opponent.learn(pair(reals, raw), fakes, cameras, draft.seen)
        if state.step % config.adversary.r1_every == 0:
            metrics |= opponent.penalize((reals, raw), cameras, pair)
        update_average(state, config.adversary, self.run)
        return metrics | {"neural_resolution": float(now.neural)}

    def grid(self, state: TrainState) -> ndarray:
        """One row per person: three views, their raw images and depths, by the EMA."""
        average = state.averages["generator"]
        assert isinstance(average, TriPlaneGenerator)
        now = schedule(self.config, state.step * self.run.batch)
        return people_grid(average, self.config.grid_people, neural=now.neural)

    def _draft(self, cameras: Tensor, now: Schedule, rng: StepRng) -> Draft:
        """Random latents, and the batch's cameras in random order."""
        b, device = len(cameras), cameras.device
        z = torch.randn(b, self.config.generator.z_dim, generator=rng.device, device=device)
        seen = cameras[torch.randperm(b, generator=rng.device, device=device)]
        swaps = torch.rand(b, 1, generator=rng.device, device=device) < now.swap
        return Draft(z, seen, torch.where(swaps, seen.roll(1, 0), seen))

    def _parts(self, draft: Draft) -> list[Draft]:
        return [Draft(*part) for part in pieces(self.run, draft.z, draft.seen, draft.told)]

    def _pairs(
        self, state: TrainState, draft: Draft, now: Schedule, rng: StepRng, world: World
    ) -> Float[Tensor, "B 6 R R"]:
        """Images with their raw images, as D sees them before augmentation."""
        network = state.models["generator"]
        assert isinstance(network, TriPlaneGenerator)
        ws = network.mapping(draft.z, draft.told)
        if torch.is_grad_enabled():
            follow_w(network.backbone.mapping.w_avg, ws, world)
        with autocast(world.device, self.run.precision):
            planes = network.planes(ws, noise="random")
        volume = network.render(
            planes.float(), draft.seen, resolution=now.neural, backend="torch",
            generator=rng.device,
        )  # fmt: skip
        with autocast(world.device, self.run.precision):
            image = network.upsample(volume.features, ws)
        return pair(blurred(image.float(), now.blur), volume.features[:, :3])

    def _improve(
        self, state: TrainState, draft: Draft, now: Schedule, opponent: Opponent
    ) -> dict[str, Tensor | float]:
        """One generator update by the adversarial loss."""
        parts = self._parts(draft)

        def losses() -> Iterator[Tensor]:
            for part in parts:
                made = self._pairs(state, part, now, opponent.rng, opponent.world)
                yield generator_loss(opponent.score(made, part.seen))

        network, optimizer = state.models["generator"], state.optimizers["generator"]
        with frozen(opponent.network):
            loss = update_weights(optimizer, network, losses(), len(parts), opponent.world)
        return {"loss_g": loss}

    def _smooth(
        self, state: TrainState, draft: Draft, rng: StepRng, world: World
    ) -> dict[str, Tensor | float]:
        """One update by lazy density regularisation."""
        config, network = self.config, state.models["generator"]
        assert isinstance(network, TriPlaneGenerator)
        parts = self._parts(draft)
        gain = config.density_weight * config.adversary.generator_every

        def losses() -> Iterator[Tensor]:
            for part in parts:
                shape = (len(part.z), config.density_points, 3)
                kind = {"generator": rng.device, "device": part.z.device}
                points = (torch.rand(shape, **kind) - 0.5) * config.density_side
                offsets = torch.randn(shape, **kind) * config.density_reach
                with autocast(world.device, self.run.precision):
                    planes = network.planes(network.mapping(part.z, part.told))
                planes = planes.float()
                yield gain * density_variation(
                    lambda x, planes=planes: network.query(planes, x)[1], points, offsets
                )

        optimizer = state.optimizers["generator"]
        loss = update_weights(optimizer, network, losses(), len(parts), world)
        return {"density": loss / gain}


@torch.no_grad()
def people_grid(network: TriPlaneGenerator, people: int, *, neural: int) -> ndarray:
    """One row for each of `people` fixed latents: images, raw images and depths from three sides.
    Depth is black near and white far."""
    config, device = network.config, next(network.parameters()).device
    z = torch.randn(people, config.z_dim, generator=generator(0)).to(device)
    views = torch.stack([_camera(yaw) for yaw in GRID_YAWS]).to(device)
    front = _camera(0.0).to(device)[None]
    rows = []
    for one in z.split(1):
        ws = network.mapping(one, front if config.c_dim else None)
        planes = network.planes(ws).expand(len(views), -1, -1, -1, -1)
        volume = network.render(
            planes, views, resolution=neural, backend="torch", deterministic=True
        )
        image = network.upsample(volume.features, ws.expand(len(views), -1, -1))
        size, span = image.shape[-1], (config.rendering.ray_start, config.rendering.ray_end)
        colors = torch.cat([image, resized(volume.features[:, :3], size, grow="nearest")])
        depths = tile(volume.depth, side=size, columns=len(views), span=span)
        rows.append(np.concatenate([tile(colors, columns=2 * len(views)), depths], axis=1))
    return stack_rows(*rows)


def _camera(yaw: float) -> Float[Tensor, "25"]:
    camera = orbit(yaw, 0.0, target=np.array(PIVOT), distance=EG3D_RADIUS, focal=EG3D_FOCAL)
    return torch.from_numpy(to_eg3d(camera)).float()
