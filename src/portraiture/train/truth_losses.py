"""Losses between a generator's planes and the engine's ground truth.

planes ─┬─at the true surface─▶ features, colours ─superresolution─▶ image ◀─ the engine's
        ├─before and behind it─▶ density          ◀─ empty, solid
        └─along some whole rays─▶ colour, opacity ◀─ image, coverage
Letters: B people per step, n neural resolution, R = 2n side of an image, M rays.
"""

from __future__ import annotations

import torch
from torch import Tensor

from portraiture.networks.deferred import deferred_features
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.sparse_rays import march_some, pick
from portraiture.people.people_set import Example
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.train.density import density_losses
from portraiture.train.patches import along_points, cut_patch
from portraiture.train.rng import StepRng
from portraiture.train.truth_config import TruthConfig
from portraiture.triplane.sampling import make_rays


class TruthLosses:
    """All weighted losses against the engine's ground truth. features: network of the perceptual
    loss, on the device of the networks."""

    def __init__(self, config: TruthConfig, features: FeatureNetwork) -> None:
        self.config, self.features = config, features

    def __call__(
        self, network: TriPlaneGenerator, ws: Tensor, planes: Tensor, batch: Example,
        rng: StepRng, *, coarse: bool,
    ) -> dict[str, Tensor]:  # fmt: skip
        """All weighted losses by name."""
        rays = make_rays(batch.camera, batch.depth.shape[-1])
        out = density_losses(network, planes, batch, rays, rng, self.config)
        out |= self._ray_losses(network, planes, batch, rays, rng)
        if coarse:
            return out | self._point_losses(network, planes, batch, rays, rng)
        place = sample_patch(batch, self.config.patch, rng)
        return out | self._patch_losses(network, ws, planes, *cut_patch(batch, rays, *place))

    def _point_losses(
        self, network: TriPlaneGenerator, planes: Tensor, batch: Example,
        rays: tuple[Tensor, Tensor], rng: StepRng,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Colours at surface points, sampled in proportion to their weights."""
        weight = batch.small_weight.flatten(1) * batch.solid.flatten(1)
        chosen = torch.multinomial(weight, self.config.coarse_points, True, generator=rng.device)
        depth = batch.depth.flatten(1).gather(1, chosen)
        colors, _ = network.query(planes, along_points(rays, chosen, depth))
        small = batch.small.flatten(2).transpose(1, 2)
        error = (2.0 * colors[..., :3] - 1.0 - pick(small, chosen)).abs().mean()
        return {"raw": self.config.raw_weight * error}

    def _patch_losses(
        self, network: TriPlaneGenerator, ws: Tensor, planes: Tensor, part: Example,
        rays: tuple[Tensor, Tensor],
    ) -> dict[str, Tensor]:  # fmt: skip
        """Features and superresolution of one patch, at the same position for the whole batch."""
        features = deferred_features(network, planes, part.depth, part.alpha, rays)
        raw = (part.small_weight * (features[:, :3] - part.small).abs()).mean()
        out = {"raw": self.config.raw_weight * raw}
        return out | self.image_losses(network, ws, features, part)

    def image_losses(
        self, network: TriPlaneGenerator, ws: Tensor, features: Tensor, part: Example
    ) -> dict[str, Tensor]:
        """Losses on the superresolved image of a patch's features."""
        image = network.superresolution(features, ws, resize=False)
        fine = (part.weight * (image - part.image).abs()).mean()
        distance = perceptual_distance(self.features, image, part.image).mean()
        return {
            "image": self.config.image_weight * fine,
            "perceptual": self.config.perceptual_weight * distance,
        }

    def _ray_losses(
        self, network: TriPlaneGenerator, planes: Tensor, batch: Example,
        rays: tuple[Tensor, Tensor], rng: StepRng,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Volume-rendered rays: colour, opacity, depth, and features, compared with those at the
        surface."""
        config = self.config
        importance = config.ray_floor + batch.small_weight.flatten(1)
        chosen = torch.multinomial(importance, config.rays, False, generator=rng.device)
        marched = march_some(network, planes, rays, chosen, config.ray_samples, rng.device)
        alpha, depth, solid = (
            t.flatten(1).gather(1, chosen) for t in (batch.alpha, batch.depth, batch.solid)
        )
        with torch.no_grad():
            surface, _ = network.query(planes, along_points(rays, chosen, depth))
        wanted = 2.0 * (alpha[..., None] * surface + 1.0 - alpha[..., None]) - 1.0
        colour = batch.small.flatten(2).transpose(1, 2)
        rgb = (marched.color[..., :3] - pick(colour, chosen)).abs().mean()
        opacity = (marched.weights.sum(-1) - alpha).abs().mean()
        off = (solid * (marched.depth - depth).abs().clamp_max(0.2)).mean()
        mismatch = (marched.color - wanted).abs().mean()
        return {"rays": config.ray_weight * (rgb + mismatch + opacity + 4.0 * off)}


def sample_patch(batch: Example, side: int, rng: StepRng) -> tuple[int, int, int]:
    """Top, left and side of a random patch of the n² pixels."""
    n = batch.depth.shape[-1]
    top, left = (int(v) for v in rng.numpy.integers(0, n - side + 1, 2))
    return top, left, side
