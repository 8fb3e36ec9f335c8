"""Composite the engine's glasses onto renders of a neural head.

w ─regression─▶ z ─▶ the engine's person ─▶ frame and lenses, fitted ─┐
the head's image, depth and opacity ──────────────────────────────────┴─▶ the image with glasses
The latents do not encode glasses, and a frame is thinner than two texels of the planes, which would
blur it. Instead, the engine's glasses are fitted to the nose and ears of the person that w
describes and rendered where the head does not occlude them. [ours]
Letters: N rows of w+, D w dimension, Z latents, n side of an image, h of the head's depth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.engine.build import build_bust
from portraiture.engine.parameters import GlassesStyle
from portraiture.errors import EditError
from portraiture.meshing.bake_texture import PosedImage
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE, person_from_latent, sample_latents
from portraiture.people.views import HeadFrame, head_frame, render_view
from portraiture.types import Bust, Camera

PEOPLE, SEED = 4096, 0x61A5
"""Number of people, and seed, for the regression of z on w."""
RIDGE = 1e-4
"""Regularisation of that regression, relative to the total variance of w."""
FARTHEST = 2.5
"""Bound on the estimated latents to which glasses are fitted, in standard deviations."""
FORGIVEN = 0.012
"""Depth tolerance of the occlusion test, EG3D units; the head's surface is approximate."""
GLASSES = "glasses"
"""Name of the edit: an amount of 1 puts glasses on, -1 takes them off."""
PARTS = ("glasses_frame", "glasses_lenses")


@dataclass(frozen=True)
class Glasses:
    """bust: frame and lenses only. frame: transform between their world and EG3D's."""

    bust: Bust
    frame: HeadFrame


def fit_glasses(
    generator: TriPlaneGenerator, ws: Float[Tensor, "1 N D"], style: GlassesStyle = "rectangle"
) -> Glasses:
    """Fit glasses to the head of ws. Raises EditError as `check_wearer` does, and ValueError for
    the style "none"."""
    check_wearer(generator)
    person = person_from_latent(latents_of(generator, ws.mean(1))[0].double().numpy())
    wearer = replace(person.parameters, glasses_style=style, glasses_tone=0.0)
    bust = build_bust(wearer, expression=person.expression, texture_size=64)
    parts = tuple(part for part in bust.parts if part.name in PARTS)
    if not parts:
        raise ValueError("glasses need a style")
    return Glasses(replace(bust, parts=parts), head_frame(bust.landmarks))


def uses_people_latents(generator: TriPlaneGenerator) -> bool:
    """Whether the generator uses the latents z of `people.latent`."""
    config = generator.config
    return (config.z_dim, config.choice_groups, config.c_dim) == (LATENT_SIZE, CHOICE_GROUPS, 0)


def check_wearer(generator: TriPlaneGenerator) -> None:
    """Raises EditError for a generator whose z does not encode people of the engine."""
    if not uses_people_latents(generator):
        raise EditError("Glasses are for heads of generators that supervised-heads trained.")


@torch.no_grad()
def latents_of(generator: TriPlaneGenerator, w: Float[Tensor, "B D"]) -> Float[Tensor, "B Z"]:
    """Estimate z from w by linear regression."""
    z = torch.from_numpy(sample_latents(PEOPLE, SEED)).double()
    known = generator.mapping(z.to(next(generator.parameters())), None)[:, 0].cpu().double()
    mean = known.mean(0)
    centred = known - mean
    spread = centred.T @ centred
    ridge = RIDGE * spread.trace() / len(spread) * torch.eye(len(spread), dtype=spread.dtype)
    readers = torch.linalg.solve(spread + ridge, centred.T @ (z - z.mean(0)))
    found = (w.cpu().double() - mean) @ readers + z.mean(0)
    return found.clamp(-FARTHEST, FARTHEST).float()


def put_on(shown: PosedImage, glasses: Glasses, camera: Camera) -> PosedImage:
    """Composite glasses onto an image of a head. shown: needs opacity and depth, else ValueError is
    raised. camera: EG3D's."""
    if shown.opacity is None or shown.depth is None:
        raise ValueError("glasses need to know where the head is")
    size = len(shown.image)
    worn = render_view(glasses.bust, glasses.frame, camera, size=size)
    head = _sized(np.where(shown.opacity > 0.5, shown.depth, np.inf), size)
    seen = (worn.depth > 0.0) & (worn.depth < head + FORGIVEN)
    alpha = (seen * (worn.rgba[..., 3] / 255.0)).astype(np.float32)
    color = worn.rgba[..., :3] / 255.0
    image = (shown.image + alpha[..., None] * (color - shown.image)).astype(np.float32)
    opacity = 1.0 - (1.0 - alpha) * (1.0 - _sized(shown.opacity, size))
    return replace(shown, image=image, opacity=opacity, depth=None)


def _sized(values: Float[ndarray, "h h"], size: int) -> Float[ndarray, "n n"]:
    """Resize a grid by nearest neighbour."""
    grid = torch.from_numpy(values.astype(np.float32))[None, None]
    return F.interpolate(grid, (size, size), mode="nearest")[0, 0].numpy()
