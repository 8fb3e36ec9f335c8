"""Regularisers of the adaptation (3DAvatarGAN, sections 3.2 and 3.3).

G_t, G_s ─the same w and camera─▶ depth, opacity ─▶ R(D), flatness, similarity;   Δs ─▶ R(Δs)
Letters: B heads, n² rays.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

RAYS = 64
"""Side for which norms over maps are stated; larger maps are averaged to it."""
INSIDE = 0.9
"""Opacity from which a ray counts as inside the head."""
MARGIN = 0.06
"""Width, in sides of the image, around the source's head in which a style may grow."""


def delta_penalty(deltas: Iterable[Tensor]) -> Float[Tensor, ""]:
    """R(Δs) = ‖Δs‖₁, summed over all layers (section 3.3); weight 0.001."""
    return torch.stack([delta.abs().sum() for delta in deltas]).sum()


def background_depth(
    depth: Float[Tensor, "B 1 n n"], background: Float[Tensor, "B 1 n n"], average: float
) -> Float[Tensor, ""]:
    """R(D) = ‖a_d · J - D_t‖ over the background S_b (section 3.3 as we read it), the
    Frobenius norm at `RAYS`², mean over B; weight 0.005. average: a_d of G_s."""
    side = depth.shape[-1] / RAYS
    error = (background * (average - depth)).flatten(1)
    return (error.square().sum(1) + 1e-12).sqrt().mean() / side


def background_opacity(
    opacity: Float[Tensor, "B 1 n n"], background: Float[Tensor, "B 1 n n"]
) -> Float[Tensor, ""]:
    """R(D) of a generator on white, where there is no background depth: the Frobenius norm of the
    opacity over the background. [ours]"""
    side = opacity.shape[-1] / RAYS
    stray = (background * opacity).flatten(1)
    return (stray.square().sum(1) + 1e-12).sqrt().mean() / side


def outside(opacity: Float[Tensor, "B 1 n n"]) -> Float[Tensor, "B 1 n n"]:
    """The background of a source's render on white: 1 farther than `MARGIN` from its head.
    [ours]"""
    reach = max(1, round(MARGIN * opacity.shape[-1]))
    grown = F.max_pool2d((opacity > 0.05).to(opacity), 2 * reach + 1, 1, reach)
    return 1.0 - grown


def flatness(
    depth: Float[Tensor, "B 1 n n"], opacity: Float[Tensor, "B 1 n n"]
) -> Float[Tensor, ""]:
    """Minus the depth's standard deviation inside the head over the depth's mean there: small for
    bodies, near 0 for billboards. [ours: an ablation's row]"""
    inside = (opacity > INSIDE).to(depth)
    count = inside.sum((1, 2, 3)).clamp_min(1.0)
    mean = (depth * inside).sum((1, 2, 3)) / count
    centred = (depth - mean[:, None, None, None]) * inside
    variance = centred.square().sum((1, 2, 3)) / count
    return -((variance + 1e-12).sqrt() / mean.clamp_min(1e-6)).mean()


def depth_similarity(
    depth: Float[Tensor, "B 1 n n"], source: Float[Tensor, "B 1 n n"],
    opacity: Float[Tensor, "B 1 n n"], source_opacity: Float[Tensor, "B 1 n n"], *, blur: float,
) -> Float[Tensor, ""]:  # fmt: skip
    """Mean squared difference of the blurred depths of G_t and of the frozen G_s, for the same w
    and camera, where both are opaque (Dr.3D's prior, Jin et al. 2022; weight and mask ours). blur:
    standard deviation, sides of the image. EG3D units²."""
    both = ((opacity > INSIDE) & (source_opacity > INSIDE)).to(depth)
    sigma = blur * depth.shape[-1]
    share = blurred(both, sigma).clamp_min(1e-3)
    apart = blurred((depth - source) * both, sigma) / share
    return (apart.square() * both).sum() / both.sum().clamp_min(1.0)


def blurred(x: Float[Tensor, "B C n n"], sigma: float) -> Float[Tensor, "B C n n"]:
    """Gaussian blur of `sigma` pixels, zero outside; below a third of a pixel, x as it is."""
    reach = int(3 * sigma)
    if reach < 1:
        return x
    t = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (t / sigma).square())
    taps = (taps / taps.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(x, taps, padding=(0, reach), groups=x.shape[1])
    return F.conv2d(x, taps.transpose(2, 3), padding=(reach, 0), groups=x.shape[1])
