"""The eight styles: natural, pixar, cartoon, caricature, comic, sketch, oil, watercolour; what each
does to a person.

natural: as in a photograph. pixar: large wet eyes, round cheeks, soft light, sculpted hair.
cartoon: flat colours in a few tones, a big head on a thin neck. comic: ink lines and halftone
shadows. caricature: what differs from the average person doubled, in brush strokes. sketch: pencil
lines and hatching on paper. oil: brush strokes. watercolour: pale washes with dark edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from portraiture.engine.parameters import AvatarParameters
from portraiture.types import Finish, Shading, Style

STYLES: tuple[Style, ...] = get_args(Style)


@dataclass(frozen=True)
class Recipe:
    """Settings of one style; the defaults leave the head natural.

    Shape, see `style.warp`. eyes, nose, mouth, cheeks, head: scale factors of those regions.
    eyes_apart: how far each eye moves aside, distances between the eyes. eyes_tall:
    further factor on their height. chin:
    share by which the lower face narrows. neck: scale factor of the neck's girth. exaggeration:
    factor on the difference from the mean head; limit: largest exaggerated difference, metres.

    Features. iris: factor on the iris' angle. brows, brow_raise, brow_height: factor on the brows'
    height, by how much they lie higher on the average face, and how far they stand off the skin,
    metres. lashes: factor on the lid line's thickness. teeth: by
    how much they are set back behind the changed lips, metres.

    Colour, see `style.skin`. saturation: factor. blush: of cheeks, 0 to 1. variation: share of the
    skin's own soft variation that is kept. lift: lightening of the skin of flat finishes, where no
    highlights do. creases: darkness of wrinkles. brush: radius of brush
    strokes, texels at 512².

    finish: of all materials. shading: the renderer's shading model.
    """

    eyes: float = 1.0
    eyes_apart: float = 0.0
    eyes_tall: float = 1.0
    nose: float = 1.0
    mouth: float = 1.0
    cheeks: float = 1.0
    head: float = 1.0
    chin: float = 0.0
    neck: float = 1.0
    exaggeration: float = 1.0
    limit: float = 0.012
    iris: float = 1.0
    brows: float = 1.0
    brow_raise: float = 0.0
    brow_height: float = 0.001
    lashes: float = 1.0
    teeth: float = 0.0
    saturation: float = 1.0
    blush: float = 0.0
    variation: float = 1.0
    lift: float = 0.0
    creases: float = 0.0
    brush: int = 0
    finish: Finish = "lit"
    shading: Shading = "natural"


RECIPES: dict[Style, Recipe] = {
    "natural": Recipe(),
    "pixar": Recipe(
        eyes=1.58,
        eyes_apart=0.06,
        eyes_tall=1.22,
        nose=0.76,
        mouth=1.06,
        cheeks=1.16,
        head=1.2,
        chin=-0.13,
        neck=0.76,
        exaggeration=1.3,
        iris=1.24,
        brows=0.64,
        brow_raise=0.003,
        brow_height=0.0022,
        teeth=0.003,
        saturation=1.3,
        lift=0.15,
        blush=0.34,
        variation=0.5,
        creases=0.36,
        shading="soft",
    ),
    "cartoon": Recipe(
        eyes=1.7,
        eyes_apart=0.07,
        eyes_tall=1.3,
        nose=0.66,
        mouth=1.06,
        cheeks=1.12,
        head=1.32,
        chin=-0.1,
        neck=0.6,
        exaggeration=1.3,
        iris=1.3,
        brows=0.68,
        brow_raise=0.0035,
        brow_height=0.0012,
        lashes=1.6,
        teeth=0.003,
        saturation=1.4,
        blush=0.4,
        variation=0.0,
        lift=0.25,
        creases=0.42,
        finish="toon",
        shading="toon",
    ),
    "caricature": Recipe(
        eyes=1.26,
        nose=1.06,
        head=1.42,
        neck=0.72,
        exaggeration=2.5,
        limit=0.02,
        iris=1.05,
        brows=1.0,
        brow_raise=0.001,
        brow_height=0.0026,
        lashes=0.9,
        teeth=0.002,
        saturation=1.3,
        blush=0.3,
        variation=1.0,
        creases=0.4,
        brush=6,
        shading="paint",
    ),
    "comic": Recipe(
        eyes=1.1,
        nose=1.0,
        head=1.06,
        chin=-0.05,
        neck=1.0,
        exaggeration=1.6,
        iris=1.08,
        brows=0.9,
        brow_raise=0.001,
        brow_height=0.0008,
        lashes=1.5,
        saturation=1.55,
        variation=0.0,
        lift=0.1,
        creases=1.0,
        finish="ink",
        shading="ink",
    ),
    "sketch": Recipe(
        exaggeration=1.1,
        brow_height=0.0008,
        lashes=1.3,
        saturation=0.0,
        variation=0.6,
        lift=0.75,
        creases=1.0,
        finish="ink",
        shading="pencil",
    ),
    "oil": Recipe(
        brow_height=0.0014,
        lashes=0.9,
        saturation=1.25,
        blush=0.25,
        variation=1.0,
        creases=0.5,
        brush=6,
        shading="paint",
    ),
    "watercolour": Recipe(
        brow_height=0.001,
        lashes=0.9,
        saturation=1.35,
        blush=0.4,
        variation=1.0,
        lift=0.45,
        creases=0.4,
        brush=9,
        shading="wash",
    ),
}


MANLY_EYES, MANLY_CHEEKS, MANLY_NECK, MANLY_LASHES = 0.12, 0.5, 0.5, 0.35
"""Shares of a recipe's changes that a man's face is spared: large eyes, round cheeks, thin necks
and dark lids read as a woman's."""
MANLY_CHIN, MANLY_BROWS = 0.07, 0.4
"""By what share his lower face is wider and his brows are thicker."""


def recipe_of(style: Style, parameters: AvatarParameters) -> Recipe:
    """The recipe of a style for one person."""
    recipe = RECIPES[style]
    if style not in ("pixar", "cartoon"):
        return recipe
    man = 1.0 - parameters.sex
    return replace(
        recipe,
        eyes=1.0 + (1.0 - MANLY_EYES * man) * (recipe.eyes - 1.0),
        cheeks=1.0 + (1.0 - MANLY_CHEEKS * man) * (recipe.cheeks - 1.0),
        chin=recipe.chin - MANLY_CHIN * man,
        neck=1.0 + (1.0 - MANLY_NECK * man) * (recipe.neck - 1.0),
        brows=recipe.brows * (1.0 + MANLY_BROWS * man),
        lashes=recipe.lashes * (1.0 - MANLY_LASHES * man),
    )


def style_shading(style: Style) -> Shading:
    """The shading model of `style`."""
    return RECIPES[style].shading


def restyle_parameters(parameters: AvatarParameters, style: Style) -> AvatarParameters:
    """Adapt the appearance parameters to a style; identity is unchanged."""
    if style in ("pixar", "cartoon"):
        return replace(
            parameters,
            skin_pores=0.0,
            pupil_size=min(1.0, parameters.pupil_size + 0.2),
            lash_length=min(1.0, parameters.lash_length + 0.15),
            hair_volume=min(1.0, parameters.hair_volume + 0.1),
            detail=_scaled(parameters.detail, 0.5),
        )
    if style == "caricature":
        return replace(
            parameters,
            skin_wrinkles=min(1.0, 1.4 * parameters.skin_wrinkles),
            brow_thickness=float(np.clip(1.4 * parameters.brow_thickness - 0.2, 0.0, 1.0)),
            detail=_scaled(parameters.detail, 1.3),
        )
    return parameters


def _scaled(detail: Mapping[str, float], factor: float) -> dict[str, float]:
    """Details with their distance from what is expected multiplied by `factor`."""
    return {k: float(np.clip(0.5 + factor * (v - 0.5), 0.0, 1.0)) for k, v in detail.items()}
