"""List the hair styles that may be the photo's; `fit.hair_outline` chooses one of them.

hair mask of the photo ─▶ grid in head coordinates ─┐
``assets/hair_masks.npz`` (renders of every style) ─┼─ overlap, prior ─▶ shortlist
looks: chance of bald, short … straight, curly … ───┘

The masks are rendered by ``tools/learn_hair_masks.py``: front views of the average head, one for
each style, length and hairline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import map_coordinates
from skimage.draw import polygon2mask

from portraiture.engine.classes import CURLS, HAIR_STYLES, lengths_of
from portraiture.engine.landmarks import CONTOUR
from portraiture.engine.parameters import AvatarParameters, HairStyle
from portraiture.fit.colours import Cues
from portraiture.fit.parse import Looks
from portraiture.fit.regions import EYE_LEVEL, WINDOW_PX, Regions, crown_unseen
from portraiture.perception.looks import LOOKS

MASKS_PATH = Path(__file__).parent.parent / "assets" / "hair_masks.npz"

GRID_X = np.arange(-2.4, 2.4, 0.12) + 0.06
GRID_Y = 2.16 - np.arange(0.0, 5.76, 0.12) - 0.06
"""Cell centres in inter-ocular distances: x to the image's right, y up, origin between the eyes."""

BALD_BELOW = 0.12
"""Hair fraction of the crown below which, without hair at the sides, a head is bald."""

FEW = 40
"""Cells of the grid with hair under which there is none to model."""

POSSIBLE = 0.2
"""Probability of a length above which one style of it is on the shortlist."""

SURE = 0.5
"""Probability of baldness above which a head that is seen is bald."""

STYLES = 3
"""Styles on the shortlist."""

LENGTH_WEIGHT, FORM_WEIGHT, FRINGE_WEIGHT = 0.2, 0.3, 0.08
"""Weights of the log probabilities of length, form and fringe against the overlap."""

DOUBT = 0.02
"""What is added to each probability."""

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
    "pixie": (-0.15, -0.02),
    "curly_medium": (-0.1, -0.04),
    "curly_long": (-0.12, -0.04),
    "braids": (-0.3, -0.2),
    "cornrows": (-0.4, -0.4),
}
"""Prior of each style, for men and for women, added to its overlap score."""


@dataclass(frozen=True)
class HairChoice:
    """A hair style and its continuous parameters."""

    style: HairStyle
    length: float = 0.5
    line: float = 0.4
    volume: float = 0.5
    fringe: float = 0.0
    parting: float = 0.3
    curl: float = 0.3

    def applied(self, parameters: AvatarParameters) -> AvatarParameters:
        """`parameters` with this hair."""
        return replace(
            parameters,
            hair_style=self.style,
            hair_length=self.length,
            hair_line=self.line,
            hair_volume=self.volume,
            hair_fringe=self.fringe,
            hair_parting=self.parting,
            hair_curl=self.curl,
        )


class Listed(NamedTuple):
    """A choice of the shortlist, and what its prior adds to its overlap."""

    choice: HairChoice
    prior: float


@dataclass(frozen=True)
class HairMasks:
    """Rendered hair masks. styles: (K,) names; length, line, volume, fringe, parting: (K,)
    parameters; masks: (K, 48, 40)."""

    styles: tuple[HairStyle, ...]
    length: Float[ndarray, "K"]
    line: Float[ndarray, "K"]
    volume: Float[ndarray, "K"]
    fringe: Float[ndarray, "K"]
    parting: Float[ndarray, "K"]
    masks: Bool[ndarray, "K 48 40"]

    def choice(self, k: int, curl: float) -> HairChoice:
        """One of the masks' hair. curl: of the photo's, in which the masks do not differ."""
        numbers = (self.length, self.line, self.volume, self.fringe, self.parting)
        return HairChoice(self.styles[k], *(float(values[k]) for values in numbers), curl=curl)


@lru_cache(maxsize=1)
def load_hair_masks() -> HairMasks:
    """Load the packaged masks, each as it is and mirrored, with the parting on the other side."""
    with np.load(MASKS_PATH, allow_pickle=False) as file:
        count = len(file["style"])
        names = get_args(HairStyle)
        bits = np.unpackbits(file["masks"], axis=1)[:, : len(GRID_Y) * len(GRID_X)]
        masks = bits.reshape(count, len(GRID_Y), len(GRID_X)).astype(bool)
        numbers = {
            name: np.tile(file[name].astype(np.float64), 2)
            for name in ("length", "line", "volume", "fringe")
        }
        parting = AvatarParameters().hair_parting
        return HairMasks(
            styles=tuple(names[i] for i in file["style"]) * 2,
            parting=np.repeat([parting, 1.0 - parting], count),
            masks=np.concatenate([masks, masks[:, :, ::-1]]),
            **numbers,
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


def shortlist(regions: Regions, cues: Cues, looks: Looks) -> list[Listed]:
    """The most plausible choices, best first: the best variants of the `STYLES` best styles by
    overlap (IoU) plus prior, and of one for each length that is likely; bald alone where no hair is
    seen on a head that is."""
    hair, seen = hair_grid(regions)
    bald = cues.hair < BALD_BELOW or looks.chance("hair", "bald") > SURE
    if bald and hair.sum() < FEW and not crown_unseen(regions.seen, regions.iod):
        return [Listed(HairChoice("bald"), 0.0)]
    table = load_hair_masks()
    prior = np.array([
        _prior(style, line, cues.sex, looks)
        for style, line in zip(table.styles, table.line, strict=True)
    ])  # fmt: skip
    fringed = looks.chance("fringe", "yes")
    chances = np.where(table.fringe > 0.0, fringed, 1.0 - fringed)
    prior += FRINGE_WEIGHT * np.log(chances + DOUBT)
    forehead = (GRID_Y[:, None] > 0.35) & (np.abs(GRID_X) < 0.9) & face_cells(regions)
    order = np.argsort(-overlap(table.masks, hair, seen, forehead) - prior, kind="stable")
    variants: dict[HairStyle, list[int]] = {}
    for k in order:
        variants.setdefault(table.styles[k], []).append(int(k))
    listed = [*variants][:STYLES]
    for length in LOOKS["hair"]:
        if looks.chance("hair", length) > POSSIBLE or length == looks.likeliest("hair"):
            listed += [style for style in variants if length in HAIR_STYLES[style].lengths][:1]
    firsts = [ranked[0] for style, ranked in variants.items() if style in listed]
    chosen = (firsts[0], *variants[table.styles[firsts[0]]][1:2], *firsts[1:])
    curl = float(np.clip(sum(CURLS[f] * looks.chance("form", f) for f in CURLS), 0.0, 1.0))
    return [Listed(table.choice(k, curl), float(prior[k])) for k in chosen]


def overlap(
    masks: Bool[ndarray, "K h w"], hair: Bool[ndarray, "h w"], seen: Bool[ndarray, "h w"],
    bare: Bool[ndarray, "h w"],
) -> Float[ndarray, "K"]:  # fmt: skip
    """Intersection over union of rendered hair with the photo's, where the photo shows the head;
    hair before the bare face counts twice."""
    shown = masks & seen
    both = (shown & hair).sum((1, 2))
    either = (shown | hair).sum((1, 2)) + (shown & bare & ~hair).sum((1, 2))
    return both / np.maximum(either, 1.0)


def _prior(style: HairStyle, line: float, sex: float, looks: Looks) -> float:
    """What is added to the overlap of a style."""
    habit = HABIT[style][0] * (1.0 - sex) + HABIT[style][1] * sex
    chances = (
        (LENGTH_WEIGHT, looks.chance("hair", *lengths_of(style, line))),
        (FORM_WEIGHT, looks.chance("form", *HAIR_STYLES[style].forms)),
    )
    return habit + float(sum(weight * np.log(chance + DOUBT) for weight, chance in chances))


def face_cells(regions: Regions) -> Bool[ndarray, "48 40"]:
    """Whether each cell is inside the face contour and not hair."""
    x, y = np.meshgrid(GRID_X, GRID_Y)
    outline = regions.landmarks[[*CONTOUR]]
    size = (WINDOW_PX, WINDOW_PX)
    inside = polygon2mask(size, outline[:, ::-1]) & ~regions.hair
    column = np.clip(0.5 * WINDOW_PX + x * regions.iod, 0, WINDOW_PX - 1).astype(int)
    row = np.clip(EYE_LEVEL * WINDOW_PX - y * regions.iod, 0, WINDOW_PX - 1).astype(int)
    return inside[row, column]
