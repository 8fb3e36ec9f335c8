"""Choose hair style, beard, glasses and neckline by comparing the engine's renders with the photo.

hair mask of the photo ─▶ grid in head coordinates ─┐
``assets/hair_masks.npz`` (renders of every style) ─┴─ overlap, prior ─▶ style, length, hairline

The masks are rendered by ``tools/learn_hair_masks.py``: front views of the average head, one for
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
"""Cell centres in inter-ocular distances: x to the image's right, y up, origin between the eyes."""

BARE_CROWN = 0.3
"""Hair fraction of the crown below which it counts as bald, with hair only at the sides."""

CURLY_BELOW = 0.57
"""Coherence of hair orientation below which hair may be curly."""

BALD_BELOW = 0.12
"""Hair fraction of the crown below which, without hair at the sides, a head counts as bald."""

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
    "receding": (0.02, -0.15),
    "horseshoe": (-0.02, -0.2),
    "side_swept": (0.02, -0.03),
    "wavy_medium": (-0.1, 0.01),
    "layered_bob": (-0.12, 0.02),
    "pixie": (-0.08, -0.02),
    "curly_medium": (-0.1, -0.04),
    "curly_long": (-0.12, -0.04),
}
"""Prior of each style, for men and for women, added to its overlap score."""


@dataclass(frozen=True)
class HairMasks:
    """Rendered hair masks. styles: (K,) names; length, line, volume: (K,) parameters; masks:
    (K, 48, 40)."""

    styles: tuple[HairStyle, ...]
    length: Float[ndarray, "K"]
    line: Float[ndarray, "K"]
    volume: Float[ndarray, "K"]
    masks: Bool[ndarray, "K 48 40"]


@lru_cache(maxsize=1)
def load_hair_masks() -> HairMasks:
    """Load the packaged masks."""
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
    """Resample the photo's hair mask to the grid; also returns which cells are visible."""
    x, y = np.meshgrid(GRID_X, GRID_Y)
    column = 0.5 * WINDOW_PX + x * regions.iod - 0.5
    row = EYE_LEVEL * WINDOW_PX - y * regions.iod - 0.5
    hair = map_coordinates(regions.hair.astype(np.float32), [row, column], order=1)
    seen = (row > 0) & (row < WINDOW_PX - 1) & (column > 0) & (column < WINDOW_PX - 1)
    seen &= map_coordinates(regions.seen.astype(np.float32), [row, column], order=1) > 0.5
    return (hair > 0.5) & seen, seen


@dataclass(frozen=True)
class HairChoice:
    """A hair style and its continuous parameters."""

    style: HairStyle
    length: float = 0.5
    line: float = 0.4
    volume: float = 0.5


def choose_hair(regions: Regions, cues: Cues) -> HairChoice:
    """Choose the style with the highest overlap (IoU) plus prior; hair rendered on the photo's bare
    forehead is penalised twice."""
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
    """Whether each cell is inside the face contour and not hair."""
    x, y = np.meshgrid(GRID_X, GRID_Y)
    outline = regions.landmarks[[*CONTOUR]]
    size = (WINDOW_PX, WINDOW_PX)
    inside = polygon2mask(size, outline[:, ::-1]) & ~regions.hair
    column = np.clip(0.5 * WINDOW_PX + x * regions.iod, 0, WINDOW_PX - 1).astype(int)
    row = np.clip(EYE_LEVEL * WINDOW_PX - y * regions.iod, 0, WINDOW_PX - 1).astype(int)
    return inside[row, column]


def beard_hairs(regions: Regions) -> tuple[float, float, float]:
    """Beard evidence at upper lip, chin and jaw: how much darker or greyer they are than the
    cheeks; 0 if bare or occluded."""
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
    """Choose the beard style, and the strength of stubble painted on procedural skin. Conservative:
    the photo's texture already contains short beards, so only clear ones become geometry."""
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


def choose_glasses(regions: Regions, cues: Cues, worn: float) -> tuple[GlassesStyle, float]:
    """Choose frame and tone; "none" if `worn`,
    the probability of glasses, is below one half. Many dark pixels below the eyes and on the
    bridge indicate a thick black frame, some a thin dark one, none thin metal. Dark occlusion of
    both eyes but not of the nose indicates sunglasses in any case."""
    both = all(eyes_covered(regions))
    nose = covered_share(regions, disc(regions, 4, 0.1)) > 0.5
    lens = decode(regions.image[np.any([disc(regions, k, 0.1) for k in (223, 443)], axis=0)])
    dark = np.median(lens) < 0.15 * zone_colour(regions, cheek_mask(regions)).mean()
    if both and dark and not nose:
        worn = 1.0
    if worn < 0.5:
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
    """Choose the neckline from the colours under the chin: a collar, bare skin, or the garment."""
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
    """Set every discrete parameter. glasses: probability that the person wears
    some."""
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
