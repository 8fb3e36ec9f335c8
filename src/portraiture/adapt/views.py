"""Differentiable views of G_t, and what G_s shows of the same people.

Letters: B images, Z latent size, n side of raw images, R side of images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.settings import StyleTraining
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.networks.discriminator import pair
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.train.adversary import autocast
from portraiture.train.distributed import World
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState
from portraiture.triplane.volume import render_volume


@dataclass(frozen=True)
class Made:
    """image: (B, 3, R, R), raw: (B, 3, n, n), in [-1, 1]. depth, opacity: (B, 1, n, n)."""

    image: Float[Tensor, "B 3 R R"]
    raw: Float[Tensor, "B 3 n n"]
    depth: Float[Tensor, "B 1 n n"]
    opacity: Float[Tensor, "B 1 n n"]


def seen_pair(made: Made, side: int) -> Float[Tensor, "B 6 S S"]:
    """What the dual discriminator sees: image and raw image, at `side` pixels."""
    return pair(resized(made.image, side), made.raw)


class Training(Protocol):
    """The part of the recipe that views depend on."""

    @property
    def config(self) -> StyleTraining: ...

    def neural(self, step: int) -> int: ...


def canonical(network: TriPlaneGenerator, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B N D"]:
    """ws of latents; a mapping that depends on a camera gets the frontal one, so that G_s and G_t
    see the same w from every side."""
    if not network.config.c_dim:
        return network.mapping(z, None)
    front = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).to(z)
    return network.mapping(z, front.expand(len(z), -1))


def made_of(
    recipe: Training, state: TrainState, z: Float[Tensor, "B Z"], seen: Float[Tensor, "B 25"],
    rng: StepRng, world: World,
) -> Made:  # fmt: skip
    """Views of G_t at these cameras; gradients reach its trained weights."""
    network = state.models["generator"]
    assert isinstance(network, TriPlaneGenerator)
    ws = canonical(network, z)
    with autocast(world.device, recipe.config.run.precision):
        planes = network.planes(ws)
    return shown(recipe, network, ws, planes.float(), seen, state.step, rng, world)


def shown(
    recipe: Training, network: TriPlaneGenerator, ws: Float[Tensor, "B N D"],
    planes: Float[Tensor, "B 3 C P P"], seen: Float[Tensor, "B 25"], step: int, rng: StepRng,
    world: World,
) -> Made:  # fmt: skip
    """Views of planes with the run's number of rays and samples; without gradients by the fused
    renderer, on the CPU."""
    config = recipe.config
    slow = torch.is_grad_enabled() or seen.is_cuda
    rendering = replace(
        network.config.rendering, depth_resolution=config.coarse, importance_resolution=config.fine
    )
    volume = render_volume(
        planes, network.decoder, seen, rendering, resolution=recipe.neural(step),
        backend="torch" if slow else "auto", generator=rng.device,
    )  # fmt: skip
    with autocast(world.device, config.run.precision):
        image = network.superresolution(volume.features, ws, noise=network.config.superres_noise)
    return Made(image.float(), volume.features[:, :3], volume.depth, volume.opacity)


@torch.no_grad()
def source_of(
    source: TriPlaneGenerator, z: Float[Tensor, "B Z"], seen: Float[Tensor, "B 25"], side: int
) -> tuple[Float[Tensor, "B 1 n n"], Float[Tensor, "B 1 n n"]]:
    """Depth and opacity of the frozen G_s for the same people and cameras."""
    volume = source.render(
        source.planes(canonical(source, z)), seen, resolution=side, deterministic=True,
        backend="torch" if z.is_cuda else "auto",
    )  # fmt: skip
    return volume.depth, volume.opacity
