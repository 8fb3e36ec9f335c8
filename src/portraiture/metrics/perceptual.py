"""How different two pictures look, and the name that the number then carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.losses.perceptual import FeatureNetwork, SqueezeFeatures, perceptual_distance
from portraiture.models.parser import ParserNetwork


@dataclass(frozen=True)
class PictureDistance:
    """metric: its name in tables and JSON. measure: pictures (B, 3, R, R) in [-1, 1] and their
    originals to (B,), 0 for equal pictures. LPIPS wrapped in one keeps its standard name."""

    metric: str
    measure: Callable[[Tensor, Tensor], Tensor]


def perceptual_synthetic(network: ParserNetwork) -> PictureDistance:
    """Through our face parser, trained on synthetic people: instead of LPIPS where its weights are
    absent. Not comparable with LPIPS."""
    return PictureDistance("perceptual-synthetic", partial(_measured, network))


def perceptual_squeezenet(network: SqueezeFeatures) -> PictureDistance:
    """Through SqueezeNet trained on ImageNet, without LPIPS's learned weights."""
    return PictureDistance("perceptual-squeezenet", partial(_measured, network))


@torch.no_grad()
def _measured(
    network: FeatureNetwork, a: Float[Tensor, "B 3 R R"], b: Float[Tensor, "B 3 R R"]
) -> Float[Tensor, " B"]:
    return perceptual_distance(network, a, b)
