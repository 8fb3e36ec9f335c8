"""Losses between a photo and its own head at the photo's view: GOAE's (Yuan et al., ICCV 2023,
Eqs. 13 and 14: λ1, λ2, λ3, λ5), for photos without known 3D truth.

planes ─rendered, without gradients─▶ depth, opacity
planes ─sampled at that depth─▶ features ─superresolution─▶ image ◀─▶ photo over white
some rays, with gradients ─▶ opacity ◀─▶ matte
[ours] Volume rendering with gradients costs a hundred points per pixel; deferred rendering costs
one, but gives no gradient of the silhouette. A few volume-rendered rays supply it. The paper also
regularises the background's mean depth. Depth is meaningless over white, so the background's
opacity is pushed to zero instead.
Letters: B photos, n their side, N rows of w+, C channels and P side of a plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.data.fitted_photos import Shown
from portraiture.networks.deferred import deferred_image
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.sparse_rays import march_some
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.perception.identity import IdentityNetwork, face_crop, similarity
from portraiture.train.rng import StepRng
from portraiture.triplane.sampling import make_rays

ANYWHERE = 0.05
"""Sampling probability of a ray far from any outline, relative to one near an outline."""
NEAR = 9
"""Width in pixels, at the neural resolution, of the neighbourhood of an outline."""


@dataclass(frozen=True)
class ImageLosses:
    """Loss weights: image is λ1, of the mean squared error; perceptual λ2; identity λ3; outline,
    of the rays' opacity, replaces λ5. rays: number per photo. ray_samples: coarse samples per ray,
    and as many fine ones. side: of the depth map."""

    image: float = 1.0
    perceptual: float = 0.8
    identity: float = 0.1
    outline: float = 1.0
    rays: int = 128
    ray_samples: int = 16
    side: int = 64


def image_losses(
    network: TriPlaneGenerator,
    networks: tuple[FeatureNetwork, IdentityNetwork],
    ws: Float[Tensor, "B N D"],
    planes: Float[Tensor, "B 3 C P P"],
    shown: Shown,
    rng: StepRng,
    config: ImageLosses,
) -> dict[str, Tensor]:
    """Weighted losses by name; gradients flow to the planes and, through superresolution, to ws.
    networks: for the perceptual and the identity loss."""
    image = _image(network, ws, planes, shown.camera, config.side)
    features, identity = networks
    ours = F.interpolate(image, shown.image.shape[-2:], mode="bilinear", antialias=True)
    faces = (face_crop(x, identity.config.size) for x in (ours, shown.image))
    alike = similarity(*(identity(face) for face in faces))
    return {
        "own_image": config.image * (ours - shown.image).square().mean(),
        "own_perceptual": config.perceptual
        * perceptual_distance(features, ours, shown.image).mean(),
        "own_identity": config.identity * (1.0 - alike).mean(),
        "own_outline": config.outline * _outline(network, planes, shown, rng, config),
    }


def _image(
    network: TriPlaneGenerator, ws: Tensor, planes: Tensor, camera: Tensor, side: int
) -> Float[Tensor, "B 3 R R"]:
    """The superresolved colours at the rendered depth, composited over white by opacity."""
    n = network.config.neural_resolution
    with torch.no_grad():
        volume = network.render(
            planes.detach(), camera, resolution=min(side, n), deterministic=True
        )
        depth, opacity = (
            F.interpolate(x, (n, n), mode="bilinear") for x in (volume.depth, volume.opacity)
        )
    return deferred_image(network, ws, planes, depth, opacity, make_rays(camera, n))


def _outline(
    network: TriPlaneGenerator, planes: Tensor, shown: Shown, rng: StepRng, config: ImageLosses
) -> Float[Tensor, ""]:
    """Mean absolute error of rays' opacity against the matte, sampled mostly near outlines."""
    n = network.config.neural_resolution
    person = F.interpolate(shown.person, (n, n), mode="area")
    around = F.avg_pool2d(person, NEAR, 1, NEAR // 2)
    chance = (ANYWHERE + 4.0 * around * (1.0 - around)).flatten(1)
    chosen = torch.multinomial(chance, config.rays, False, generator=rng.device)
    rays = make_rays(shown.camera, n)
    marched = march_some(network, planes, rays, chosen, config.ray_samples, rng.device)
    return (marched.weights.sum(-1) - person.flatten(1).gather(1, chosen)).abs().mean()
