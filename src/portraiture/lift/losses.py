"""LiftedGAN's losses (Shi et al. 2021, section 3.3 and equation 8), as in the published program.

Letters: B people, D w dimension, S side of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import radians

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.lift.geometry import FOREGROUND, MAX_ANGLE, blurred

Features = Callable[[Tensor], Sequence[Tensor]]
"""Feature maps of images in [-1, 1]: relu2_2, relu3_3 and relu4_3 of VGG-16 in the paper."""

PITCH, YAW = radians(15.0), radians(45.0)
"""Largest angles of a perturbed view."""
SCALES = 3
RANK_POOL = 4


def image_loss(
    image: Float[Tensor, "B 3 S S"],
    target: Float[Tensor, "B 3 S S"],
    features: Features,
    mask: Float[Tensor, "B 1 S S"] | None = None,
    *,
    perceptual: float = 1.0,
) -> Float[Tensor, ""]:
    """L1 plus the weighted perceptual distance."""
    weight = perceptual * perceptual_loss(image, target, features, mask)
    return masked_mean((image - target).abs(), mask) + weight


def perceptual_loss(
    image: Float[Tensor, "B 3 S S"],
    target: Float[Tensor, "B 3 S S"],
    features: Features,
    mask: Float[Tensor, "B 1 S S"] | None = None,
) -> Float[Tensor, ""]:
    """Squared differences of feature maps normalised at every pixel, summed over channels, averaged
    over pixels, layers and three scales."""
    losses = []
    for k in range(SCALES):
        if k:
            image, target = F.avg_pool2d(image, 2), F.avg_pool2d(target, 2)
        for a, b in zip(features(image), features(target), strict=True):
            difference = (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1, True)
            small = None if mask is None else F.adaptive_avg_pool2d(mask, (a.shape[2], a.shape[3]))
            losses.append(masked_mean(difference, small))
    return torch.stack(losses).mean()


def masked_mean(
    values: Float[Tensor, "B C S S"], mask: Float[Tensor, "B 1 S S"] | None
) -> Float[Tensor, ""]:
    """Mean over the pixels of a mask, or all."""
    if mask is None:
        return values.mean()
    return (values * mask).sum() / mask.expand_as(values).sum()


def perturbed_light(
    light: Float[Tensor, "B 4"], numbers: torch.Generator | None = None
) -> Float[Tensor, "B 4"]:
    """Strengths of one person with the direction of another."""
    first, second = (
        torch.randperm(len(light), generator=numbers).to(light.device) for _ in range(2)
    )
    return torch.cat([light[first, :2], light[second, 2:]], 1)


def perturbed_view(uniform: Float[Tensor, "B 3"]) -> Float[Tensor, "B 6"]:
    """View codes of uniform numbers in [0, 1], of which the third, for the roll, is not used: the
    head shifts sideways as it turns."""
    limits = uniform.new_tensor([PITCH, YAW, 0.0])
    angles = (2.0 * uniform - 1.0) * limits
    shift = torch.zeros_like(angles)
    shift[:, 0] = 0.2 * angles[:, 1].sin()
    return torch.cat([angles / MAX_ANGLE, shift], 1)


def albedo_residual(
    albedo: Float[Tensor, "B 3 S S"], depth: Float[Tensor, "B S S"]
) -> Float[Tensor, "B s s"]:
    """Grey albedo less its blur, on the head, at a quarter of the side."""
    grey = albedo.mean(1, keepdim=True)
    residual = (grey - blurred(grey)) * (depth <= FOREGROUND)[:, None]
    return F.avg_pool2d(residual, RANK_POOL)[:, 0]


def albedo_rank(
    albedo: Float[Tensor, "B 3 S S"], depth: Float[Tensor, "B S S"]
) -> Float[Tensor, ""]:
    """Nuclear norm of the batch of residuals, a person a row: details that all share cost least."""
    return torch.linalg.svdvals(albedo_residual(albedo, depth).flatten(1)).sum()


def style_loss(
    w: Float[Tensor, "B D"], mean: Float[Tensor, "D"], inverse: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Mean squared distance to the mean of w. inverse: of `style_precision`."""
    return (w - mean).square().mean() * inverse


def style_precision(w: Float[Tensor, "K D"]) -> Float[Tensor, ""]:
    """1 / (2 σ²), σ being the mean of the dimensions' standard deviations."""
    return 0.5 / w.std(0).mean().square()
