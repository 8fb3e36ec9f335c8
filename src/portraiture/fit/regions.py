"""Which pixels of a photo are hair, clothes and skin, on a small window around the head.

photo ─crop─▶ window 160² ─person mask─▶ person ─┬─ colours like the crown's: hair
                        landmarks ─▶ face, neck ─┼─ colours like the face's: skin
                                                 └─ below the chin, like the chest's: clothes

Each class is a small mixture of Gaussians in log colour, seeded where the class is nearly certain
and refined a few times, with a prior of place (as in GrabCut, Rother et al. 2004, without the cut).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import binary_erosion, binary_opening, gaussian_filter
from skimage import measure
from skimage.draw import polygon2mask
from skimage.transform import AffineTransform, warp

from portraiture.engine.landmarks import CONTOUR, INNER_LIPS, LEFT_EYE, RIGHT_EYE
from portraiture.photo.person import person_mask

WINDOW_PX = 160
WINDOW_HALF_IOD = 4.2
"""Half the window's side in inter-ocular distances."""
EYE_LEVEL = 0.42
"""Where the eyes are in the window, from the top."""
ROUNDS = 4
SMOOTH_SLOPE = 0.047
"""Median slope of log luminance a pixel under which a surface has no hairs."""
SKIN, HAIR, CLOTH = 0, 1, 2


@dataclass(frozen=True)
class Regions:
    """The window is upright: eyes level at ``EYE_LEVEL`` of its height, in its middle.

    image: (160, 160, 3) in [0, 1] sRGB. person, hair, cloth, skin: (160, 160) masks. landmarks:
    (478, 2) window pixels. iod: inter-ocular distance in window pixels.
    """

    image: Float32[ndarray, "n n 3"]
    person: Bool[ndarray, "n n"]
    hair: Bool[ndarray, "n n"]
    cloth: Bool[ndarray, "n n"]
    skin: Bool[ndarray, "n n"]
    landmarks: Float[ndarray, "478 2"]
    iod: float

    def head_coordinates(self) -> tuple[Float[ndarray, "n n"], Float[ndarray, "n n"]]:
        """x to the image's right and y up from between the eyes, in inter-ocular distances."""
        at = np.arange(WINDOW_PX) + 0.5
        x, y = np.meshgrid(at - 0.5 * WINDOW_PX, EYE_LEVEL * WINDOW_PX - at)
        return x / self.iod, y / self.iod


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


def photo_regions(image: UInt8[ndarray, "h w 3"], landmarks: Float[ndarray, "478 2"]) -> Regions:
    """Cut the window and sort its pixels. About 50 ms."""
    to_photo = window_transform(landmarks)
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    matrix = shift @ to_photo @ np.linalg.inv(shift)
    scale = float(np.hypot(*to_photo[:2, 0]))
    source = image.astype(np.float32) / np.float32(255.0)
    if scale > 1.0:
        source = gaussian_filter(source, (0.4 * scale, 0.4 * scale, 0))
    window = warp(source, AffineTransform(matrix), output_shape=(WINDOW_PX, WINDOW_PX), mode="edge")
    valid = warp(
        np.ones(image.shape[:2], np.float32),
        AffineTransform(matrix),
        output_shape=(WINDOW_PX, WINDOW_PX),
    )
    homogeneous = np.column_stack([landmarks, np.ones(len(landmarks))])
    points = (np.linalg.inv(to_photo) @ homogeneous.T).T[:, :2]
    person = person_mask((window * 255.0 + 0.5).astype(np.uint8)) > 0.5
    person &= valid > 0.5
    iod = 0.5 * WINDOW_PX / WINDOW_HALF_IOD
    classes = _classify(window, person, points, iod)
    return Regions(
        image=window.astype(np.float32),
        person=person,
        hair=classes == HAIR,
        cloth=classes == CLOTH,
        skin=classes == SKIN,
        landmarks=points,
        iod=iod,
    )


def _classify(image: ndarray, person: ndarray, points: ndarray, iod: float) -> ndarray:
    """(n, n) class of each pixel of the person, -1 elsewhere."""
    size = person.shape
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    oval = polygon2mask(size, points[[*CONTOUR]][:, ::-1])
    openings = np.zeros(size, bool)
    for loop in (LEFT_EYE, RIGHT_EYE, INNER_LIPS):
        openings |= polygon2mask(size, points[[*loop]][:, ::-1])
    middle, chin, top = points[168], points[152], points[10]
    left, right = points[:, 0].min(), points[:, 0].max()
    features = _features(image)
    brow = points[[105, 334], 1].min()
    seeds = {
        SKIN: oval & ~openings & (y > brow + 0.25 * iod) & (y < points[2, 1] + 0.1 * iod),
        HAIR: person
        & ~oval
        & (y < top[1] - 0.08 * iod)
        & (y > top[1] - 0.75 * iod)
        & (np.abs(x - middle[0]) < 1.0 * iod),
        CLOTH: person & (y > chin[1] + 0.9 * iod),
    }
    skin_like = _mahalanobis(features, [_gaussian(features[seeds[SKIN]])])
    seeds[HAIR] = seeds[HAIR] & (skin_like > 9.0)
    place = np.zeros((3, *size))
    under = (y - chin[1]) / iod
    outside = np.maximum(np.abs(x - middle[0]) / (0.5 * (right - left)) - 1.0, 0.0)
    above = (top[1] - y) / iod
    place[SKIN] = np.where(oval, -4.0, 0.0) + 8.0 * np.clip(under - 0.9, 0, 1) + 6.0 * outside
    place[SKIN] += np.where(above > -0.1, 1.5, 0.0)
    place[HAIR] = 2.5 * np.clip(under, 0.0, 3.0) + np.where(above > 0.0, -2.0, 0.0)
    inner = oval & (y > brow - 0.15 * iod) & (np.abs(x - middle[0]) < 0.42 * (right - left))
    place[HAIR] += np.where(inner, 20.0, 0.0)
    place[CLOTH] = 12.0 * np.clip(0.35 - under, 0.0, 1.0) - 2.0 * np.clip(under - 0.8, 0.0, 1.0)
    classes = np.full(size, -1)
    for kind, seed in seeds.items():
        classes[seed] = kind
    for _ in range(ROUNDS):
        cost = place.copy()
        for kind in (SKIN, HAIR, CLOTH):
            members = features[classes == kind]
            if len(members) < 12:
                cost[kind] += 1e3
                continue
            cost[kind] += _mahalanobis(features, _mixture(members, 1 if kind == SKIN else 2))
        smooth = np.stack([gaussian_filter(np.minimum(c, 60.0), 1.0) for c in cost])
        classes = np.where(person & ~openings, smooth.argmin(0), -1)
    return _not_scalp(_connected(classes, points, iod), image, features)


def _connected(classes: ndarray, points: ndarray, iod: float) -> ndarray:
    """Hair that hangs together from above the eyes; thin rims are the background's, and between
    the collar's ends there is a shirt."""
    y, x = np.mgrid[: classes.shape[0], : classes.shape[1]] + 0.5
    hair = np.asarray(binary_opening(classes == HAIR, iterations=2))
    chest = (y > points[152, 1] + 0.1 * iod) & (np.abs(x - points[152, 0]) < 0.55 * iod)
    hair &= ~chest
    pieces = np.asarray(measure.label(hair, connectivity=1))
    above = pieces * (y < points[168, 1])
    sizes = np.bincount(above.ravel(), minlength=int(pieces.max()) + 1)
    sizes[0] = 0
    kept = np.flatnonzero(sizes > 0.15 * max(int(sizes.max()), 1))
    hair = np.isin(pieces, kept) & hair
    return np.where((classes == HAIR) & ~hair, -1, classes)


def _not_scalp(classes: ndarray, image: ndarray, features: ndarray) -> ndarray:
    """A bald head's highlight looks like fair hair, but it is as smooth as skin and of its hue."""
    hair, skin = classes == HAIR, classes == SKIN
    inner = np.asarray(binary_erosion(hair, iterations=2), bool)
    if inner.sum() < 30 or skin.sum() < 30:
        return classes
    light = gaussian_filter(np.log(image.mean(2) + 0.03), 0.7)
    slope = np.hypot(*np.gradient(light))
    hue = np.abs(
        np.median(features[hair][:, 1:], axis=0) - np.median(features[skin][:, 1:], axis=0)
    )
    brighter = np.median(features[hair][:, 0]) - np.median(features[skin][:, 0])
    bald = np.median(slope[inner]) < SMOOTH_SLOPE and hue.max() < 0.32 and brighter > -0.35
    return np.where(hair, SKIN, classes) if bald else classes


def _features(image: ndarray) -> ndarray:
    """(n, n, 3): log luminance, and two log chroma differences with more weight."""
    log = np.log(np.clip(image, 0.02, 1.0))
    light = log.mean(-1)
    return np.stack(
        [light, 2.0 * (log[..., 0] - log[..., 1]), 2.0 * (log[..., 1] - log[..., 2])], -1
    )


def _gaussian(members: ndarray) -> tuple[ndarray, ndarray]:
    """Mean and covariance, not too narrow."""
    middle = np.median(members, axis=0)
    kept = members[
        ((members - middle) ** 2).sum(1) < 4.0 * np.median(((members - middle) ** 2).sum(1)) + 0.1
    ]
    return kept.mean(0), np.cov(kept.T) + np.diag([0.02, 0.008, 0.008])


def _mixture(members: ndarray, count: int) -> list[tuple[ndarray, ndarray]]:
    """One Gaussian, or two split at the median luminance (bright and shaded parts)."""
    if count == 1 or len(members) < 60:
        return [_gaussian(members)]
    bright = members[:, 0] > np.median(members[:, 0])
    return [_gaussian(members[bright]), _gaussian(members[~bright])]


def _mahalanobis(features: ndarray, gaussians: list[tuple[ndarray, ndarray]]) -> ndarray:
    """Least negative log likelihood (times two, without constants) over the mixture."""
    costs = []
    for mean, covariance in gaussians:
        gap = features - mean
        inverse = np.linalg.inv(covariance)
        costs.append(
            np.einsum("...i,ij,...j->...", gap, inverse, gap)
            + np.log(np.linalg.det(covariance))
            + 12.0
        )
    return np.min(costs, axis=0)
