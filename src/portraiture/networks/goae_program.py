"""Order of refinement and editing in the published GOAE program, where it differs from the paper.

F* ─planes─▶ depth ─program_mask─▶ mask of the front plane ─mix with the plain planes─▶ planes
Letters: B heads, N rows of w+, D w dimension, K channels and S side of F, C channels and P side of
a plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import (
    Styles,
    edited_features,
    planes_and_features,
    planes_of,
)
from portraiture.triplane.visibility import mix_planes, program_mask


@dataclass(frozen=True)
class ProgramWay:
    """How the published program refines and edits, where the paper differs or does not say.

    The render is compared without clamping. The mask of the front plane is `program_mask` of the
    depth of F*'s planes; the other planes are F*'s everywhere. At the photo's own view it shows
    `Refined.refined`, the planes before the mix; `Refined.planes` are for all other views. After an
    edit, the blocks finer than F* run on the unedited w+, and the mask is computed again.

    sigmas: standard deviations of the mask's two blurs, texels; None samples them from U(1, 2), as
    the program does. jittered: whether ray samples are random within their bins, as in the program,
    or at the bins' centres. seed: of random numbers. glasses_share: share of the direction of
    glasses that is subtracted in every edit of another attribute.
    """

    sigmas: tuple[float, float] | None = (1.5, 1.5)
    jittered: bool = False
    seed: int = 0
    glasses_share: float = 0.8


@dataclass(frozen=True)
class ProgramEdit:
    """features: F* of the edited w+. visible: masks by which planes are mixed. planes: the mixed
    planes."""

    features: Float[Tensor, "B K S S"]
    visible: Float[Tensor, "B 3 1 P P"]
    planes: Float[Tensor, "B 3 C P P"]


@torch.no_grad()
def program_masks(
    generator: TriPlaneGenerator, planes: Float[Tensor, "B 3 C P P"],
    camera: Float[Tensor, "B 25"], program: ProgramWay,
) -> Float[Tensor, "B 3 1 P P"]:  # fmt: skip
    """The program's mask of the front plane for planes seen by a camera; ones for the others."""
    sigmas = program.sigmas
    if sigmas is None:
        sampled = 1.0 + torch.rand(2, generator=torch.Generator().manual_seed(program.seed))
        sigmas = (float(sampled[0]), float(sampled[1]))
    depth = generator.render(planes, camera, **sampling(program)).depth
    size = planes.shape[-1]
    mask = program_mask(
        depth, camera, size=size, box_warp=generator.config.rendering.box_warp, sigmas=sigmas
    )
    return torch.stack([mask, torch.ones_like(mask), torch.ones_like(mask)], 1)


class Sampling(TypedDict):
    """Sampling arguments of `TriPlaneGenerator.render`."""

    deterministic: bool
    generator: torch.Generator


def sampling(program: ProgramWay) -> Sampling:
    """How the program samples its rays."""
    return {
        "deterministic": not program.jittered,
        "generator": torch.Generator().manual_seed(program.seed),
    }


def edit_as_program(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "B N D"],
    edited: Float[Tensor, "B N D"],
    features: Float[Tensor, "B K S S"],
    camera: Float[Tensor, "B 25"],
    program: ProgramWay,
) -> ProgramEdit:
    """Edit w+ in the published program's order (Eqs. 10 and 12). features: F* of ws. camera: of the
    photo. The superresolution of renders takes `edited`."""
    size = features.shape[-1]
    before = planes_and_features(generator, ws, size)[1]
    plain, after = planes_and_features(generator, edited, size)
    found = edited_features(features, before, after)
    styles = program_styles(generator, ws, edited, size)
    refined = planes_of(generator, edited, found, styles=styles)
    masks = program_masks(generator, refined, camera, program)
    return ProgramEdit(found, masks, mix_planes(refined, plain, masks))


def program_styles(
    generator: TriPlaneGenerator, ws: Float[Tensor, "B N D"], edited: Float[Tensor, "B N D"],
    size: int,
) -> Styles:  # fmt: skip
    """Styles of the edited w+ up to the block of this size, and of the unedited one beyond it."""
    plain, moved = (generator.backbone.synthesis.styles(one) for one in (ws, edited))
    return {side: moved[side] if side <= size else styles for side, styles in plain.items()}
