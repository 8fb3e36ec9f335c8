"""Embeds an image in the w of a 2D generator by optimisation, as LiftedGAN does for photos (Shi et
al. 2021, figure 9): Adam on w, by L1 and the perceptual loss.

target ─u, w = mean + u · basis─▶ generator ─ image loss ─ target   ─▶ w
w is parametrised in standard deviations along its principal axes, so that all directions have the
same scale; a weak penalty on u keeps it among the generator's people. [ours]
Letters: D w dimension, K principal directions, S side of the generator's image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.lift.estimate import generated
from portraiture.lift.losses import image_loss
from portraiture.networks.faces2d import FacesGenerator
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.train.lr_schedule import annealed

SAMPLES = 4_096
"""z from which the mean and the directions of w are taken."""
KEPT_VARIANCE = 0.999
"""Share of w's variance that the directions cover."""


@dataclass(frozen=True)
class EmbedConfig:
    """steps: of Adam. rate: its learning rate, in standard deviations of w, with cosine decay.
    pull: weight of mean u². perceptual: of the perceptual distance beside L1. tried: samples among
    which the nearest is the start."""

    steps: int = 200
    rate: float = 0.1
    pull: float = 0.003
    perceptual: float = 1.0
    tried: int = 64


@torch.no_grad()
def directions_of_w(
    generator: FacesGenerator, *, seed: int = 0
) -> tuple[Float[Tensor, "D"], Float[Tensor, "K D"]]:
    """Mean of w, and its principal directions scaled by their standard deviations."""
    numbers = torch.Generator().manual_seed(seed)
    z = torch.randn(SAMPLES, generator.config.z_dim, generator=numbers)
    like = generator.mapping.w_avg
    w = torch.cat([generator.mapping(part.to(like), None)[:, 0] for part in z.split(512)]).double()
    mean = w.mean(0)
    _, deviations, directions = torch.linalg.svd(w - mean, full_matrices=False)
    share = deviations.square().cumsum(0) / deviations.square().sum()
    kept = int((share < KEPT_VARIANCE).sum()) + 1
    basis = directions[:kept] * (deviations[:kept, None] / (len(w) - 1) ** 0.5)
    return mean.to(like), basis.to(like)


def embed(
    target: Float[Tensor, "1 3 S S"],
    generator: FacesGenerator,
    features: FeatureNetwork,
    *,
    config: EmbedConfig | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 D"]:
    """w whose image is nearest to an image in [-1, 1]. seed: of the samples. Raises
    CancelledError."""
    config = config or EmbedConfig()
    mean, basis = directions_of_w(generator, seed=seed)
    start = _nearest(target, generator, mean, basis, config.tried, seed)
    u = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([u], config.rate)
    progress.stage("Embed the photo", config.steps)
    for step in range(config.steps):
        raise_if_cancelled(progress)
        for group in optimizer.param_groups:
            group["lr"] = config.rate * annealed(step, config.steps, warmup=10, last=0.05)
        optimizer.zero_grad(set_to_none=True)
        image = generated(generator, mean + u @ basis)[0]
        loss = image_loss(image, target, features.features, perceptual=config.perceptual)
        (loss + config.pull * u.square().mean()).backward()
        optimizer.step()
        progress.step()
    return (mean + u @ basis).detach()


@torch.no_grad()
def _nearest(
    target: Float[Tensor, "1 3 S S"], generator: FacesGenerator, mean: Float[Tensor, "D"],
    basis: Float[Tensor, "K D"], count: int, seed: int,
) -> Float[Tensor, "1 K"]:  # fmt: skip
    """u of the nearest of `count` samples of half the standard deviation and the mean, by L1."""
    numbers = torch.Generator().manual_seed(seed + 1)
    u = 0.5 * torch.randn(count, len(basis), generator=numbers)
    u = torch.cat([torch.zeros(1, len(basis)), u]).to(basis)
    away = [
        (generated(generator, mean + part @ basis)[0] - target).abs().mean((1, 2, 3))
        for part in u.split(8)
    ]
    return u[int(torch.cat(away).argmin())][None]
