"""Networks that metrics look through, and the names that the metrics then carry.

Any function from EG3D crops to features will do: ours, or a network with weights that the user has
(ArcFace, Inception), wrapped in a `FeatureExtractor` with the metric's standard name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.perception.identity import IdentityNetwork, face_crop


@dataclass(frozen=True)
class FeatureExtractor:
    """metric: what a metric with these features is called in tables and JSON.
    extract: EG3D crops (B, 3, R, R) in [-1, 1] to (B, C)."""

    metric: str
    extract: Callable[[Tensor], Tensor]


def identity_synthetic(network: IdentityNetwork) -> FeatureExtractor:
    """Unit embeddings of our identity network, trained on synthetic people."""
    return FeatureExtractor("identity-synthetic", partial(_embedded, network))


def frechet_synthetic(network: IdentityNetwork) -> FeatureExtractor:
    """Features of our identity network before its embedding."""
    return FeatureExtractor("frechet-synthetic", partial(_features, network))


@torch.no_grad()
def _embedded(network: IdentityNetwork, images: Float[Tensor, "B 3 R R"]) -> Tensor:
    return network(face_crop(images, network.config.size))


@torch.no_grad()
def _features(network: IdentityNetwork, images: Float[Tensor, "B 3 R R"]) -> Tensor:
    return network.features(face_crop(images, network.config.size))
