"""Pseudo-labels of real portraits, for training a face parser [ours].

portrait ─landmarks─▶ face, eyes, brows, lips, nose ─┐
portrait ─person mask, hair mask─▶ background, hair ─┼▶ `Segment` per pixel, or UNKNOWN
portrait ─the packaged parser─▶ neck, clothes ───────┘
Pixels on which sources disagree or are uncertain, and those that none of them covers (ears, frames
of glasses), are UNKNOWN and excluded from the loss. Letters: h, w the portrait, n side of a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.draw import polygon2mask

from portraiture.data.labelled_photos import UNKNOWN
from portraiture.engine.landmarks import (
    CONTOUR,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from portraiture.fit.parse import likeliest_segments
from portraiture.fit.regions import EYE_LEVEL, WINDOW_HALF_IOD, WINDOW_PX, window_transform
from portraiture.photo import landmarks as face_mesh
from portraiture.photo.align import crop_image, crop_side, fit_pose
from portraiture.photo.person import person_mask
from portraiture.types import Segment

SIDE = 400
"""Pixels of a window."""
IOD = 0.5 * SIDE / WINDOW_HALF_IOD
"""Inter-ocular distance in a window, pixels."""
SURE = (0.08, 0.8)
"""Thresholds below and above which a mask is certain."""
NOSE = (
    *(168, 193, 122, 196, 198, 129, 98, 97, 2, 326, 327, 358, 420, 419, 351, 417),
    *(102, 331, 64, 294, 219, 439),
)
"""Landmarks around the engine's nose."""
UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 308, 415, 310, 311, 312, 13, 82, 81, 80,
         191, 78)  # fmt: skip
LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 308, 324, 318, 402, 317, 14, 87, 178,
         88, 95, 78)  # fmt: skip
"""Loops around the lips."""


@dataclass(frozen=True)
class Labelled:
    """image: window around head and shoulders, eyes level. labels: `Segment` or UNKNOWN. frame:
    centre x, y and side of the EG3D crop, in sides of the window."""

    image: UInt8[ndarray, "n n 3"]
    labels: UInt8[ndarray, "n n"]
    frame: Float32[ndarray, "3"]


def label_portrait(
    image: UInt8[ndarray, "h w 3"], landmarks: Float[ndarray, "478 _"],
    hair: Float[ndarray, "h w"], *, bald: bool, bearded: bool, glasses: bool,
) -> Labelled:  # fmt: skip
    """Label the window around a face. landmarks: pixels. hair: soft mask. bald, bearded, glasses:
    annotations, which override the masks."""
    points = landmarks[:, :2].astype(np.float64)
    scale = np.diag([SIDE / WINDOW_PX] * 2 + [1.0])
    to_window = scale @ np.linalg.inv(window_transform(points))
    window = crop_image(image, to_window, SIDE)
    inside = _inside(image, to_window)
    soft = face_mesh.warp((hair * 255).astype(np.uint8)[..., None].repeat(3, 2), to_window, SIDE)
    strands = soft[..., 0].astype(np.float32) / 255.0
    person = person_mask(window)
    marks = face_mesh.transform(landmarks[:, :2], to_window)[:, :2]
    labels = _outer(marks, person, strands, likeliest_segments(window), bald=bald, bearded=bearded)
    _draw_face(labels, marks, glasses=glasses)
    labels[~inside] = UNKNOWN
    return Labelled(window, labels, _frame(landmarks, to_window))


def _frame(landmarks: ndarray, to_window: ndarray) -> Float32[ndarray, "3"]:
    pose = fit_pose(landmarks)
    centre = to_window @ np.array([*pose.centre, 1.0])
    side = crop_side(pose) * np.sqrt(abs(np.linalg.det(to_window[:2, :2])))
    return np.array([centre[0], centre[1], side], np.float32) / SIDE


def _inside(image: ndarray, to_window: ndarray) -> Bool[ndarray, "n n"]:
    """Pixels of the window that lie within the photo."""
    x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    back = np.linalg.inv(to_window)
    u, v = (back[i, 0] * x + back[i, 1] * y + back[i, 2] for i in (0, 1))
    return (u > 0) & (v > 0) & (u < image.shape[1]) & (v < image.shape[0])


def _filled(points: ndarray, loop: tuple[int, ...]) -> Bool[ndarray, "n n"]:
    """The inside of a loop of landmarks."""
    return polygon2mask((SIDE, SIDE), points[[*loop]][:, ::-1])


def _eroded(
    mask: Bool[ndarray, "k k"], by: Bool[ndarray, "j j"] | None = None
) -> Bool[ndarray, "k k"]:
    return np.asarray(ndimage.binary_erosion(mask, by), bool)


def _dilated(
    mask: Bool[ndarray, "k k"], by: Bool[ndarray, "j j"] | None = None
) -> Bool[ndarray, "k k"]:
    return np.asarray(ndimage.binary_dilation(mask, by), bool)


def _reach(share: float) -> Bool[ndarray, "k k"]:
    """A disc of a radius in inter-ocular distances, at least a pixel."""
    r = max(1, round(share * IOD))
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    return x**2 + y**2 <= r**2


def _outer(
    marks: ndarray, person: Float[ndarray, "n n"], hair: Float[ndarray, "n n"],
    classes: Int[ndarray, "n n"], *, bald: bool, bearded: bool,
) -> UInt8[ndarray, "n n"]:  # fmt: skip
    """Background, hair, skin above the brows, face, neck and clothes."""
    low, high = SURE
    y, _ = np.mgrid[:SIDE, :SIDE] + 0.5
    labels = np.full((SIDE, SIDE), UNKNOWN, np.uint8)
    oval = _filled(marks, CONTOUR)
    bare = hair < low
    labels[(person < low) & bare & ~oval] = Segment.BACKGROUND
    eyes, chin = EYE_LEVEL * SIDE, marks[152, 1]
    solid = (person > high) | oval
    inner = _eroded(oval, _reach(0.05))
    forehead = solid & bare & (y < eyes - 0.35 * IOD)
    labels[forehead & _eroded(solid, _reach(0.04))] = Segment.SKIN
    labels[inner & bare] = Segment.SKIN
    of_neck = _eroded(classes == Segment.NECK) & solid & bare & ~oval & (y > chin + 0.05 * IOD)
    of_neck &= y < chin + 0.5 * IOD  # further down it may be a red tie
    labels[of_neck & ~_dilated(oval, _reach(0.06))] = Segment.NECK
    worn = _eroded(classes == Segment.CLOTH) & (person > high) & bare & (y > chin + 0.4 * IOD)
    labels[worn] = Segment.CLOTH
    labels[(y > chin + 2.2 * IOD) & (person > high) & bare] = Segment.CLOTH
    lower = oval & (y > eyes + 0.35 * IOD)
    strands = (hair > high) & ~lower & (person > 0.3)
    if bald:
        labels[strands] = UNKNOWN
        middle = np.abs(np.arange(SIDE) + 0.5 - 0.5 * SIDE) < 0.5 * IOD
        crown = solid & (y < eyes - 0.3 * IOD) & (person > high) & middle[None]
        labels[_eroded(crown, _reach(0.05))] = Segment.SKIN
    else:
        labels[strands] = Segment.HAIR
    if bearded:
        labels[oval & (y > marks[2, 1])] = UNKNOWN
    return labels


def _draw_face(labels: UInt8[ndarray, "n n"], marks: ndarray, *, glasses: bool) -> None:
    """Eyes, brows, nose and lips, each with an unknown rim. Nothing is known around eyes behind
    glasses, whose class covers the lenses, too."""
    hull = marks[[*NOSE]]
    nose = polygon2mask((SIDE, SIDE), hull[ConvexHull(hull).vertices][:, ::-1])
    _stamp(labels, nose, Segment.NOSE, rim=0.09, core=0.05)
    for loop, segment in ((RIGHT_BROW, Segment.LEFT_BROW), (LEFT_BROW, Segment.RIGHT_BROW)):
        points = marks[[*loop]]
        brow = polygon2mask((SIDE, SIDE), points[ConvexHull(points).vertices][:, ::-1])
        _stamp(labels, brow, segment, rim=0.08, core=0.02)
    for loop, segment in ((RIGHT_EYE, Segment.LEFT_EYE), (LEFT_EYE, Segment.RIGHT_EYE)):
        _stamp(labels, _filled(marks, loop), segment, rim=0.04, core=0.0)
    if glasses:
        both = marks[[*LEFT_EYE, *RIGHT_EYE, *LEFT_BROW, *RIGHT_BROW]]
        low, high = both.min(0), both.max(0)
        pad = np.array([0.8, 0.25]) * IOD
        x0, y0 = np.maximum(low - pad, 0).astype(int)
        x1, y1 = (high + pad + [0.0, 0.5 * IOD]).astype(int)
        labels[y0:y1, x0:x1] = UNKNOWN
    lips = _filled(marks, OUTER_LIPS)
    _stamp(labels, lips, None, rim=0.04, core=0.0)
    for loop, segment in ((UPPER, Segment.UPPER_LIP), (LOWER, Segment.LOWER_LIP)):
        labels[_eroded(_filled(marks, loop)) & lips] = segment
    mouth = _filled(marks, INNER_LIPS)
    if mouth.sum() > 0.02 * IOD**2:
        labels[_dilated(mouth) & lips] = UNKNOWN
        labels[mouth] = Segment.MOUTH


def _stamp(
    labels: ndarray, mask: ndarray, segment: Segment | None, *, rim: float, core: float
) -> None:
    """Draw a part, but not over hair: its inside as `segment` (unknown if None), a rim around it
    unknown. rim, core: how far that reaches outwards and inwards, in inter-ocular distances."""
    inside = _eroded(mask, _reach(core)) if core else mask
    allowed = labels != Segment.HAIR
    labels[_dilated(mask, _reach(rim)) & allowed] = UNKNOWN
    if segment is not None:
        labels[inside & allowed] = segment
