"""Choose among hair styles by rendering them on the fitted head at the photo's camera [ours].

`fit.hair_style.shortlist` ─build on the head, render─▶ outlines ─┐
hair mask of the photo, in the render's pixels ───────────────────┴─ overlap, prior ─▶ HairChoice

The masks of the shortlist are of an average head from the front; here the head is the sitter's and
turned as in the photo. Letters: n side of the outline, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from skimage.draw import polygon2mask

from portraiture.engine.hair.build import Atlas, hair_atlas, make_hair
from portraiture.engine.hair.plaits import PLAITED
from portraiture.engine.landmarks import CONTOUR, LEFT_EYE, RIGHT_EYE
from portraiture.engine.skin.paint import SkinTextures, make_skin
from portraiture.fit.compare import window_camera
from portraiture.fit.hair_style import HairChoice, Listed, overlap
from portraiture.fit.parse import Looks
from portraiture.fit.place import Placed
from portraiture.fit.projection import image_size
from portraiture.fit.regions import Regions, window_transform
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.render.mesh import segmentation_of
from portraiture.types import Bust, Camera, Part, Photo, Segment

OUTLINE_PX = 144
HALF_IOD, BELOW_EYES = 2.7, 0.4
"""Half the side of the square that is compared, and how far below the eyes its centre is, in
inter-ocular distances."""
COARSER = 4
"""By what the strands' texture is decimated: only its alpha counts."""
AREA = 0.3
"""Weight of equal areas against the overlap."""
CROPPED, MAYBE = 0.3, 0.15
"""Area of the photo's hair, in areas of the best match, under which it is cropped to the skin (the
paint of which is most of a buzz cut), if that has at least this probability."""
MORE_HAIR = (("volume", 0.3), ("length", 0.3), ("line", -0.3))
"""By what each is changed to show more hair: a higher hairline shows less."""


@dataclass(frozen=True)
class Outlines:
    """What rendered hair is compared with, and how it is rendered. hair: the photo's. seen: pixels
    of the photo. face: within the contour. skin: the head. atlas: of strands, the same for all but
    plaits."""

    placed: Placed
    camera: Camera
    hair: Bool[ndarray, "n n"]
    seen: Bool[ndarray, "n n"]
    face: Bool[ndarray, "n n"]
    skin: Part
    atlas: Atlas

    def match(self, choice: HairChoice) -> Match:
        """Compare one choice with the photo's hair."""
        parameters = choice.applied(self.placed.parameters)
        atlas = None if choice.style in PLAITED else self.atlas
        hair = make_hair(parameters, self.placed.shape, atlas=atlas)
        assert hair is not None, "a bald head has no outline"
        skeleton = self.placed.shape.model.skeleton(self.placed.shape.joints)
        bust = Bust((self.skin, hair), skeleton, self.placed.expression, _NOWHERE)
        shown = segmentation_of(bust, self.camera, OUTLINE_PX) == Segment.HAIR
        found = overlap(shown[None], self.hair, self.seen, self.face & ~self.hair)
        area = (shown & self.seen).sum()
        return Match(float(found[0]), float(self.hair.sum() / max(area, 1)))


class Match(NamedTuple):
    """overlap: see `hair_style.overlap`. area: of the photo's hair, in areas of the rendered."""

    overlap: float
    area: float

    @property
    def score(self) -> float:
        """The overlap, and that the areas are equal: thin hair overlaps little with any."""
        return self.overlap + AREA * min(self.area, 1.0 / max(self.area, 1e-3))


_NOWHERE = np.zeros((478, 3), np.float32)


def fit_hair(
    listed: Sequence[Listed], looks: Looks, regions: Regions, photo: Photo, placed: Placed, *,
    progress: Progress = SILENT,
) -> HairChoice:  # fmt: skip
    """The choice whose match at the photo's camera plus prior is highest, its volume, length and
    hairline refined by one step each. About 0.3 s for each of the list and three more. Raises
    CancelledError."""
    if all(one.choice.style == "bald" for one in listed):
        return listed[0].choice
    outlines = outlines_of(regions, photo, placed)
    with ThreadPoolExecutor(2) as pool:
        matches = list(pool.map(lambda one: outlines.match(one.choice), listed))
    k = int(
        np.argmax([one.prior + found.score for one, found in zip(listed, matches, strict=True)])
    )
    best, match = listed[k].choice, matches[k]
    if match.area < CROPPED and looks.chance("hair", "buzz") > MAYBE:
        return HairChoice("buzz", line=best.line, curl=best.curl)
    for name, more in MORE_HAIR:
        raise_if_cancelled(progress)
        step = more if match.area > 1.0 else -more
        value = float(np.clip(getattr(best, name) + step, 0.05, 0.95))
        moved = replace(best, **{name: value})
        found = outlines.match(moved)
        if found.overlap > match.overlap:
            best, match = moved, found
    return best


def outlines_of(regions: Regions, photo: Photo, placed: Placed) -> Outlines:
    """Resample the photo's hair to a square around the head."""
    landmarks = photo.landmarks.astype(np.float64)
    right, left = landmarks[[*RIGHT_EYE]].mean(0), landmarks[[*LEFT_EYE]].mean(0)
    iod = float(np.linalg.norm(left - right))
    centre, half = 0.5 * (right + left) + [0.0, BELOW_EYES * iod], HALF_IOD * iod
    box = np.array([*(centre - half), *(centre + half)])
    at = (np.arange(OUTLINE_PX) + 0.5) / OUTLINE_PX * 2.0 * half
    x, y = np.meshgrid(at + box[0], at + box[1])
    to_window = np.linalg.inv(window_transform(landmarks))
    window = np.stack([x, y], -1) @ to_window[:2, :2].T + to_window[:2, 2]
    column, row = np.moveaxis(np.floor(window).astype(int), -1, 0)
    last = len(regions.hair) - 1
    inside = (column >= 0) & (row >= 0) & (column <= last) & (row <= last)
    cell = (np.clip(row, 0, last), np.clip(column, 0, last))
    contour = (landmarks[[*CONTOUR]] - box[:2]) * OUTLINE_PX / (2.0 * half)

    def coarse(image: ndarray) -> ndarray:
        return np.ascontiguousarray(image[::COARSER, ::COARSER])

    plain = np.full((64, 64, 3), 128, np.uint8)
    textures = SkinTextures(plain, plain, plain[..., 0])
    colour, roughness = hair_atlas(placed.parameters)
    return Outlines(
        placed=placed,
        camera=window_camera(placed.camera, image_size(photo.image), box),
        hair=regions.hair[cell] & inside,
        seen=regions.seen[cell] & inside,
        face=polygon2mask((OUTLINE_PX, OUTLINE_PX), contour[:, ::-1]),
        skin=make_skin(placed.parameters, placed.shape, textures),
        atlas=(coarse(colour), coarse(roughness)),
    )
