"""Glasses on a neural head.

w ─regression─▶ z ─▶ the engine's person ─▶ frame and lenses, fitted ─┐
the head's picture, depth and opacity ────────────────────────────────┴─▶ the picture with glasses
No z says that somebody wears glasses, and a frame is thinner than two texels of the planes: a
change of features that draws one smears it over the face. So the engine's own glasses, fitted to
the nose and ears of the person whom w stands for, are drawn where the head does not hide them.
[ours]
Letters: N rows of w+, D w dimension, Z latents, n side of a picture, h of the head's depth.
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
from portraiture.meshing.bake_texture import Picture
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE, draw_latents, person_from_latent
from portraiture.people.views import HeadFrame, head_frame, render_view
from portraiture.types import Bust, Camera

PEOPLE, SEED = 4096, 0x61A5
"""Of whom z is regressed on w."""
RIDGE = 1e-4
"""Of that regression, as a share of w's total variance."""
FARTHEST = 2.5
"""Of the latents that glasses are fitted to."""
FORGIVEN = 0.012
"""By how much the head may stand before the glasses that it does not hide, EG3D units: its surface
is not quite the person's."""
GLASSES = "glasses"
"""Their name among edits: an amount of 1 puts them on, -1 takes them off again."""
PARTS = ("glasses_frame", "glasses_lenses")


@dataclass(frozen=True)
class Glasses:
    """bust: frame and lenses alone. frame: where EG3D's world lies around them."""

    bust: Bust
    frame: HeadFrame


def fit_glasses(
    generator: TriPlaneGenerator, ws: Float[Tensor, "1 N D"], style: GlassesStyle = "rectangle"
) -> Glasses:
    """Glasses for the head of ws. Raises EditError like `check_wearer`, ValueError for "none"."""
    check_wearer(generator)
    person = person_from_latent(latents_of(generator, ws.mean(1))[0].double().numpy())
    wearer = replace(person.parameters, glasses_style=style, glasses_tone=0.0)
    bust = build_bust(wearer, expression=person.expression, texture_size=64)
    parts = tuple(part for part in bust.parts if part.name in PARTS)
    if not parts:
        raise ValueError("glasses need a style")
    return Glasses(replace(bust, parts=parts), head_frame(bust.landmarks))


def draws_people(generator: TriPlaneGenerator) -> bool:
    """Whether z stands for the engine's people, and for nothing else."""
    config = generator.config
    return (config.z_dim, config.choice_groups, config.c_dim) == (LATENT_SIZE, CHOICE_GROUPS, 0)


def check_wearer(generator: TriPlaneGenerator) -> None:
    """Raises EditError for a generator whose z does not stand for the engine's people."""
    if not draws_people(generator):
        raise EditError("Glasses are for heads of generators that supervised-heads trained.")


@torch.no_grad()
def latents_of(generator: TriPlaneGenerator, w: Float[Tensor, "B D"]) -> Float[Tensor, "B Z"]:
    """What z says of people, as far as w tells it: z's linear regression on w; on the CPU."""
    z = torch.from_numpy(draw_latents(PEOPLE, SEED)).double()
    known = generator.mapping(z.to(next(generator.parameters())), None)[:, 0].cpu().double()
    mean = known.mean(0)
    centred = known - mean
    spread = centred.T @ centred
    ridge = RIDGE * spread.trace() / len(spread) * torch.eye(len(spread), dtype=spread.dtype)
    readers = torch.linalg.solve(spread + ridge, centred.T @ (z - z.mean(0)))
    found = (w.cpu().double() - mean) @ readers + z.mean(0)
    return found.clamp(-FARTHEST, FARTHEST).float()


def put_on(shown: Picture, glasses: Glasses, camera: Camera) -> Picture:
    """The picture of a head with glasses. shown: with opacity and depth. camera: EG3D's. Raises
    ValueError without these."""
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
    """The nearest values of a grid of another size."""
    grid = torch.from_numpy(values.astype(np.float32))[None, None]
    return F.interpolate(grid, (size, size), mode="nearest")[0, 0].numpy()
