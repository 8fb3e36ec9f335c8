"""Deferred renders: colour evaluated at a known surface, one point per pixel instead of a hundred.
Gradients do not reach the position of the surface.

Letters: B heads, C channels and P side of a plane, K features, n neural resolution, R side of an
image, N rows of w+.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator


def deferred_features(
    network: TriPlaneGenerator, planes: Float[Tensor, "B 3 C P P"],
    depth: Float[Tensor, "B 1 n n"], alpha: Float[Tensor, "B 1 n n"],
    rays: tuple[Float[Tensor, "B n*n 3"], Float[Tensor, "B n*n 3"]],
) -> Float[Tensor, "B K n n"]:  # fmt: skip
    """Features of an ideal volume render: colours at the surface over white, weighted by coverage.
    rays: origins and directions."""
    origins, directions = rays
    colors, _ = network.query(planes, origins + depth.flatten(1)[..., None] * directions)
    cover = alpha.flatten(1)[..., None]
    over = (cover * colors + 1.0 - cover) * 2.0 - 1.0
    return over.transpose(1, 2).unflatten(2, depth.shape[-2:])


def deferred_image(
    network: TriPlaneGenerator, ws: Float[Tensor, "B N D"], planes: Float[Tensor, "B 3 C P P"],
    depth: Float[Tensor, "B 1 n n"], alpha: Float[Tensor, "B 1 n n"],
    rays: tuple[Float[Tensor, "B n*n 3"], Float[Tensor, "B n*n 3"]],
) -> Float[Tensor, "B 3 R R"]:  # fmt: skip
    """The superresolved image of deferred features, about [-1, 1]."""
    features = deferred_features(network, planes, depth, alpha, rays)
    return network.superresolution(features, ws, resize=False)
