"""How different two images look, and the name that the number then carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork, SqueezeFeatures, perceptual_distance
from portraiture.perception.parser import ParserNetwork


@dataclass(frozen=True)
class ImageDistance:
    """metric: its name in tables and JSON. measure: images (B, 3, R, R) in [-1, 1] and their
    originals to (B,), 0 for equal images. LPIPS wrapped in one keeps its standard name."""

    metric: str
    measure: Callable[[Tensor, Tensor], Tensor]


def perceptual_synthetic(network: ParserNetwork) -> ImageDistance:
    """Through our face parser, trained on synthetic people, at twice the size of its training,
    where it punishes blur more than a shift: instead of LPIPS where its weights are absent, with
    which its numbers do not compare."""
    return ImageDistance(
        "perceptual-synthetic", partial(_measured, network, size=2 * network.config.size)
    )


def perceptual_squeezenet(network: SqueezeFeatures) -> ImageDistance:
    """Through SqueezeNet trained on ImageNet, at the images' size, without LPIPS's learned
    weights."""
    return ImageDistance("perceptual-squeezenet", partial(_measured, network))


@torch.no_grad()
def _measured(
    network: FeatureNetwork,
    a: Float[Tensor, "B 3 R R"],
    b: Float[Tensor, "B 3 R R"],
    *,
    size: int | None = None,
) -> Float[Tensor, " B"]:
    side = size or a.shape[-1]
    return perceptual_distance(network, resized(a, side), resized(b, side))
