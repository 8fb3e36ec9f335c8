"""The second part of a style's training: the warp of the front plane, with G_t frozen, since joint
training explodes (3DAvatarGAN, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.style import Style
from portraiture.adapt.views import Made, Training, canonical, seen_pair, shown
from portraiture.adapt.warp import FrontWarp
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.perception.identity import IdentityNetwork, face_crop
from portraiture.train.adversary import Opponent, autocast, frozen, pieces, update_weights
from portraiture.train.distributed import World
from portraiture.train.gan_losses import generator_loss
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState


class WarpTraining(Training, Protocol):
    """The part of the recipe that the warp depends on."""

    @property
    def identity(self) -> IdentityNetwork | None: ...


@torch.no_grad()
def freeze(state: TrainState, source: TriPlaneGenerator) -> None:
    """Set G_t to the style's average, and stop its training. To be called at every step: a resumed
    run begins at any."""
    network, style = state.models["generator"], state.averages["style"]
    assert isinstance(style, Style)
    trained = [p for p in network.parameters() if p.requires_grad]
    if trained:
        network.load_state_dict(dict(style.changed(source)), strict=False)
        network.requires_grad_(False)


def made_of_warp(
    recipe: Training, state: TrainState, z: Float[Tensor, "B Z"], seen: Float[Tensor, "B 25"],
    rng: StepRng, world: World,
) -> Made:  # fmt: skip
    """Views of G_t with the warp at amount 1."""
    return _warped(recipe, state, z, seen, rng, world)[0]


def _warped(
    recipe: Training, state: TrainState, z: Tensor, seen: Tensor, rng: StepRng, world: World
) -> tuple[Made, Float[Tensor, "B K 2"], Float[Tensor, "B 3 C P P"], Float[Tensor, "B N D"]]:
    """Views, displacements of the control points, the planes before the warp, and their ws."""
    network, warp = state.models["generator"], state.models["warp"]
    assert isinstance(network, TriPlaneGenerator) and isinstance(warp, FrontWarp)
    with torch.no_grad():
        ws = canonical(network, z)
        with autocast(world.device, recipe.config.run.precision):
            planes = network.planes(ws)
        planes = planes.float()
    controls = warp.controls(planes, ws[:, 0])
    moved = warp.move(planes, controls)
    made = shown(recipe, network, ws, moved, seen, state.step, rng, world)
    return made, controls, planes, ws


def exaggerate(
    recipe: WarpTraining, state: TrainState, drawn: tuple[Tensor, Tensor], opponent: Opponent
) -> dict[str, Tensor | float]:
    """One update of the warp: α identity + β adversarial + σ bending + R(T2) (appendix, "training
    details"; what the weights multiply is ours)."""
    weights, warp = recipe.config.warp_weights, state.models["warp"]
    network = state.models["generator"]
    assert isinstance(warp, FrontWarp) and isinstance(network, TriPlaneGenerator)
    parts, side = pieces(recipe.config.run, *drawn), recipe.config.discriminator.size
    seen_losses: dict[str, Tensor | float] = {}

    def losses() -> Iterator[Tensor]:
        for z, seen in parts:
            rng, world = opponent.rng, opponent.world
            made, controls, planes, ws = _warped(recipe, state, z, seen, rng, world)
            score = opponent.score(seen_pair(made, side), seen)
            found = {
                "warp_g": weights.adversarial * generator_loss(score),
                "bending": weights.bending * warp.energy(controls).mean(),
                "displacement": weights.displacement * controls.norm(dim=-1).mean(),
            }
            if recipe.identity is not None and weights.identity:
                with torch.no_grad():
                    plain = shown(recipe, network, ws, planes, seen, state.step, rng, world).image
                apart = embedding_distance(recipe.identity, made.image, plain)
                found["identity"] = weights.identity * apart
            for name, value in found.items():
                seen_losses[name] = seen_losses.get(name, 0.0) + value.detach() / len(parts)
            yield torch.stack(list(found.values())).sum()

    with frozen(opponent.network):
        update_weights(state.optimizers["warp"], warp, losses(), len(parts), opponent.world)
    return seen_losses


def embedding_distance(
    network: IdentityNetwork, image: Float[Tensor, "B 3 R R"], other: Float[Tensor, "B 3 R R"]
) -> Float[Tensor, ""]:
    """Mean squared difference of identity embeddings; gradients flow to `image`."""
    size = network.config.size
    with torch.no_grad():
        wanted = network(face_crop(other, size))
    return (network(face_crop(image, size)) - wanted).square().mean()
