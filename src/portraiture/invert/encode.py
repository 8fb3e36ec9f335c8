"""A photo to w+ in one pass, and for GOAE its detail (METHODS section 1).

Targets ─encoder(crop)─▶ w+, the mean ─refine(image), each─▶ planes, fused
"""

from __future__ import annotations

import torch

from portraiture.encoder_weights import Encoder
from portraiture.invert.inversion import Inversion
from portraiture.invert.target import Target, resized
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.goae_align import FeatureAlignment
from portraiture.models.refine import refine
from portraiture.render.visible import MixedPlanes, fuse_planes


@torch.no_grad()
def encode(
    *targets: Target,
    generator: TriPlaneGenerator,
    encoder: Encoder,
    alignment: FeatureAlignment | None = None,
    mixed: MixedPlanes = "all",
) -> Inversion:
    """The head of a photo, or of several of one person: then w+ is the mean, and each photo gives
    the details of what it shows. The encoder sees a photo with its own background; alignment
    compares the cut-out person with w+'s reconstruction, and without one there is w+ alone. The
    camera is the first photo's. Raises ValueError without a photo."""
    if not targets:
        raise ValueError("a head needs a photo")
    where = generator.backbone.mapping.w_avg
    size = encoder.config.image_size
    crops = torch.cat([resized(target.crop, size) for target in targets])
    ws = where + encoder(crops.to(where)).mean(0, keepdim=True)
    cameras = torch.cat([target.camera for target in targets]).to(where)
    plain = generator.planes(ws)
    if alignment is None:
        return Inversion(ws, plain, cameras[:1], generator)
    images = torch.cat([target.image for target in targets]).to(where)
    each = ws.expand(len(targets), -1, -1)
    found = refine(generator, alignment, each, images, cameras, mixed=mixed)
    planes = fuse_planes(found.refined, plain, found.visible)
    return Inversion(
        ws, planes, cameras[:1], generator, features=found.features, visible=found.visible
    )
