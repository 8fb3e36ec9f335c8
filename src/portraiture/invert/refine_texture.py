"""Refines a projected texture in a few steps of gradient descent on the image.

planes + residual ─sampled at the surface that the photo shows─▶ superresolution ─▶ image
   ◀─Adam─ absolute error and perceptual distance to the photo ◀────────────────┘
Projection determines the colours of the planes; superresolution also reads their other features,
which still hold w+'s wrinkles and brows, and sharpens. Here the final image is compared. Surface
and generator stay fixed; the residual of `project_texture` is what is optimised. [ours]
Letters: K photos of a head, N rows of w+, C channels and P side of a plane, R side of a photo, n
neural resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.adam import minimise
from portraiture.networks.deferred import deferred_image
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.progress import SILENT, Progress
from portraiture.triplane.sampling import make_rays


@dataclass(frozen=True)
class RefinementConfig:
    """steps, rate, warmup: of Adam, whose rate, in units of the planes' features, warms up over
    `warmup` steps and then has cosine decay. image: weight of the mean absolute error where photo
    and head show the person. perceptual: of the perceptual distance there."""

    steps: int = 16
    rate: float = 0.2
    warmup: int = 2
    image: float = 4.0
    perceptual: float = 0.3


class Seen(NamedTuple):
    """A view to compare. photo: over white. both: matte times opacity. depth, opacity, rays: of the
    fixed surface."""

    photo: Float[Tensor, "1 3 R R"]
    both: Float[Tensor, "1 1 R R"]
    depth: Float[Tensor, "1 1 n n"]
    opacity: Float[Tensor, "1 1 n n"]
    rays: tuple[Tensor, Tensor]


def refine_texture(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    residual: Float[Tensor, "1 3 C P P"],
    photos: Float[Tensor, "K 3 R R"],
    person: Float[Tensor, "K 1 R R"],
    cameras: Float[Tensor, "K 25"],
    perceptual: FeatureNetwork,
    config: RefinementConfig,
    *,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """Residual to use instead of `residual`. planes: without it. photos: in [-1, 1]. person: their
    mattes, in [0, 1]. perceptual: network of the perceptual loss."""
    shown = add_residual(generator, planes, residual, ws)
    views = [
        _look(generator, shown, photo[None], whole[None], camera[None])
        for photo, whole, camera in zip(photos, person, cameras, strict=True)
    ]

    def loss_of(change: Tensor) -> Tensor:
        now = add_residual(generator, planes, change, ws)
        each = [image_loss(generator, ws, now, one, perceptual, config) for one in views]
        return torch.stack(each).mean()

    return minimise(
        residual, loss_of, steps=config.steps, rate=config.rate, warmup=config.warmup,
        stage="Refine the texture", progress=progress,
    )  # fmt: skip


@torch.no_grad()
def _look(
    generator: TriPlaneGenerator, planes: Tensor, photo: Tensor, person: Tensor, camera: Tensor
) -> Seen:
    volume = generator.render(planes, camera, deterministic=True)
    depth, opacity = volume.depth, volume.opacity
    both = person * resized(opacity, person.shape[-1]).clamp(0.0, 1.0)
    return Seen(photo, both, depth, opacity, make_rays(camera, depth.shape[-1]))


def image_loss(
    generator: TriPlaneGenerator, ws: Tensor, planes: Tensor, seen: Seen,
    perceptual: FeatureNetwork, config: RefinementConfig,
) -> Float[Tensor, ""]:  # fmt: skip
    """How far the image at a view's fixed surface is from its photo."""
    image = deferred_image(generator, ws, planes, seen.depth, seen.opacity, seen.rays)
    image = resized(image, seen.photo.shape[-1])
    ours, theirs = (seen.both * x + 1.0 - seen.both for x in (image, seen.photo))
    far = perceptual_distance(perceptual, ours, theirs).mean()
    return config.image * (ours - theirs).abs().mean() + config.perceptual * far
