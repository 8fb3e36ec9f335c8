"""Detail that w+ cannot represent: aligned features where the photo shows the head, w+'s features
elsewhere (Yuan et al., ICCV 2023, sections 4.2 and 4.3).

ws ─┬─planes─▶ image, depth at the photo's camera ─▶ image - photo ─▶ alignment(F) = F*
    └─F────────────────────────────────────────────────────────────────────┘      │
planes of F* ─mix by visibility in the photo─▶ planes                       ◀──────┘
`ProgramWay` selects the published program's order of these steps.
Letters: B heads, N rows of w+, K channels and S side of F, C channels and P side of a plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import planes_and_features, planes_of
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_program import ProgramWay, program_masks, sampling
from portraiture.ops.resize import resized
from portraiture.triplane.splat import splat_to_planes
from portraiture.triplane.visibility import (
    SOLID,
    MixedPlanes,
    chosen_masks,
    mix_planes,
    plane_masks,
    visible_points,
)

SHOWN = 0.1
"""Difference from the white background above which a photo's pixel is foreground."""


@dataclass(frozen=True)
class Refined:
    """features: F*. plain_features: F. visible: masks by which planes are mixed, 1 for those of F*.
    refined: planes of F*. planes: the mixed planes."""

    features: Float[Tensor, "B K S S"]
    plain_features: Float[Tensor, "B K S S"]
    visible: Float[Tensor, "B 3 1 P P"]
    refined: Float[Tensor, "B 3 C P P"]
    planes: Float[Tensor, "B 3 C P P"]


def refine(
    generator: TriPlaneGenerator,
    alignment: FeatureAlignment,
    ws: Float[Tensor, "B N D"],
    photo: Float[Tensor, "B 3 R R"],
    camera: Float[Tensor, "B 25"],
    *,
    mixed: MixedPlanes = "all",
    program: ProgramWay | None = None,
) -> Refined:
    """F* and the planes of a photo (Eqs. 7 to 9 and 12).

    photo: in [-1, 1], over the generator's background, or over its own if `program` is given.
    program: refine as the published program does, which masks only the front plane. Gradients flow
    to the alignment only.

    Raises ValueError for `program` with masks on all planes or a splatted difference.
    """
    if program is not None:
        return _refine_as_program(generator, alignment, ws, photo, camera, mixed, program)
    with torch.no_grad():
        plain, features = planes_and_features(generator, ws, alignment.config.size)
        compared, visible = _compare(generator, alignment.config, ws, plain, photo, camera)
    aligned = alignment(compared, features)
    masks = chosen_masks(visible, mixed)
    refined = planes_of(generator, ws, aligned)
    return Refined(aligned, features, masks, refined, mix_planes(refined, plain, masks))


def _refine_as_program(
    generator: TriPlaneGenerator, alignment: FeatureAlignment, ws: Tensor, photo: Tensor,
    camera: Tensor, mixed: MixedPlanes, program: ProgramWay,
) -> Refined:  # fmt: skip
    config = alignment.config
    if mixed == "all" or config.carried:
        raise ValueError("the program masks only the front plane and splats no difference")
    with torch.no_grad():
        plain, features = planes_and_features(generator, ws, config.size)
        volume = generator.render(plain, camera, **sampling(program))
        image = generator.upsample(volume.features, ws)
        residual = resized(image, config.image_size) - resized(photo, config.image_size)
    aligned = alignment(residual, features)
    refined = planes_of(generator, ws, aligned)
    masks = program_masks(generator, refined, camera, program)
    if mixed == "none":
        masks = torch.ones_like(masks)
    return Refined(aligned, features, masks, refined, mix_planes(refined, plain, masks))


def _compare(
    generator: TriPlaneGenerator, config: AlignmentConfig, ws: Tensor, planes: Tensor,
    photo: Tensor, camera: Tensor,
) -> tuple[Float[Tensor, "B I R R"], Float[Tensor, "B 3 1 P P"]]:  # fmt: skip
    """Reconstruction minus photo as the alignment's input, and the masks of the planes' texels that
    are visible in the photo."""
    volume = generator.render(planes, camera, deterministic=True)
    image = generator.upsample(volume.features, ws).clamp(-1.0, 1.0)
    photo = resized(photo, image.shape[-1])
    depth, opacity = volume.depth, volume.opacity
    side = depth.shape[-1]
    if config.carried:
        depth, opacity = _with_what_the_head_lacks(depth, opacity, resized(photo, side), camera)
    points, met = visible_points(depth, opacity, camera)
    rendering = generator.config.rendering
    where = {"box_warp": rendering.box_warp, "axes": rendering.plane_axes}
    visible = plane_masks(points, met, size=planes.shape[-1], **where)
    if not config.carried:
        return resized(image - photo, config.image_size), visible
    both = torch.cat([resized(image - photo, side), resized(photo, side)], 1).flatten(2).mT
    flow = generator.flow(ws[:, 0]) if generator.config.flow_rank else None
    carried = splat_to_planes(
        both, points, met, size=config.image_size, flow=flow, plane_size=planes.shape[-1], **where
    )
    return carried.flatten(1, 2), visible


def _with_what_the_head_lacks(
    depth: Tensor, opacity: Tensor, photo: Float[Tensor, "B 3 n n"], camera: Float[Tensor, "B 25"]
) -> tuple[Tensor, Tensor]:
    """Depth and opacity, filled where the photo has foreground and the head has none (fuller hair):
    at the distance of the head's axis, so that it has a place on the planes. [ours]"""
    lacking = (opacity <= SOLID) & ((1.0 - photo).amax(1, keepdim=True) > SHOWN)
    distance = camera[:, :16].unflatten(1, (4, 4))[:, :3, 3].norm(dim=1)[:, None, None, None]
    return torch.where(lacking, distance, depth), torch.where(lacking, 1.0, opacity)
