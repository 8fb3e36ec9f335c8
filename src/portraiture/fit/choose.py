"""Choose beard, glasses and clothes from what the portrait parser saw.

looks ────▶ kind of beard, glasses, clothes ─┐
regions ──▶ their colours ───────────────────┴─▶ styles and tones
Hair is chosen by `fit.hair_outline`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from skimage.draw import polygon2mask

from portraiture.engine.landmarks import OUTER_LIPS
from portraiture.engine.parameters import (
    AvatarParameters,
    BeardStyle,
    GlassesStyle,
)
from portraiture.fit.clothes import choose_clothes, cloth_colours
from portraiture.fit.colours import (
    Cues,
    cheek_mask,
    covered_share,
    disc,
    eyes_covered,
    zone_colour,
)
from portraiture.fit.hair_style import HairChoice
from portraiture.fit.light import decode
from portraiture.fit.parse import Looks
from portraiture.fit.regions import Regions

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


def choose_glasses(regions: Regions, cues: Cues, looks: Looks) -> tuple[GlassesStyle, float]:
    """Choose frame and tone. Many dark pixels below the eyes and on the bridge indicate a thick
    black frame, some a thin dark one, none thin metal. Dark occlusion of both eyes but not of the
    nose indicates sunglasses in any case."""
    worn = 1.0 - looks.chance("glasses", "none")
    both = all(eyes_covered(regions))
    nose = covered_share(regions, disc(regions, 4, 0.1)) > 0.5
    lens = decode(regions.image[np.any([disc(regions, k, 0.1) for k in (223, 443)], axis=0)])
    dark = np.median(lens) < 0.15 * zone_colour(regions, cheek_mask(regions)).mean()
    if both and dark and not nose:
        worn = 1.0
    if worn < LIKELY:
        return "none", 0.1
    x, y = regions.head_coordinates()
    x = np.abs(x)
    ring = (x < 0.95) & (y < -0.13) & (y > -0.5) | (x < 0.12) & (np.abs(y - 0.05) < 0.15)
    cheek = float(zone_colour(regions, cheek_mask(regions)).mean())
    light = decode(regions.image[ring]).mean(1) / max(cheek, 1e-3)
    if (light < 0.2).mean() > 0.025:
        return ("cat_eye" if cues.sex > 0.6 else "rectangle"), 0.03
    share = float((light < 0.4).mean())
    if share > 0.06:
        return "rectangle", 0.12
    return ("rectangle", 0.35) if share > 0.02 else ("rimless", 0.7)


def choose_styles(
    regions: Regions, cues: Cues, looks: Looks, hair: HairChoice, parameters: AvatarParameters
) -> AvatarParameters:
    """Set every discrete parameter, and those that go with it."""
    beard, stubble = choose_beard(regions, cues, looks)
    frame, tone = choose_glasses(regions, cues, looks)
    neckline = choose_clothes(regions, looks)
    return replace(
        hair.applied(parameters),
        beard_style=beard,
        stubble=stubble,
        glasses_style=frame,
        glasses_tone=tone,
        neckline=neckline,
        **cloth_colours(regions, neckline),
    )
