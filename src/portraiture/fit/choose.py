"""Choose hair style, beard, glasses and neckline by comparing the engine's renders with the photo.

hair mask of the photo ─▶ grid in head coordinates ─┐
``assets/hair_masks.npz`` (renders of every style) ─┴─ overlap, habits ─▶ style, length, hairline

The masks are learned by ``tools/learn_hair_masks.py``: front views of the average head, one for
each style, length and hairline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import map_coordinates
from skimage.draw import polygon2mask

from portraiture.engine.landmarks import CONTOUR, OUTER_LIPS
from portraiture.engine.parameters import (
    AvatarParameters,
    BeardStyle,
    GlassesStyle,
    HairStyle,
    Neckline,
)
from portraiture.fit.colours import (
    Cues,
    cheek_mask,
    covered_share,
    disc,
    eyes_covered,
    zone_colour,
)
from portraiture.fit.light import decode
from portraiture.fit.regions import EYE_LEVEL, WINDOW_PX, Regions

MASKS_PATH = Path(__file__).parent.parent / "assets" / "hair_masks.npz"

GRID_X = np.arange(-2.4, 2.4, 0.12) + 0.06
GRID_Y = 2.16 - np.arange(0.0, 5.76, 0.12) - 0.06
"""Cell centres in inter-ocular distances: x to the image's right, y up, from between the eyes."""

BARE_CROWN = 0.3
"""Below this share the crown is bare and only the sides have hair."""

CURLY_BELOW = 0.57
"""Coherence of the hair's directions under which it may be curly."""

BALD_BELOW = 0.12
"""Hair on less than this share of the crown, and none at the sides, is a bald head."""

HABIT: dict[str, tuple[float, float]] = {
    "buzz": (0.02, -0.10),
    "short": (0.02, -0.06),
    "crop": (0.0, -0.08),
    "side_part": (0.03, -0.04),
    "quiff": (-0.06, -0.1),
    "slick_back": (-0.02, -0.04),
    "curly": (-0.04, -0.02),
    "afro": (-0.08, -0.05),
    "bob": (-0.12, 0.02),
    "long_straight": (-0.10, 0.02),
    "long_wavy": (-0.10, 0.03),
    "ponytail": (-0.15, -0.03),
    "bun": (-0.15, -0.03),
}
"""Added to a style's overlap, for men and for women: how often it is worn."""


@dataclass(frozen=True)
class HairMasks:
    """styles: (K,) names; length, line, volume: (K,) parameters; masks: (K, 48, 40)."""

    styles: tuple[HairStyle, ...]
    length: Float[ndarray, "K"]
    line: Float[ndarray, "K"]
    volume: Float[ndarray, "K"]
    masks: Bool[ndarray, "K 48 40"]


@lru_cache(maxsize=1)
def load_hair_masks() -> HairMasks:
    """The shipped masks."""
    with np.load(MASKS_PATH, allow_pickle=False) as file:
        count = len(file["style"])
        names = get_args(HairStyle)
        bits = np.unpackbits(file["masks"], axis=1)[:, : len(GRID_Y) * len(GRID_X)]
        return HairMasks(
            styles=tuple(names[i] for i in file["style"]),
            length=file["length"].astype(np.float64),
            line=file["line"].astype(np.float64),
            volume=file["volume"].astype(np.float64),
            masks=bits.reshape(count, len(GRID_Y), len(GRID_X)).astype(bool),
        )


def hair_grid(regions: Regions) -> tuple[Bool[ndarray, "48 40"], Bool[ndarray, "48 40"]]:
    """The photo's hair on the grid, and which cells the photo shows."""
    x, y = np.meshgrid(GRID_X, GRID_Y)
    column = 0.5 * WINDOW_PX + x * regions.iod - 0.5
    row = EYE_LEVEL * WINDOW_PX - y * regions.iod - 0.5
    hair = map_coordinates(regions.hair.astype(np.float32), [row, column], order=1)
    seen = (row > 0) & (row < WINDOW_PX - 1) & (column > 0) & (column < WINDOW_PX - 1)
    seen &= map_coordinates(regions.seen.astype(np.float32), [row, column], order=1) > 0.5
    return (hair > 0.5) & seen, seen


@dataclass(frozen=True)
class HairChoice:
    """A style and its dials."""

    style: HairStyle
    length: float = 0.5
    line: float = 0.4
    volume: float = 0.5


def choose_hair(regions: Regions, cues: Cues) -> HairChoice:
    """The style with the best overlap plus a prior; missing hair on the forehead counts double."""
    hair, seen = hair_grid(regions)
    if cues.hair < BALD_BELOW and hair.sum() < 40:
        return HairChoice("bald")
    if cues.hair < BARE_CROWN and cues.length < 0.35:
        return HairChoice("buzz", length=0.3, line=1.0)
    table = load_hair_masks()
    shown = table.masks & seen
    forehead = (GRID_Y[:, None] > 0.35) & (np.abs(GRID_X) < 0.9) & ~hair & face_cells(regions)
    both = (shown & hair).sum((1, 2))
    either = (shown | hair).sum((1, 2)) + 1.0 * (shown & forehead).sum((1, 2))
    straight = cues.coherence > CURLY_BELOW
    score = both / np.maximum(either, 1.0)
    for k, style in enumerate(table.styles):
        score[k] += HABIT[style][0] * (1.0 - cues.sex) + HABIT[style][1] * cues.sex
        score[k] -= 0.25 * (straight and style in ("curly", "afro"))
    best = int(score.argmax())
    return HairChoice(
        table.styles[best],
        float(table.length[best]),
        float(table.line[best]),
        float(table.volume[best]),
    )


def face_cells(regions: Regions) -> Bool[ndarray, "48 40"]:
    """Cells inside the face's outline."""
    x, y = np.meshgrid(GRID_X, GRID_Y)
    outline = regions.landmarks[[*CONTOUR]]
    size = (WINDOW_PX, WINDOW_PX)
    inside = polygon2mask(size, outline[:, ::-1]) & ~regions.hair
    column = np.clip(0.5 * WINDOW_PX + x * regions.iod, 0, WINDOW_PX - 1).astype(int)
    row = np.clip(EYE_LEVEL * WINDOW_PX - y * regions.iod, 0, WINDOW_PX - 1).astype(int)
    return inside[row, column]


def beard_hairs(regions: Regions) -> tuple[float, float, float]:
    """Beard evidence: how much darker or greyer upper lip, chin and jaw are than the cheeks; 0 is
    bare or covered."""
    size = regions.skin.shape
    lips = polygon2mask(size, regions.landmarks[[*OUTER_LIPS]][:, ::-1])
    cheek = zone_colour(regions, cheek_mask(regions)) + 0.01
    zones = (
        ((164, 0.07), (167, 0.06), (393, 0.06)),
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
    return out[0], out[1], out[2]


def choose_beard(regions: Regions, cues: Cues) -> tuple[BeardStyle, float]:
    """Style, and the strength of stubble painted on procedural skin. Careful: the photo's own
    texture shows short beards already, so only clear ones become hair."""
    if cues.sex > 0.6:
        return "none", 0.0
    lip, chin, jaw = beard_hairs(regions)
    stubble = float(np.clip(0.9 * min(chin, jaw) - 0.1, 0.0, 0.8))
    strong = 0.85
    if min(lip, chin, jaw) > strong:
        return "short_beard", stubble
    if min(lip, chin) > strong:
        return "circle", 0.5 * stubble
    if lip > strong + 0.1 and chin < 0.6:
        return "moustache", 0.0
    return "none", stubble


def choose_glasses(regions: Regions, cues: Cues, hint: float) -> tuple[GlassesStyle, float]:
    """Frame and tone; "none" where the hint is weak. Much dark below the eyes and on the bridge is
    a thick black frame, some a thin dark one, none thin metal. What covers both eyes darkly and
    not the nose are sunglasses; where the nose's bridge is covered otherwise, the hint says
    nothing."""
    both = all(eyes_covered(regions))
    nose = covered_share(regions, disc(regions, 4, 0.1)) > 0.5
    bridge = np.any([disc(regions, k, 0.1) for k in (6, 197)], axis=0)
    lens = decode(regions.image[np.any([disc(regions, k, 0.1) for k in (223, 443)], axis=0)])
    dark = np.median(lens) < 0.15 * zone_colour(regions, cheek_mask(regions)).mean()
    if both and dark and not nose:
        hint = 1.0
    elif covered_share(regions, bridge) > 0.25:
        hint = 0.0
    if hint < 0.5:
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


def choose_neckline(regions: Regions) -> Neckline:
    """From the colours under the chin: a bright collar, bare skin, or the garment itself."""
    x, y = regions.head_coordinates()
    chin = (EYE_LEVEL * WINDOW_PX - regions.landmarks[152, 1]) / regions.iod
    below = regions.person & (y < chin - 0.75) & (y > chin - 1.6) & (np.abs(x) < 0.22)
    sides = regions.cloth & (np.abs(x) > 0.9)
    if below.sum() < 30 or sides.sum() < 30:
        return "crew"
    if regions.skin[below].mean() > 0.5:
        return "v_neck"
    gap = np.abs(
        np.log(zone_colour(regions, below) + 0.02) - np.log(zone_colour(regions, sides) + 0.02)
    )
    return "shirt" if gap.mean() > 0.7 else "crew"


def choose_styles(
    regions: Regions, cues: Cues, glasses: float, parameters: AvatarParameters
) -> AvatarParameters:
    """`parameters` with every discrete choice made. glasses: the quality report's hint."""
    hair = choose_hair(regions, cues)
    beard, stubble = choose_beard(regions, cues)
    frame, tone = choose_glasses(regions, cues, glasses)
    return replace(
        parameters,
        hair_style=hair.style,
        hair_length=hair.length,
        hair_line=hair.line,
        hair_volume=hair.volume,
        beard_style=beard,
        stubble=stubble,
        glasses_style=frame,
        glasses_tone=tone,
        neckline=choose_neckline(regions),
    )
