"""What painting left of a photo, taken in a few steps down the gradient.

painted planes ─asked at the surface that the photo shows─▶ superresolution ─▶ picture
   ◀─Adam─ absolute error and perceptual distance to the photo ◀────────────────┘
Painting says which colours the planes should have; superresolution also reads their other features,
which still draw w+'s wrinkles and brows, and sharpens. Here the picture itself is asked for. The
surface stays, and so does the generator: what learns is what `bake_photo` has painted. [ours]
Letters: K photos of a head, N rows of w+, C channels and P side of a plane, R side of a photo, n
neural resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.adam import descend
from portraiture.invert.fit_silhouette import CarveConfig
from portraiture.networks.deferred import deferred_picture
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_painted
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.progress import SILENT, Progress
from portraiture.triplane.sampling import make_rays


@dataclass(frozen=True)
class PolishConfig:
    """steps: of Adam, whose rate, in units of the planes' features, rises over warmup of them and
    then falls along a half cosine. picture: weight of the mean absolute error where photo and head
    show the person. perceptual: of the perceptual distance there. outline: of what goes
    before painting."""

    steps: int = 16
    rate: float = 0.2
    warmup: int = 2
    picture: float = 4.0
    perceptual: float = 0.3
    outline: CarveConfig = field(default_factory=CarveConfig)


class _Seen(NamedTuple):
    """A photo over white, how far its pixels show both person and head, and where the head is."""

    photo: Float[Tensor, "1 3 R R"]
    both: Float[Tensor, "1 1 R R"]
    depth: Float[Tensor, "1 1 n n"]
    opacity: Float[Tensor, "1 1 n n"]
    rays: tuple[Tensor, Tensor]


def polish(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    painted: Float[Tensor, "1 3 C P P"],
    photos: Float[Tensor, "K 3 R R"],
    person: Float[Tensor, "K 1 R R"],
    cameras: Float[Tensor, "K 25"],
    judge: FeatureNetwork,
    config: PolishConfig,
    *,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """What to add to the planes instead of `painted`. planes: without it. photos: in [-1, 1].
    person: how far their pixels show the person. judge: of likeness."""
    shown = add_painted(generator, planes, painted, ws)
    views = [
        _look(generator, shown, photo[None], whole[None], camera[None])
        for photo, whole, camera in zip(photos, person, cameras, strict=True)
    ]

    def loss_of(change: Tensor) -> Tensor:
        now = add_painted(generator, planes, change, ws)
        return torch.stack([_loss(generator, ws, now, one, judge, config) for one in views]).mean()

    return descend(
        painted, loss_of, steps=config.steps, rate=config.rate, warmup=config.warmup,
        stage="Polish", progress=progress,
    )  # fmt: skip


@torch.no_grad()
def _look(
    generator: TriPlaneGenerator, planes: Tensor, photo: Tensor, person: Tensor, camera: Tensor
) -> _Seen:
    volume = generator.render(planes, camera, deterministic=True)
    depth, opacity = volume.depth, volume.opacity
    both = person * resized(opacity, person.shape[-1]).clamp(0.0, 1.0)
    return _Seen(photo, both, depth, opacity, make_rays(camera, depth.shape[-1]))


def _loss(
    generator: TriPlaneGenerator, ws: Tensor, planes: Tensor, seen: _Seen, judge: FeatureNetwork,
    config: PolishConfig,
) -> Float[Tensor, ""]:  # fmt: skip
    picture = deferred_picture(generator, ws, planes, seen.depth, seen.opacity, seen.rays)
    picture = resized(picture, seen.photo.shape[-1])
    ours, theirs = (seen.both * x + 1.0 - seen.both for x in (picture, seen.photo))
    far = perceptual_distance(judge, ours, theirs).mean()
    return config.picture * (ours - theirs).abs().mean() + config.perceptual * far
