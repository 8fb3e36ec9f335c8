"""Fits a head's silhouette to the photo's: empty where the photo shows background, solid where it
shows the person and the head is partly opaque.

planes ─rays, sampled mostly where head and photo differ─▶ opacity ◀─▶ matte ─Adam─▶ planes
Regions that the head lacks entirely stay empty, since their depth is unknown. [ours]
Letters: K photos of a head, N rows of w+, C channels and P side of a plane, R side of a photo, n
neural resolution, M rays per step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.adam import minimise
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.networks.sparse_rays import march_some
from portraiture.progress import SILENT, Progress
from portraiture.triplane.sampling import make_rays


@dataclass(frozen=True)
class SilhouetteConfig:
    """steps, rate, warmup: of Adam, whose rate, in units of the planes' features, warms up over
    `warmup` steps and then has cosine decay. rays: M, each with `samples` coarse and as many fine
    samples. anywhere: added to a ray's error for its sampling probability. missing: weight of too
    little opacity relative to too much. half_there: opacity from which the head is to become solid
    where the photo shows the person."""

    steps: int = 8
    rate: float = 0.4
    warmup: int = 2
    rays: int = 1024
    samples: int = 24
    anywhere: float = 0.1
    missing: float = 2.0
    half_there: float = 0.3
    seed: int = 0


class _Outline(NamedTuple):
    wanted: Float[Tensor, "1 n*n"]
    chance: Float[Tensor, "1 n*n"]
    rays: tuple[Float[Tensor, "1 n*n 3"], Float[Tensor, "1 n*n 3"]]


def fit_silhouette(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    person: Float[Tensor, "K 1 R R"],
    cameras: Float[Tensor, "K 25"],
    config: SilhouetteConfig,
    *,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """Residual to add to the planes, as `project_texture` returns it. person: the photos' mattes,
    in [0, 1]."""
    outlines = [
        _look(generator, planes, whole[None], camera[None], config)
        for whole, camera in zip(person, cameras, strict=True)
    ]
    numbers = torch.Generator(planes.device).manual_seed(config.seed)

    def loss_of(change: Tensor) -> Tensor:
        now = add_residual(generator, planes, change, ws)
        return torch.stack([_loss(generator, now, one, numbers, config) for one in outlines]).mean()

    return minimise(
        torch.zeros_like(planes), loss_of, steps=config.steps, rate=config.rate,
        warmup=config.warmup, stage="Fit the silhouette", progress=progress,
    )  # fmt: skip


@torch.no_grad()
def _look(
    generator: TriPlaneGenerator, planes: Tensor, person: Tensor, camera: Tensor,
    config: SilhouetteConfig,
) -> _Outline:  # fmt: skip
    opacity = generator.render(planes, camera, deterministic=True).opacity
    n = opacity.shape[-1]
    shown = F.interpolate(person, (n, n), mode="area")
    wanted = torch.where(opacity > config.half_there, shown, torch.minimum(shown, opacity))
    chance = (opacity - wanted).abs() + config.anywhere
    return _Outline(wanted.flatten(1), chance.flatten(1), make_rays(camera, n))


def _loss(
    generator: TriPlaneGenerator, planes: Tensor, outline: _Outline, numbers: torch.Generator,
    config: SilhouetteConfig,
) -> Float[Tensor, ""]:  # fmt: skip
    count = min(config.rays, outline.chance.shape[1])
    chosen = torch.multinomial(outline.chance, count, False, generator=numbers)
    marched = march_some(generator, planes, outline.rays, chosen, config.samples, numbers)
    more = marched.weights.sum(-1) - outline.wanted.gather(1, chosen)
    return torch.where(more < 0.0, -config.missing * more, more).mean()
