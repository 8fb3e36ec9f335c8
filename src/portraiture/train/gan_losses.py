"""Adversarial losses and their regularisers.

Letters: B batch, N layers of ws, D w dimension, M points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def generator_loss(fake_logits: Float[Tensor, "B 1"]) -> Float[Tensor, ""]:
    """Non-saturating -log sigmoid(D(fake)) (Goodfellow et al. 2014, section 3), mean over B."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(
    real_logits: Float[Tensor, "B 1"], fake_logits: Float[Tensor, "B 1"]
) -> Float[Tensor, ""]:
    """-log sigmoid(D(real)) - log(1 - sigmoid(D(fake))), mean over B."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(
    real_logits: Float[Tensor, "B 1"], reals: Sequence[Float[Tensor, "B ..."]]
) -> Float[Tensor, ""]:
    """‖∇D(real)‖², mean over B (Mescheder et al. 2018, eq. 9, without γ/2).

    reals: inputs of D, with gradients required; the squares are summed over all of them (EG3D:
    image and raw image). Differentiable.
    """
    gradients = torch.autograd.grad(real_logits.sum(), list(reals), create_graph=True)
    return torch.stack([g.square().flatten(1).sum(1) for g in gradients]).sum(0).mean()


def path_lengths(
    images: Float[Tensor, "B C H W"], ws: Float[Tensor, "B N D"], noise: Float[Tensor, "B C H W"]
) -> Float[Tensor, "B"]:
    """Lengths ‖Jᵀy‖ of the generator's Jacobian (Karras et al. 2020a, eq. 4), root mean square over
    the layers.

    images: made from `ws` with gradients. noise: y, standard normal. Differentiable.
    """
    scaled = (images * noise).sum() / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad(scaled, ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def path_length_penalty(
    lengths: Float[Tensor, "B"], mean: float | Tensor, *, decay: float = 0.01
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """(‖Jᵀy‖ - a)², mean over B, and the running mean a, which is first updated with rate
    `decay`."""
    moved = torch.lerp(torch.as_tensor(mean).to(lengths), lengths.detach().mean(), decay)
    return (lengths - moved).square().mean(), moved


def density_variation(
    density: Callable[[Tensor], Tensor],
    points: Float[Tensor, "B M 3"],
    offsets: Float[Tensor, "B M 3"],
) -> Float[Tensor, ""]:
    """Mean |σ(x) - σ(x + δ)| (Chan et al. 2022, supplement, section 1).

    density: points (B, M, 3) → raw densities (B, M); called once with both halves. EG3D samples δ
    from N(0, 0.004²) and weights the mean by 0.25.
    """
    here, there = density(torch.cat([points, points + offsets], dim=1)).chunk(2, dim=1)
    return (here - there).abs().mean()
