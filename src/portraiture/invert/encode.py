"""A photo to w+ in one pass, and then its detail (METHODS section 1).

Targets ─encoder(crop)─▶ w+, the mean ─refine(image), each─▶ planes, fused
   ─carve (outlines), paint, polish (images)─▶ planes
"""

from __future__ import annotations

from dataclasses import replace

import torch

from portraiture.invert.bake_photo import paint
from portraiture.invert.fit_silhouette import carve
from portraiture.invert.goae.refine import refine
from portraiture.invert.inversion import Inversion
from portraiture.invert.refine_texture import PolishConfig, polish
from portraiture.invert.target import Target, resized_by_pil
from portraiture.invert.weights import Encoder
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_painted
from portraiture.networks.goae_alignment import FeatureAlignment
from portraiture.networks.goae_program import ProgramWay
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.triplane.visibility import MixedPlanes, fuse_planes


@torch.no_grad()
def encode(
    *targets: Target,
    generator: TriPlaneGenerator,
    encoder: Encoder,
    alignment: FeatureAlignment | None = None,
    mixed: MixedPlanes = "all",
    program: ProgramWay | None = None,
    painted: bool = False,
    polished: PolishConfig | None = None,
    judge: FeatureNetwork | None = None,
    progress: Progress = SILENT,
) -> Inversion:
    """The head of a photo, or of several of one person: then w+ is the mean, and each photo gives
    the details of what it shows. The encoder sees a photo with its own background; alignment
    compares the cut-out person with w+'s reconstruction; painted: what still differs is painted on
    the head, and polished with `judge` if there is a config. Without either there is w+ alone.
    program: the published program's way of alignment, which compares photos with their own
    background; the encoder then sees them as PIL resizes them. The camera is the first photo's.
    Raises ValueError without a photo, or without a judge for polishing."""
    if not targets:
        raise ValueError("a head needs a photo")
    if polished is not None and judge is None:
        raise ValueError("polishing needs a judge")
    where = generator.backbone.mapping.w_avg
    size = encoder.config.image_size
    resize = resized if program is None else resized_by_pil
    crops = torch.cat([resize(target.crop, size) for target in targets])
    ws = where + encoder(crops.to(where)).mean(0, keepdim=True)
    cameras = torch.cat([target.camera for target in targets]).to(where)
    images = torch.cat([target.image for target in targets]).to(where)
    result = Inversion(ws, generator.planes(ws), cameras[:1], generator)
    if alignment is not None:
        each = ws.expand(len(targets), -1, -1)
        shown = images
        if program is not None:
            side = generator.config.image_size
            shown = torch.cat([resized(target.crop, side) for target in targets]).to(where)
        found = refine(generator, alignment, each, shown, cameras, mixed=mixed, program=program)
        result = replace(
            result, planes=fuse_planes(found.refined, result.planes, found.visible),
            features=found.features, visible=found.visible,
        )  # fmt: skip
    if painted:
        person = torch.cat([target.person for target in targets]).to(where)
        planes, carved = result.planes, torch.zeros_like(result.planes)
        if polished is not None:
            carved = carve(
                generator, ws, planes, person, cameras, polished.outline, progress=progress
            )
            planes = add_painted(generator, planes, carved, ws)
        paints = carved + paint(generator, ws, planes, images, person, cameras)
        if polished is not None and judge is not None:
            paints = polish(
                generator, ws, result.planes, paints, images, person, cameras, judge, polished,
                progress=progress,
            )  # fmt: skip
        planes = add_painted(generator, result.planes, paints, ws)
        result = replace(result, planes=planes, painted=paints)
    return result
