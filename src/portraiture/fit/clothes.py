"""Choose the clothes and their colours: jacket or sweater, shirt, tie.

looks ─▶ suit with a tie, open suit, blouse … ─▶ neckline
regions ─ clothes at the shoulders, beside and below the collar ─▶ colours
Places are relative to the chin, in inter-ocular distances.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from portraiture.engine.parameters import Neckline
from portraiture.fit.light import decode, encode
from portraiture.fit.parse import Looks
from portraiture.fit.regions import EYE_LEVEL, WINDOW_PX, Regions
from portraiture.fit.zones import zone_colour

CHIN = 152
LIT = 1.15
"""Albedo of cloth over its radiance."""
FEWEST = 60
"""Pixels of cloth without which a colour is left at its default."""
OF_TIE = 0.35
"""Log colour from the shirt's at which a pixel below the collar belongs to the tie."""
BARE_THROAT, OTHER = 0.5, 0.7
"""Share of skin below the throat that shows a low neckline; log colour between the middle and the
sides that shows a collar."""
DIRECT: dict[str, Neckline] = {
    "suit_tie": "suit_tie", "suit_open": "suit_open", "blouse_jacket": "blouse_jacket",
    "shirt": "shirt",
}  # fmt: skip
"""Classes of the look "clothes" that are one of the engine's."""


def choose_clothes(regions: Regions, looks: Looks) -> Neckline:
    """Choose by the likeliest class; knitwear and what has no class by skin and colours below the
    chin."""
    name = looks.likeliest("clothes")
    if name in DIRECT:
        return DIRECT[name]
    across, down = _from_chin(regions)
    middle = regions.person & (np.abs(across) < 0.22) & (down > 0.75) & (down < 1.6)
    sides = regions.cloth & (np.abs(across) > 0.9)
    if middle.sum() < FEWEST or sides.sum() < FEWEST:
        return "crew"
    if regions.skin[middle].mean() > BARE_THROAT:
        return "dress" if looks.chance("sex", "f") > 0.5 and name == "other" else "v_neck"
    if name == "knit":
        return "knit" if regions.skin[middle].mean() < 0.1 else "crew"
    colours = [np.log(zone_colour(regions, zone) + 0.02) for zone in (middle, sides)]
    return "shirt" if np.abs(colours[0] - colours[1]).mean() > OTHER else "crew"


def cloth_colours(regions: Regions, neckline: Neckline) -> dict[str, float]:
    """Colours of the clothes, and under a jacket those of shirt and tie, by field of
    `AvatarParameters`; what cannot be seen is left out."""
    across, down = _from_chin(regions)
    aside = np.abs(across)
    layered = neckline in ("suit_tie", "suit_open", "blouse_jacket")
    outer = regions.cloth & (aside > 0.9) & (down > 0.9) if layered else regions.cloth
    found = _named("cloth", regions, outer if outer.sum() >= FEWEST else regions.cloth)
    if not layered:
        return found
    collar = regions.cloth & (aside > 0.08) & (aside < 0.5) & (down > 0.4) & (down < 1.4)
    shirt = _brightest(regions, collar)
    found |= _named("shirt", regions, shirt)
    if neckline != "suit_tie" or shirt.sum() < FEWEST:
        return found
    below = regions.cloth & (aside < 0.14) & (down > 0.9) & (down < 2.3)
    white = np.log(np.median(decode(regions.image[shirt]), axis=0) + 0.02)
    gap = np.abs(np.log(decode(regions.image) + 0.02) - white).mean(-1)
    return found | _named("tie", regions, below & (gap > OF_TIE))


def _from_chin(regions: Regions) -> tuple[Float[ndarray, "n n"], Float[ndarray, "n n"]]:
    """How far to the image's right of the chin and below it each pixel is."""
    x, y = regions.head_coordinates()
    chin = regions.landmarks[CHIN]
    right = (chin[0] - 0.5 * WINDOW_PX) / regions.iod
    up = (EYE_LEVEL * WINDOW_PX - chin[1]) / regions.iod
    return x - right, up - y


def _brightest(regions: Regions, zone: Bool[ndarray, "n n"]) -> Bool[ndarray, "n n"]:
    """The brighter half of a zone: beside a collar there are lapels and shade."""
    if not zone.any():
        return zone
    light = regions.image.mean(-1)
    return zone & (light >= np.median(light[zone]))


def _named(name: str, regions: Regions, zone: Bool[ndarray, "n n"]) -> dict[str, float]:
    """sRGB albedo of a zone from its median linear colour."""
    if zone.sum() < FEWEST:
        return {}
    median = np.median(decode(regions.image[zone]), axis=0)
    albedo = np.clip(encode(LIT * median), 0.02, 0.95)
    channels = ("red", "green", "blue")
    return {f"{name}_{c}": float(v) for c, v in zip(channels, albedo, strict=True)}
