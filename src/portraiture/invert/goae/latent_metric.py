"""A metric of visible differences between two w.

Many directions of w hardly change the image. Its Jacobian measures this: for the Jacobian J of the
weighted pixels with respect to w, |J Δ|² is the change of the image caused by Δ, and the gradients
of the image times white noise, over people, have the second moment JᵀJ. Together with the variance
of w, this gives the image variance along each direction. Colours would dominate it, so the loss
weights each direction by the image's standard deviation, not its variance. [ours]
Letters: P gradients, B people, N rows of w+, D its dimension.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.people_set import PeopleSet
from portraiture.triplane.volume import render_volume

TOGETHER = 4
"""Number of people whose gradients are computed at once."""
RESOLUTION, SAMPLES = 48, 24
"""Side of the images; samples along a ray, half of them coarse and half fine."""
KEPT = 1e-4
"""Directions in which w's variance is below this share of the largest are ignored."""


class LatentMetric(nn.Module):
    """Squared length of differences of w, scaled so that the mean squared distance of people from
    the mean person is 1. The matrix is a buffer, so that the training state includes it."""

    matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(width))

    def forward(self, differences: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The mean over people and rows."""
        return ((differences @ self.matrix) * differences).sum(-1).mean()


def image_gradients(
    network: TriPlaneGenerator, people: PeopleSet, count: int, generator: torch.Generator
) -> Float[Tensor, "P D"]:
    """Gradients with respect to w of raw images times white noise, for random people seen from the
    cameras of known ones, whose pixel weights are used; `count` is rounded up to whole batches."""
    w_avg = network.backbone.mapping.w_avg
    size = min(RESOLUTION, network.config.neural_resolution)
    half = min(SAMPLES, network.config.rendering.depth_resolution)
    rendering = replace(network.config.rendering, depth_resolution=half, importance_resolution=half)
    found = []
    for _ in range(-(-count // TOGETHER)):
        views = people.sample(TOGETHER, generator)
        weight = F.interpolate(views.small_weight, (size, size), mode="area")
        noise = torch.randn(TOGETHER, 3, size, size, generator=generator) * weight.sqrt()
        z = torch.randn(TOGETHER, network.config.z_dim, generator=generator).to(w_avg)
        w = network.mapping(z, None)[:, 0].detach().requires_grad_(True)
        planes = network.planes(w[:, None].expand(-1, network.num_ws, -1))
        volume = render_volume(
            planes, network.decoder, views.camera.to(w_avg), rendering, resolution=size,
            backend="torch", deterministic=True,
        )  # fmt: skip
        (gradient,) = torch.autograd.grad((volume.features[:, :3] * noise.to(w_avg)).sum(), w)
        found.append(gradient)
    return torch.cat(found)


def visible_metric(
    gradients: Float[Tensor, "P D"], w: Float[Tensor, "K D"], *, floor: float
) -> Float[Tensor, "D D"]:
    """The metric's matrix L, with trace(L C) = 1 for the covariance C of w. A share `floor` of it
    is isotropic."""
    covariance = torch.cov(w.T.double())
    seen = gradients.double().T @ gradients.double() / len(gradients)
    variance, axes = torch.linalg.eigh(covariance)
    keep = variance > KEPT * variance.max()
    into = axes[:, keep] * variance[keep].rsqrt()
    back = axes[:, keep] * variance[keep].sqrt()
    strength, turn = torch.linalg.eigh(back.T @ seen @ back)
    deviation = strength.clamp(min=0.0).sqrt()
    share = deviation / deviation.sum()
    shown = (into @ turn * share) @ (into @ turn).T
    alike = torch.eye(len(covariance)).to(covariance) / covariance.trace()
    return ((1.0 - floor) * shown + floor * alike).float()
