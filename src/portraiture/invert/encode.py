"""GOAE: a photo to w+ in one pass, then its detail (METHODS section 1).

Photo ─encoder─▶ w+ ─refine(Target)─▶ planes
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.inversion import Inversion
from portraiture.invert.refine import refine
from portraiture.invert.target import Target
from portraiture.invert.visible import MixedPlanes
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.goae_align import FeatureAlignment
from portraiture.models.goae_encoder import GoaeEncoder
from portraiture.types import Photo


@torch.no_grad()
def encode(
    photo: Photo,
    target: Target,
    *,
    generator: TriPlaneGenerator,
    encoder: GoaeEncoder,
    alignment: FeatureAlignment | None = None,
    mixed: MixedPlanes = "all",
) -> Inversion:
    """The head of an aligned photo. The encoder sees the photo with its own background; alignment
    compares the target with w+'s reconstruction, and without one there is w+ alone."""
    where = generator.backbone.mapping.w_avg
    ws = where + encoder(encoder_input(photo, encoder.config.image_size).to(where))
    camera = target.camera.to(where)
    if alignment is None:
        return Inversion(ws, generator.planes(ws), camera, generator)
    found = refine(generator, alignment, ws, target.image.to(where), camera, mixed=mixed)
    return Inversion(
        ws, found.planes, camera, generator, features=found.features, visible=found.visible
    )


def encoder_input(photo: Photo, size: int) -> Float[Tensor, "1 3 S S"]:
    """The photo's crop in [-1, 1]."""
    crop = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    small = F.interpolate(crop, (size, size), mode="bilinear", antialias=True)
    return small.clamp(-1.0, 1.0)
