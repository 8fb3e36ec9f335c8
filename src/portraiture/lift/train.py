"""Trains LiftedGAN's networks on a frozen StyleGAN2 (Shi et al. 2021, section 3 and equation 8).

z ─▶ w ─lift─▶ person ─own light, view──▶ image ─rec, flip, low rank─ image of w
                      └─light', view'──▶ image ─perturb─ image of w' = M(w, light', view')
The program takes two backward passes a step: by the first all networks learn, by the second M
alone. Letters: B people, D w dimension, S side of an image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import radians

import torch
import torch.nn.functional as F
from numpy import ndarray
from torch import Tensor

from portraiture.lift.codes import view_code
from portraiture.lift.estimate import Lifted, generated, lift, sizes_of
from portraiture.lift.geometry import FAR, MAX_ANGLE, NEAR, outward_normals
from portraiture.lift.losses import (
    albedo_rank,
    image_loss,
    perturbed_light,
    perturbed_view,
    style_loss,
    style_precision,
)
from portraiture.lift.networks import LiftConfig, LiftedNetworks
from portraiture.networks.faces2d import FacesGenerator
from portraiture.perception.features import FeatureNetwork
from portraiture.perception.identity import IdentityNetwork, face_crop
from portraiture.train.distributed import World, average_gradients
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.lr_schedule import annealed
from portraiture.train.rng import BUILD, StepRng, generator
from portraiture.train.state import TrainState
from portraiture.types import LiftLoss

WEIGHTS: dict[LiftLoss, tuple[str, ...]] = {
    "flip": ("flip",), "perturb": ("perturb", "codes", "style"), "identity": ("idt",),
    "rank": ("rank",),
}  # fmt: skip
"""λ of `LiftTraining` by the losses of the paper's ablation, table 2."""


@dataclass(frozen=True)
class LiftTraining:
    """Settings of lifted.

    truncation: of the training codes. rec, flip, perturb, codes, idt, style, rank: λ of the losses,
    codes of the perturbed light and view that are found again; for classes other than people the
    paper takes idt 0, style 0.1, rank 0.005. idt_yaw: radians of the perturbed view within which
    the person has to be the same. perceptual: weight of the perceptual distance beside L1.
    learning_rate, weight_decay: of Adam. final_rate: factor on the learning rate at the end of a
    cosine decay over decay_steps; the paper's is constant. mapped: codes whose statistics are taken
    at the start. half_life: of the EMA, in images; the paper has none. grid_people: columns of the
    grid.
    """

    run: RunConfig
    networks: LiftConfig
    truncation: float = 0.7
    rec: float = 5.0
    flip: float = 0.8
    perturb: float = 2.0
    codes: float = 4.0
    idt: float = 1.0
    idt_yaw: float = radians(25.0)
    style: float = 0.5
    rank: float = 0.01
    perceptual: float = 1.0
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4
    final_rate: float = 1.0
    decay_steps: int = 50_000
    mapped: int = 50_000
    half_life: float = 2_000.0
    grid_people: int = 6

    def without(self, losses: Collection[LiftLoss]) -> LiftTraining:
        """Without some losses: the rows of table 2, and identity for other classes than people."""
        changes = [(name, 0.0) for loss in losses for name in WEIGHTS[loss]]
        return replace(self, **dict(changes))

    def fitting(self, faces: FacesGenerator) -> LiftTraining:
        """For this generator: its side, w dimension and last features."""
        size, w_dim, features = sizes_of(faces)
        networks = replace(self.networks, size=size, w_dim=w_dim, features=features)
        return replace(self, networks=networks)


class TrainLifted:
    """The recipe; see `train.loop.Recipe`.

    faces: the generator to lift. features: of the perceptual distance; the paper has VGG-16's.
    identity: ours instead of the paper's `LResNet18`; its squared distance is over unit vectors
    too. None leaves the loss out, for other classes than people.
    """

    def __init__(
        self, config: LiftTraining, faces: FacesGenerator, features: FeatureNetwork,
        identity: IdentityNetwork | None,
    ) -> None:  # fmt: skip
        self.config, self.data = config.fitting(faces), None
        self.faces, self.features, self.identity = faces.requires_grad_(False), features, identity
        self._statistics: tuple[Tensor, Tensor] | None = None

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """New networks, their EMA and Adam."""
        self.faces.to(world.device)
        if self.identity is not None:
            self.identity.to(world.device)
        if isinstance(self.features, torch.nn.Module):
            self.features.to(world.device)
        networks = LiftedNetworks(self.config.networks).to(world.device)
        adam = torch.optim.Adam(
            networks.parameters(), self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )  # fmt: skip
        return TrainState(
            models={"lifted": networks},
            averages={"lifted": averaged_copy(networks)},
            optimizers={"lifted": adam},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> Tensor:
        """z of as many people."""
        return torch.randn(size, self.faces.config.z_dim, generator=generator)

    def step(
        self, state: TrainState, batch: Tensor, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the networks and their EMA."""
        networks, optimizer = state.models["lifted"], state.optimizers["lifted"]
        assert isinstance(networks, LiftedNetworks)
        config = self.config
        factor = annealed(state.step, config.decay_steps, last=config.final_rate)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * factor
        optimizer.zero_grad(set_to_none=True)
        mean, precision = self.statistics(batch.device)
        w = self.codes(batch, mean)
        with torch.no_grad():
            image = generated(self.faces, w)[0].clamp(-1.0, 1.0)
        person = lift(self.faces, networks, w)
        light, view = self.perturbed(person, rng)
        changed = networks.manipulation(w, light, view)
        first = self.losses(networks, person, image, light, view, changed)
        first["style"] = config.style * style_loss(changed, mean, precision)
        torch.stack(list(first.values())).sum().backward()
        second = self.manipulated(networks, person, light, view)
        second.backward()
        average_gradients(networks.parameters(), world)
        optimizer.step()
        images = float((state.step + 1) * self.run.batch)
        share = decay(self.run.batch, images, half_life=config.half_life)
        update(state.averages["lifted"], networks, share)
        losses = first | {"manipulated": second}
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def statistics(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean of w, and `style_precision` of it; the same for every run of a seed."""
        if self._statistics is None:
            numbers = generator(self.run.seed, BUILD, 1)
            z = torch.randn(self.config.mapped, self.faces.config.z_dim, generator=numbers)
            w = torch.cat(
                [self.faces.mapping(part.to(device), None)[:, 0] for part in z.split(1_000)]
            )
            self._statistics = w.mean(0), style_precision(w)
        return self._statistics

    def codes(self, z: Tensor, mean: Tensor) -> Tensor:
        """Truncated w."""
        with torch.no_grad():
            return mean.lerp(self.faces.mapping(z, None)[:, 0], self.config.truncation)

    def perturbed(self, person: Lifted, rng: StepRng) -> tuple[Tensor, Tensor]:
        """Light and view codes, without gradient."""
        uniform = torch.rand(len(person.w), 3, generator=rng.cpu).to(person.w)
        light = perturbed_light(person.light.detach(), rng.cpu)
        return light, perturbed_view(uniform)

    def losses(
        self, networks: LiftedNetworks, person: Lifted, image: Tensor, light: Tensor, view: Tensor,
        changed: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Those of the first backward pass by name, weighted, but style's. changed: M's w of light
        and view."""
        config, weight = self.config, self.config.perceptual
        own, mirrored = person.render(), person.mirrored().render()
        mask = (own.mask * mirrored.mask).detach()
        same = image_loss(own.image, image, self.features.features, mask, perceptual=weight)
        flip = image_loss(mirrored.image, image, self.features.features, mask, perceptual=weight)
        found_light, found_view = networks.light(changed), networks.view(changed)
        with torch.no_grad():
            target = generated(self.faces, changed)[0]
        turned = person.render(light=found_light, view=found_view).image
        shift = image_loss(turned, target, self.features.features, perceptual=weight)
        codes = F.mse_loss(found_light, light) + F.mse_loss(found_view[:, :3], view[:, :3])
        losses = {
            "rec": config.rec * same,
            "flip": config.rec * config.flip * flip,
            "perturb": config.perturb * shift,
            "codes": config.codes * codes,
            "rank": config.rank * albedo_rank(person.albedo, person.depth),
        }
        if self.identity is not None and config.idt:
            losses["idt"] = config.idt * self.identity_loss(person, turned, view)
        return losses

    def identity_loss(self, person: Lifted, turned: Tensor, view: Tensor) -> Tensor:
        """Squared distance of the embeddings of the neutral and the turned image, of those people
        who turn by little."""
        assert self.identity is not None
        near = view[:, 1].abs() * MAX_ANGLE < self.config.idt_yaw
        if not near.any():
            return turned.sum() * 0.0
        side = self.identity.config.size
        a, b = (self.identity(face_crop(x[near], side)) for x in (person.neutral, turned))
        return (a - b).square().sum(1).mean()

    def manipulated(
        self, networks: LiftedNetworks, person: Lifted, light: Tensor, view: Tensor
    ) -> Tensor:
        """The second pass's loss: M's image against the person rendered in that light and view."""
        with torch.no_grad():
            target = person.render(light=light, view=view).image
        image = generated(self.faces, networks.manipulation(person.w, light, view))[0]
        weight = self.config.perceptual
        return self.config.perturb * image_loss(
            image, target, self.features.features, perceptual=weight
        )

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: images of w, renders, albedo, normals, depth, and views from both sides."""
        networks = state.averages["lifted"]
        assert isinstance(networks, LiftedNetworks)
        device = next(networks.parameters()).device
        count = self.config.grid_people
        z = torch.randn(count, self.faces.config.z_dim, generator=generator(1, BUILD)).to(device)
        w = self.codes(z, self.statistics(device)[0])
        person = lift(self.faces, networks, w)
        near = 2.0 * (FAR - person.depth)[:, None] / (FAR - NEAR) - 1.0
        sides = [view_code(yaw, like=w).expand(count, -1) for yaw in (-0.6, 0.0, 0.6)]
        rows = [
            generated(self.faces, w)[0], person.render().image, person.albedo,
            outward_normals(person.depth).movedim(-1, 1), near,
            *(person.render(view=view).image for view in sides),
        ]  # fmt: skip
        return stack_rows(*(tile(row, columns=count) for row in rows))
