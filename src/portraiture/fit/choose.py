"""Choose beard and clothes from what the portrait parser saw.

looks ────▶ kind of beard, clothes ─┐
regions ──▶ their colours ──────────┴─▶ styles and tones
Hair is chosen by `fit.hair_outline`, glasses by `fit.glasses`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from skimage.draw import polygon2mask

from portraiture.engine.landmarks import OUTER_LIPS
from portraiture.engine.parameters import (
    AvatarParameters,
    BeardStyle,
)
from portraiture.fit.clothes import choose_clothes, cloth_colours
from portraiture.fit.colours import Cues
from portraiture.fit.hair_style import HairChoice
from portraiture.fit.parse import Looks
from portraiture.fit.regions import Regions
from portraiture.fit.zones import cheek_mask, covered_share, disc, zone_colour

LIKELY = 0.5
"""Probability above which something is worn or grown."""
SHAVED = 0.15
"""Strongest stubble where the parser sees no beard: a darker jaw is mostly shade."""
DENSE = 0.45
"""Darkness of the beard's zone from which a full beard is long."""


def beard_hairs(regions: Regions) -> tuple[float, float]:
    """Beard evidence at chin and jaw: how much darker or greyer they are than the cheeks; 0 if bare
    or occluded."""
    size = regions.skin.shape
    lips = polygon2mask(size, regions.landmarks[[*OUTER_LIPS]][:, ::-1])
    cheek = zone_colour(regions, cheek_mask(regions)) + 0.01
    zones = (
        ((199, 0.10), (18, 0.05)),
        ((135, 0.10), (364, 0.10)),
    )
    out = []
    for discs in zones:
        mask = np.any([disc(regions, k, r) for k, r in discs], axis=0) & ~lips
        if covered_share(regions, mask) > 0.5:
            out.append(0.0)
            continue
        colour = zone_colour(regions, mask) + 0.01
        darker = max(float(np.log(cheek.mean() / colour.mean())), 0.0)
        greyer = max(float(np.log(cheek[0] / cheek[2]) - np.log(colour[0] / colour[2])), 0.0)
        out.append(darker + 1.2 * greyer)
    return out[0], out[1]


def choose_beard(regions: Regions, cues: Cues, looks: Looks) -> tuple[BeardStyle, float]:
    """Choose the beard style, and the strength of stubble painted on procedural skin. Conservative:
    the photo's texture already contains short beards, so only clear ones become geometry."""
    if looks.chance("sex", "f") > LIKELY:
        return "none", 0.0
    chin, jaw = beard_hairs(regions)
    shaved = looks.chance("beard", "none") > LIKELY
    stubble = float(np.clip(0.9 * min(chin, jaw) - 0.1, 0.0, SHAVED if shaved else 0.8))
    mouth = np.any([disc(regions, k, 0.1) for k in (164, 199)], axis=0)
    if covered_share(regions, mouth) > 0.5 or looks.chance("beard", "none", "stubble") > LIKELY:
        return "none", max(stubble, 0.4 * looks.chance("beard", "stubble"))
    kinds = {"full": "full_beard", "goatee": "circle", "moustache": "moustache"}
    kind = max(kinds, key=lambda name: looks.chance("beard", name))
    if kind == "full":
        return ("full_beard" if cues.stubble > DENSE else "short_beard"), stubble
    return ("circle", 0.5 * stubble) if kind == "goatee" else ("moustache", 0.0)


def choose_styles(
    regions: Regions, cues: Cues, looks: Looks, hair: HairChoice, parameters: AvatarParameters
) -> AvatarParameters:
    """Set beard, hair and clothes, and those that go with it."""
    beard, stubble = choose_beard(regions, cues, looks)
    neckline = choose_clothes(regions, looks)
    return replace(
        hair.applied(parameters),
        beard_style=beard,
        stubble=stubble,
        neckline=neckline,
        **cloth_colours(regions, neckline),
    )
