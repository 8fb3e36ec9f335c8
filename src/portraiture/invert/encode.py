"""A photo to w+ in one pass, and for GOAE its detail (METHODS section 1).

Target ─encoder(crop)─▶ w+ ─refine(image)─▶ planes
"""

from __future__ import annotations

import torch

from portraiture.encoder_weights import Encoder
from portraiture.invert.inversion import Inversion
from portraiture.invert.target import Target, resized
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.goae_align import FeatureAlignment
from portraiture.models.refine import refine
from portraiture.render.visible import MixedPlanes


@torch.no_grad()
def encode(
    target: Target,
    *,
    generator: TriPlaneGenerator,
    encoder: Encoder,
    alignment: FeatureAlignment | None = None,
    mixed: MixedPlanes = "all",
) -> Inversion:
    """The head of a photo. The encoder sees it with its own background; alignment compares the
    cut-out person with w+'s reconstruction, and without one there is w+ alone."""
    where = generator.backbone.mapping.w_avg
    ws = where + encoder(resized(target.crop, encoder.config.image_size).to(where))
    camera = target.camera.to(where)
    if alignment is None:
        return Inversion(ws, generator.planes(ws), camera, generator)
    found = refine(generator, alignment, ws, target.image.to(where), camera, mixed=mixed)
    return Inversion(
        ws, found.planes, camera, generator, features=found.features, visible=found.visible
    )
