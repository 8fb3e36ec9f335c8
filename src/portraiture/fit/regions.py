"""Cut a window around the head and take hair, clothes and skin in it from the portrait parser.

photo ─crop─▶ window 256² ─`fit.parse`─▶ class of each pixel ─▶ person, hair, clothes, skin
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy import ndarray
from scipy.ndimage import binary_propagation
from skimage import measure
from skimage.draw import polygon2mask

from portraiture.engine.landmarks import CONTOUR, LEFT_EYE, RIGHT_EYE
from portraiture.fit.parse import Parsed, parse_photo
from portraiture.photo.quality import CROWN_HALF_WIDTH, CROWN_HEIGHT, CROWN_SEEN
from portraiture.types import Photo, Segment

WINDOW_PX = 256
WINDOW_HALF_IOD = 4.2
"""Half the window's side in inter-ocular distances."""
EYE_LEVEL = 0.42
"""Where the eyes are in the window, from the top."""
WHITE_GROUND = 0.985
"""Darkest channel, in [0, 1], of a cut-out's white ground."""
SKIN = (
    Segment.SKIN, Segment.NOSE, Segment.LEFT_EAR, Segment.RIGHT_EAR, Segment.NECK,
    Segment.LEFT_BROW, Segment.RIGHT_BROW, Segment.UPPER_LIP, Segment.LOWER_LIP, Segment.GLASSES,
)  # fmt: skip
LEAST_PIECE = 0.15
"""Size of a piece of hair that counts, in sizes of the largest."""


@dataclass(frozen=True)
class Regions:
    """The window is upright: eyes level at ``EYE_LEVEL`` of its height, in its middle.

    image: (256, 256, 3) in [0, 1] sRGB. person, hair, cloth, skin: (256, 256) masks. seen: what of
    the window lies within the photo. covered: where the face is hidden, shaded hard or
    over-exposed, if that is known (`fit.hidden`). landmarks: (478, 2) window pixels. iod:
    inter-ocular distance in window pixels.
    """

    image: Float32[ndarray, "n n 3"]
    person: Bool[ndarray, "n n"]
    hair: Bool[ndarray, "n n"]
    cloth: Bool[ndarray, "n n"]
    skin: Bool[ndarray, "n n"]
    seen: Bool[ndarray, "n n"]
    covered: Bool[ndarray, "n n"]
    landmarks: Float[ndarray, "478 2"]
    iod: float

    def head_coordinates(self) -> tuple[Float[ndarray, "n n"], Float[ndarray, "n n"]]:
        """x to the image's right and y up from between the eyes, in inter-ocular distances."""
        at = np.arange(WINDOW_PX) + 0.5
        x, y = np.meshgrid(at - 0.5 * WINDOW_PX, EYE_LEVEL * WINDOW_PX - at)
        return x / self.iod, y / self.iod


def crown_unseen(seen: Bool[ndarray, "n n"], iod: float) -> bool:
    """Whether so much of the crown lies outside the photo that it cannot be called bald."""
    at = np.arange(WINDOW_PX) + 0.5
    y, x = (EYE_LEVEL * WINDOW_PX - at[:, None]) / iod, (at - 0.5 * WINDOW_PX) / iod
    crown = (y > CROWN_HEIGHT[0]) & (y < CROWN_HEIGHT[1]) & (np.abs(x) < CROWN_HALF_WIDTH)
    return bool(seen[crown].mean() < CROWN_SEEN)


def window_transform(landmarks: Float[ndarray, "478 2"]) -> Float[ndarray, "3 3"]:
    """Homogeneous map from window pixels to photo pixels: rotation, scale, shift."""
    right, left = landmarks[[*RIGHT_EYE]].mean(0), landmarks[[*LEFT_EYE]].mean(0)
    across = left - right
    iod, angle = float(np.linalg.norm(across)), float(np.arctan2(across[1], across[0]))
    scale = 2.0 * WINDOW_HALF_IOD * iod / WINDOW_PX
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    shift = 0.5 * (right + left) - turn @ [0.5 * WINDOW_PX, EYE_LEVEL * WINDOW_PX]
    return np.array([[c, -s, shift[0]], [s, c, shift[1]], [0.0, 0.0, 1.0]])


def read_photo(photo: Photo) -> tuple[Regions, Parsed]:
    """Parse the photo and assign the pixels of its window to regions."""
    landmarks = photo.landmarks.astype(np.float64)
    parsed = parse_photo(photo, np.linalg.inv(window_transform(landmarks)))
    return photo_regions(photo, parsed), parsed


def photo_regions(photo: Photo, parsed: Parsed) -> Regions:
    """Assign the pixels of the parsed window to regions."""
    to_window = np.linalg.inv(window_transform(photo.landmarks.astype(np.float64)))
    points = _mapped(photo.landmarks.astype(np.float64), to_window)
    image = parsed.pixels.astype(np.float32) / 255.0
    seen = _inside((photo.image.shape[0], photo.image.shape[1]), to_window)
    oval = polygon2mask(seen.shape, points[[*CONTOUR]][:, ::-1])
    likeliest = parsed.window.argmax(0)
    ground = _white_ground(image, points[152, 1]) & ~oval
    person = _reached(((likeliest != Segment.BACKGROUND) & ~ground | oval) & seen, oval)
    return Regions(
        image=image,
        person=person,
        hair=_connected((likeliest == Segment.HAIR) & person, points),
        cloth=(likeliest == Segment.CLOTH) & person,
        skin=_reached(np.isin(likeliest, SKIN) & person, oval),
        seen=seen,
        covered=np.zeros_like(seen),
        landmarks=points,
        iod=0.5 * WINDOW_PX / WINDOW_HALF_IOD,
    )


def _mapped(points: Float[ndarray, "k 2"], matrix: Float[ndarray, "3 3"]) -> Float[ndarray, "k 2"]:
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def _inside(size: tuple[int, int], to_window: Float[ndarray, "3 3"]) -> Bool[ndarray, "n n"]:
    """Pixels of the window that lie within a photo of `size` (height, width)."""
    at = np.arange(WINDOW_PX) + 0.5
    grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    u, v = _mapped(grid, np.linalg.inv(to_window)).T
    within = (u > 0) & (v > 0) & (u < size[1]) & (v < size[0])
    return within.reshape(WINDOW_PX, WINDOW_PX)


def _reached(mask: Bool[ndarray, "n n"], start: Bool[ndarray, "n n"]) -> Bool[ndarray, "n n"]:
    """What of a mask hangs together with the face."""
    return np.asarray(binary_propagation(start & mask, mask=mask), bool)


def _white_ground(window: Float32[ndarray, "n n 3"], chin: float) -> Bool[ndarray, "n n"]:
    """White that hangs together with the window's border above the chin's row: the ground of a
    cut-out, on which the parser may see shoulders."""
    white = window.min(-1) > WHITE_GROUND
    border = np.zeros(white.shape, bool)
    border[0], border[: max(int(chin), 1), [0, -1]] = True, True
    return np.asarray(binary_propagation(border & white, mask=white), bool)


def _connected(hair: Bool[ndarray, "n n"], points: ndarray) -> Bool[ndarray, "n n"]:
    """The pieces of hair that reach above the eyes, but for specks."""
    y = np.arange(hair.shape[0])[:, None] + 0.5
    pieces = np.asarray(measure.label(hair, connectivity=1))
    above = pieces * (y < points[168, 1])
    sizes = np.bincount(above.ravel(), minlength=int(pieces.max()) + 1)
    sizes[0] = 0
    kept = np.flatnonzero(sizes > LEAST_PIECE * max(int(sizes.max()), 1))
    return np.isin(pieces, kept) & hair
