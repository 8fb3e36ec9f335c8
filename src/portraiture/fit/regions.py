"""Segment hair, clothes and skin in a window around the head.

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
from scipy.ndimage import (
    binary_erosion,
    binary_opening,
    binary_propagation,
    gaussian_filter,
)
from skimage import measure
from skimage.draw import polygon2mask
from skimage.transform import AffineTransform, warp

from portraiture.engine.landmarks import CONTOUR, INNER_LIPS, LEFT_EYE, RIGHT_EYE
from portraiture.photo.person import person_mask
from portraiture.photo.quality import CROWN_HALF_WIDTH, CROWN_HEIGHT, CROWN_SEEN
from portraiture.pixels import block_means

WINDOW_PX = 160
SEEN_ENOUGH = 0.5
"""Share of the window within the photo under which the person is looked for in that part alone."""
WHITE_GROUND = 0.985
"""Darkest channel, in [0, 1], of a cut-out's white ground."""
WINDOW_HALF_IOD = 4.2
"""Half the window's side in inter-ocular distances."""
COARSE = 4.0
"""Photo pixels a window's pixel, over twice of which the photo is averaged in blocks first."""
EYE_LEVEL = 0.42
"""Where the eyes are in the window, from the top."""
ROUNDS = 4
FEWEST = 12
"""Pixels that a colour model needs."""
SMOOTH_SLOPE = 0.047
"""Median slope of log luminance a pixel under which a surface has no hairs."""
SKIN, HAIR, CLOTH = 0, 1, 2


@dataclass(frozen=True)
class Regions:
    """The window is upright: eyes level at ``EYE_LEVEL`` of its height, in its middle.

    image: (160, 160, 3) in [0, 1] sRGB. person, hair, cloth, skin: (160, 160) masks. seen: what of
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


def photo_regions(image: UInt8[ndarray, "h w 3"], landmarks: Float[ndarray, "478 2"]) -> Regions:
    """Cut the window and classify its pixels. About 50 ms."""
    to_photo = window_transform(landmarks)
    window, seen = _window(image, to_photo)
    homogeneous = np.column_stack([landmarks, np.ones(len(landmarks))])
    points = (np.linalg.inv(to_photo) @ homogeneous.T).T[:, :2]
    oval = polygon2mask(seen.shape, points[[*CONTOUR]][:, ::-1])
    person = (_person(window, seen) & ~_white_ground(window, points[152, 1]) | oval) & seen
    iod = 0.5 * WINDOW_PX / WINDOW_HALF_IOD
    classes = _classify(window, person, seen, points, iod)
    return Regions(
        image=window.astype(np.float32),
        person=person,
        hair=classes == HAIR,
        cloth=classes == CLOTH,
        skin=classes == SKIN,
        seen=seen,
        covered=np.zeros_like(seen),
        landmarks=points,
        iod=iod,
    )


def _window(
    image: UInt8[ndarray, "h w 3"], to_photo: Float[ndarray, "3 3"]
) -> tuple[Float[ndarray, "n n 3"], Bool[ndarray, "n n"]]:
    """The window in [0, 1], and what of it lies within the photo."""
    scale = float(np.hypot(*to_photo[:2, 0]))
    step = int(scale // COARSE) if scale >= 2 * COARSE else 1
    square = WINDOW_PX * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    corners = square @ to_photo[:2, :2].T + to_photo[:2, 2]
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(corners.min(0) - 4 * scale).astype(int), 0, limit - 1)
    high = np.clip(np.ceil(corners.max(0) + 4 * scale).astype(int), low + 1, limit)
    part = image[low[1] : high[1], low[0] : high[0]]
    if step > 1:
        part = block_means(part, step)
    back = np.array([[step, 0, low[0]], [0, step, low[1]], [0, 0, 1.0]])
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    matrix = AffineTransform(shift @ np.linalg.inv(back) @ to_photo @ np.linalg.inv(shift))
    source = part.astype(np.float32) / np.float32(255.0)
    if scale > 1.0:
        source = gaussian_filter(source, (0.4 * scale / step, 0.4 * scale / step, 0))
    size = (WINDOW_PX, WINDOW_PX)
    window = warp(source, matrix, output_shape=size, mode="edge")
    seen = warp(np.ones(part.shape[:2], np.float32), matrix, output_shape=size)
    return window, seen > 0.5


def _person(window: Float[ndarray, "n n 3"], seen: Bool[ndarray, "n n"]) -> Bool[ndarray, "n n"]:
    """Where the person is. What lies outside the photo misleads the network, so that a small part
    of the window is looked at alone."""
    pixels = (window * 255.0 + 0.5).astype(np.uint8)
    if seen.mean() >= SEEN_ENOUGH or not seen.any():
        return person_mask(pixels) > 0.5
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    person = np.zeros(seen.shape, bool)
    person[part] = person_mask(np.ascontiguousarray(pixels[part])) > 0.5
    return person


def _white_ground(window: Float[ndarray, "n n 3"], chin: float) -> Bool[ndarray, "n n"]:
    """White that hangs together with the window's border above the chin's row: the ground of a
    cut-out, on which the network sees shoulders."""
    white = window.min(-1) > WHITE_GROUND
    border = np.zeros(white.shape, bool)
    border[0], border[: max(int(chin), 1), [0, -1]] = True, True
    return np.asarray(binary_propagation(border & white, mask=white), bool)


def _classify(
    image: ndarray, person: ndarray, seen: ndarray, points: ndarray, iod: float
) -> ndarray:
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
    if crown_unseen(seen, iod):
        beside = (y < points[2, 1]) & (np.abs(x - middle[0]) < 1.6 * iod)
        seeds[HAIR] |= person & ~oval & beside
    if seeds[SKIN].sum() < FEWEST:
        return np.where(person & oval & ~openings, SKIN, -1)
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
            if len(members) < FEWEST:
                cost[kind] += 1e3
                continue
            cost[kind] += _mahalanobis(features, _mixture(members, 1 if kind == SKIN else 2))
        smooth = np.stack([gaussian_filter(np.minimum(c, 60.0), 1.0) for c in cost])
        classes = np.where(person & ~openings, smooth.argmin(0), -1)
    return _not_scalp(_connected(classes, seen, points, iod), image, features)


def _connected(classes: ndarray, seen: ndarray, points: ndarray, iod: float) -> ndarray:
    """Hair that hangs together from above the eyes; thin rims are the background's, and between
    the collar's ends there is a shirt."""
    y, x = np.mgrid[: classes.shape[0], : classes.shape[1]] + 0.5
    hair = np.asarray(binary_opening((classes == HAIR) | ~seen, iterations=2))
    hair &= classes == HAIR
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
    order = np.argsort(members[:, 0], kind="stable")
    half = len(members) // 2
    return [_gaussian(members[order[half:]]), _gaussian(members[order[:half]])]


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
