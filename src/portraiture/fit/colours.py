"""Estimate colours of hair, brows and lips, and weak cues of age and sex.

All colours are compared in linear light under the exposure assumed by `portraiture.fit.light`, so
that a rendered part matches its appearance in the photo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from skimage.draw import polygon2mask

from portraiture.engine.hair.color import hair_rgb, to_linear
from portraiture.engine.landmarks import (
    LEFT_BROW,
    OUTER_LIPS,
    RIGHT_BROW,
)
from portraiture.engine.parameters import AvatarParameters
from portraiture.fit.hair_color import HAIR_GLOSS, dark_roots, hair_pigments, hair_shade
from portraiture.fit.parse import Looks
from portraiture.fit.regions import Regions, crown_unseen
from portraiture.fit.zones import cheek_mask, covered_share, disc, zone_colour
from portraiture.photo.quality import CROWN_HALF_WIDTH, CROWN_HEIGHT

USUAL_HAIR, USUAL_LIPS = 0.7, 0.35
"""Default cues if the crown or the lips are not visible."""
SURE_SEX = 0.38
"""How far from the middle the sex presented may move the prior, which is of the build."""


@dataclass(frozen=True)
class Cues:
    """Cues from a window around the head, before fitting, each in [0, 1].

    hair: hair fraction of the crown; the default if the crown is not in the photo. stubble:
    darkness of the beard zone relative to the cheeks. sex, age: estimates in `AvatarParameters`'
    units, never far from the middle.
    """

    hair: float
    stubble: float
    sex: float
    age: float


def read_cues(regions: Regions, looks: Looks) -> Cues:
    """Estimate weak cues on which the solver's prior is centred."""
    x, y = regions.head_coordinates()
    crown = (y > CROWN_HEIGHT[0]) & (y < CROWN_HEIGHT[1]) & (np.abs(x) < CROWN_HALF_WIDTH)
    crown &= regions.person
    hair = float(regions.hair[crown].mean()) if crown.any() else 0.0
    if crown_unseen(regions.seen, regions.iod):
        hair = max(hair, USUAL_HAIR)
    grey = looks.chance("colour", "grey", "white")
    thin = looks.chance("hair", "bald", "receding")
    return Cues(
        hair=hair,
        stubble=beard_darkness(regions),
        sex=0.5 + SURE_SEX * (2.0 * looks.chance("sex", "f") - 1.0),
        age=0.56 + 0.16 * grey + 0.05 * thin,
    )


def eyes_covered(regions: Regions) -> tuple[bool, bool]:
    """Whether the right and the left eye are occluded, judged at the upper and lower lids."""
    right, left = (
        covered_share(regions, np.any([disc(regions, k, 0.06) for k in zone], axis=0)) > 0.5
        for zone in ((223, 23), (443, 253))
    )
    return right, left


def beard_darkness(regions: Regions) -> float:
    """0: chin and upper lip are as bright as the cheeks, or occluded; 1: black beard."""
    zones = ((164, 0.08), (92, 0.07), (322, 0.07), (199, 0.14), (135, 0.12), (364, 0.12))
    zone = np.any([disc(regions, k, r) for k, r in zones], axis=0)
    lips = polygon2mask(regions.skin.shape, regions.landmarks[[*OUTER_LIPS]][:, ::-1])
    zone &= ~lips
    if covered_share(regions, zone) > 0.5:
        return 0.0
    ratio = zone_colour(regions, zone).mean() / max(
        zone_colour(regions, cheek_mask(regions)).mean(), 1e-3
    )
    return float(np.clip(1.0 - ratio, 0.0, 1.0))


def lip_redness(regions: Regions) -> float:
    """0: lips as red as the cheeks; 1: lipstick; the default if they are occluded."""
    outline = regions.landmarks[[*OUTER_LIPS]]
    lips = polygon2mask(regions.skin.shape, outline[:, ::-1])
    from_mouth = polygon2mask(
        regions.skin.shape, 0.25 * outline.mean(0)[::-1] + 0.75 * outline[:, ::-1]
    )
    rim = lips & ~from_mouth
    if covered_share(regions, rim) > 0.5:
        return USUAL_LIPS
    colours = [zone_colour(regions, zone) for zone in (rim, cheek_mask(regions))]
    ratios = [np.log((c[0] + 0.01) / (c[1] + 0.01)) for c in colours]
    return float(np.clip((ratios[0] - ratios[1]) / 0.8, 0.0, 1.0))


def measure_colours(
    regions: Regions,
    looks: Looks,
    parameters: AvatarParameters,
) -> AvatarParameters:
    """Set the colours of hair, brows and lips."""
    pigments = hair_pigments(regions, looks)
    melanin, redness, grey = pigments
    changes = {
        "hair_melanin": melanin,
        "hair_redness": redness,
        "hair_grey": grey,
        "hair_roots": dark_roots(regions, pigments),
        "beard_grey": grey,
        "brow_darkness": _brow_darkness(regions, hair_shade(looks), melanin, grey),
        "lip_redness": float(np.clip(0.25 + 0.7 * lip_redness(regions), 0.0, 1.0)),
    }
    return replace(parameters, **changes)


def _brow_darkness(regions: Regions, shade: float, melanin: float, grey: float) -> float:
    """Brow darkness; 0.5 is as dark as the hair, and the default if the brows are occluded."""
    zone = np.zeros(regions.skin.shape, bool)
    for loop in (LEFT_BROW, RIGHT_BROW):
        zone |= polygon2mask(regions.skin.shape, regions.landmarks[[*loop]][:, ::-1])
    if covered_share(regions, zone) > 0.6:
        return 0.5
    brow = float(zone_colour(regions, zone, 0.35).mean())
    hair = float((shade * to_linear(hair_rgb(melanin, 0.2, grey)) + HAIR_GLOSS).mean())
    return float(np.clip(0.5 - 0.25 * np.log(brow / max(hair, 1e-3)), 0.1, 1.0))
