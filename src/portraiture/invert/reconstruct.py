"""Shared by the optimisations: differentiable renders of a head, and losses against the photo.

ws ─planes─▶ rays of a camera ─▶ features ─superresolution─▶ image ─┬─▶ squared error
                                                                      ├─▶ perceptual distance
photo ──────────────────────────────────────────────────────────────┴─▶ identity
Letters: B heads, R side of an image, n² rays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.perception.identity import IdentityNetwork, face_crop
from portraiture.triplane.volume import render_volume


@dataclass(frozen=True)
class LossWeights:
    """λ of Eqs. 6 and 13: weights of the squared error, the perceptual distance, and one minus the
    cosine of identities."""

    image: float = 1.0
    perceptual: float = 0.8
    identity: float = 0.25


@dataclass(frozen=True)
class LossNetworks:
    """The frozen networks of the perceptual and the identity loss; identity is optional."""

    perceptual: FeatureNetwork
    identity: IdentityNetwork | None = None


def render_image(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "B N D"],
    planes: Float[Tensor, "B 3 C P P"],
    camera: Float[Tensor, "B 25"],
    *,
    rays: int,
) -> Float[Tensor, "B 3 R R"]:
    """Differentiable images from rays² rays, evenly sampled; superresolution in torch."""
    volume = render_volume(
        planes, generator.decoder, camera, generator.config.rendering,
        resolution=rays, backend="torch", deterministic=True,
    )  # fmt: skip
    return generator.superresolution.stages(
        volume.features, ws, noise=generator.config.superres_noise
    )[1]


def losses(
    image: Float[Tensor, "B 3 R R"],
    photo: Float[Tensor, "B 3 R R"],
    networks: LossNetworks,
    weights: LossWeights,
) -> dict[str, Tensor]:
    """The weighted losses by name, averaged over the batch."""
    found = {"image": weights.image * (image - photo).square().mean()}
    distance = perceptual_distance(networks.perceptual, image, photo)
    found["perceptual"] = weights.perceptual * distance.mean()
    if networks.identity is not None and weights.identity:
        found["identity"] = weights.identity * identity_distance(networks.identity, image, photo)
    return found


def identity_distance(
    network: IdentityNetwork, image: Float[Tensor, "B 3 R R"], photo: Float[Tensor, "B 3 R R"]
) -> Float[Tensor, ""]:
    """One minus the cosine of the embeddings; gradients flow to `image`."""
    size = network.config.size
    with torch.no_grad():
        wanted = network(face_crop(photo, size))
    found = network(face_crop(image, size))
    return (1.0 - F.cosine_similarity(found, wanted, dim=1)).mean()
