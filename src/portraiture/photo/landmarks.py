"""Detect and refine mediapipe's 478 face landmarks on every face in an image.

The networks are mediapipe's, converted and run by `portraiture.photo`. The mesh's own detector
finds faces that fill between a sixth and two thirds of an image, so `find_faces` also searches
padded images, tiles and quarter turns. Each face is then cropped upright and detected again, which
gives most of the accuracy (Kartynnik et al. 2019, Grishchenko et al. 2020, "Attention Mesh").

    image ─▶ whole ─▶ tiles ─▶ padded ─▶ turned      until a face is found
                  └───────┴── candidates ─▶ upright crops ─▶ mean landmarks ─▶ duplicates out

Dimension letters: N faces, L landmarks (478).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.photo.detect import REACHES, detect_faces
from portraiture.photo.graph import load
from portraiture.photo.mesh import Landmarks, face_landmarks
from portraiture.pixels import block_means, resized

RIGHT_EYE_OUTER, LEFT_EYE_OUTER, CHIN, FOREHEAD = 33, 263, 152, 10
MOST_FACES = 10
SMALLEST_PX = 24
"""Minimum face size: smaller ones are useless, and at this size pins and patterns look like
faces."""
_CROP_SIZES = (1.8, 2.0, 2.25)
"""Sides of the refinement crops relative to the face's; their landmarks are averaged."""

_CROP_PX = 384
_LARGEST_PX = 1280
"""Longer side at which a whole image is searched (the networks see 128² and 192²)."""

_JUDGED_SIZES = (1.6, 2.2, 3.0)
"""Sides of the crops, relative to the face's, in which detectors tell which side is up. One alone
may miss an upright face; the mean of all is higher the right way up by 0.14 at least on 88
portraits."""
_CLEARLY = 0.05
"""Least difference of those means for a half turn, for faces that hardly any crop shows to them."""

_COARSE = 4
"""Photo pixels per crop pixel. From twice this ratio on, the photo is first averaged in blocks."""


def detect(image: UInt8[ndarray, "h w 3"]) -> list[Landmarks]:
    """One pass of the face mesh over the whole image, largest face first; [] if none.

    Each face is (478, 3) float32: x and y in pixels (pixel centres at +0.5), z the depth relative
    to the head's centre in the same unit, smaller is nearer. About 20 ms; nothing is refused. For
    arbitrary photos use `find_faces`.
    """
    return sorted(face_landmarks(image, MOST_FACES), key=face_size, reverse=True)


def face_size(landmarks: Float[ndarray, "L _"]) -> float:
    """Longer side of the landmarks' bounding box, pixels."""
    return float(np.ptp(landmarks[:, :2], axis=0).max())


def find_faces(image: UInt8[ndarray, "h w 3"]) -> list[Landmarks]:
    """Find every face in a photo, largest first, in `detect`'s convention and refined; [] if none.

    Searches the whole image and, from 800 pixels on, half-size tiles; if it finds nothing, ever
    smaller tiles, the image with a margin (close-ups), and quarter turns of it. At most
    `MOST_FACES` are returned.
    """
    for views in _search(image):
        faces: list[Landmarks] = []
        for view in views:
            for candidate in _candidates(*view):  # a face may appear in several views
                if any(_same(candidate, face) for face in faces):
                    continue
                refined = refine(image, _righted(image, candidate))
                if refined is None or any(_same(refined, face) for face in faces):
                    continue
                if face_size(refined) >= SMALLEST_PX:
                    faces.append(refined)
        if faces:
            return sorted(faces, key=face_size, reverse=True)[:MOST_FACES]
    return []


View = tuple[UInt8[ndarray, "h w 3"], Float[ndarray, "3 3"]]
"""An image and its homogeneous transform to pixels of the photo."""


def _search(image: UInt8[ndarray, "h w 3"]) -> Iterator[list[View]]:
    """Views of the photo in groups, the most likely first."""
    whole = (image, np.eye(3))
    yield [_shrunk(whole), *(_tiles(image, 2) if max(image.shape[:2]) >= 800 else ())]
    yield [_shrunk(_padded(_shrunk(whole)))]
    parts = 4
    while max(image.shape[:2]) / parts >= 360:
        yield list(_tiles(image, parts))
        parts *= 2
    yield [_turned(_shrunk(whole), quarters) for quarters in (1, 3, 2)]


def _shrunk(view: View) -> View:
    image, to_photo = view
    factor = max(image.shape[:2]) / _LARGEST_PX
    if factor <= 1:
        return view
    height, width = (max(1, round(side / factor)) for side in image.shape[:2])
    small = resized(image, (width, height), Image.Resampling.BOX, gap=2.0)
    scale = np.diag([image.shape[1] / width, image.shape[0] / height, 1.0])
    return small, to_photo @ scale


def _tiles(image: UInt8[ndarray, "h w 3"], parts: int) -> Iterator[View]:
    """Overlapping square tiles, each 1/parts of the longer side, with a stride of half a tile."""
    height, width = image.shape[:2]
    side = -(-max(height, width) // parts)
    for top in range(0, max(height - side // 2, 1), max(side // 2, 1)):
        for left in range(0, max(width - side // 2, 1), max(side // 2, 1)):
            tile = image[top : top + side, left : left + side]
            move = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
            yield _shrunk((tile, move))


def _padded(view: View) -> View:
    """The image with a grey margin of half its longer side."""
    image, to_photo = view
    margin = max(image.shape[:2]) // 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), constant_values=128)
    return padded, to_photo @ np.array([[1.0, 0, -margin], [0, 1, -margin], [0, 0, 1]])


def _turned(view: View, quarters: int) -> View:
    """The image rotated counter-clockwise by quarter turns."""
    image, to_photo = view
    height, width = image.shape[:2]
    back = {
        1: [[0, -1, width], [1, 0, 0], [0, 0, 1]],
        2: [[-1, 0, width], [0, -1, height], [0, 0, 1]],
        3: [[0, 1, 0], [-1, 0, height], [0, 0, 1]],
    }[quarters]
    return np.ascontiguousarray(np.rot90(image, quarters)), to_photo @ np.array(back, np.float64)


def _candidates(image: UInt8[ndarray, "h w 3"], to_photo: Float[ndarray, "3 3"]) -> list[Landmarks]:
    """Faces of one view in the photo's pixels: from the mesh, and additional ones from the
    full-range detector."""
    faces = detect(image)
    for found in detect_faces(image, reach="full"):
        corners = found.box.reshape(2, 2)
        centre, side = corners.mean(0), float(np.ptp(corners, axis=0).max())
        inside = [np.linalg.norm(face[:, :2].mean(0) - centre) < 0.5 * side for face in faces]
        if not any(inside) and side >= 16:
            faces += _in_crop(image, centre, 2.2 * side, 0.0)
    return [transform(face, to_photo) for face in faces]


def _righted(image: UInt8[ndarray, "h w 3"], face: Landmarks) -> Landmarks:
    """`face`, or the face found after a half turn if the detectors score that clearly higher: the
    mesh also fits an upright face to an upside-down one."""
    if _upright_score(image, face, np.pi) <= _upright_score(image, face, 0.0) + _CLEARLY:
        return face
    centre = (face[:, :2].min(0) + face[:, :2].max(0)) / 2
    turned = _in_crop(image, centre, 2.2 * upright_size(face), _roll(face) + np.pi)
    return turned[0] if turned else face


def _upright_score(image: UInt8[ndarray, "h w 3"], face: Landmarks, turn: float) -> float:
    """Mean score, in [0, 1], of both detectors in crops of several sizes in which the face is
    upright but for `turn`, radians."""
    centre = (face[:, :2].min(0) + face[:, :2].max(0)) / 2
    size, angle, middle = upright_size(face), turn - _roll(face), np.full(2, _CROP_PX / 2)
    scores = []
    for side in _JUDGED_SIZES:
        to_crop = similarity(_CROP_PX / (side * size), angle, centre, middle)
        crop = warp(image, to_crop, _CROP_PX)
        for reach in REACHES:
            scores.append(max((one.score for one in detect_faces(crop, reach=reach)), default=0.0))
    return float(np.mean(scores))


def refine(image: UInt8[ndarray, "h w 3"], face: Landmarks) -> Landmarks | None:
    """Detect `face` again in upright crops of several sizes and average; None if it is lost there,
    which means a false detection."""
    for _ in range(2):
        found = []
        for size in _CROP_SIZES:
            box = (face[:, :2].min(0) + face[:, :2].max(0)) / 2
            again = _in_crop(image, box, size * upright_size(face), _roll(face))
            found += [one for one in again[:1] if _same(one, face)]
        if len(found) < 2:
            return None
        face = np.mean(found, axis=0, dtype=np.float64).astype(np.float32)
    return face


def _in_crop(
    image: UInt8[ndarray, "h w 3"], centre: Float[ndarray, "2"], side: float, roll: float
) -> list[Landmarks]:
    """Faces in a square crop rotated by `roll`, nearest to its centre first."""
    scale = _CROP_PX / side
    to_crop = similarity(scale, -roll, centre, np.full(2, _CROP_PX / 2))
    faces = detect(warp(image, to_crop, _CROP_PX))
    faces.sort(key=lambda face: float(np.linalg.norm(face[:, :2].mean(0) - _CROP_PX / 2)))
    return [transform(face, np.linalg.inv(to_crop)) for face in faces]


def upright_size(face: Float[ndarray, "L _"]) -> float:
    """Longer side of the landmarks' box after the head's roll is removed, pixels."""
    c, s = np.cos(_roll(face)), np.sin(_roll(face))
    return face_size(face[:, :2] @ np.array([[c, -s], [s, c]]))


def _roll(face: Float[ndarray, "L _"]) -> float:
    """Angle of the face in the image, radians, clockwise positive, from its eyes and midline."""
    along = face[LEFT_EYE_OUTER, :2] - face[RIGHT_EYE_OUTER, :2]
    down = face[CHIN, :2] - face[FOREHEAD, :2]
    mean = along / max(np.linalg.norm(along), 1e-6)
    mean = mean + np.array([down[1], -down[0]]) / max(np.linalg.norm(down), 1e-6)
    return float(np.arctan2(mean[1], mean[0]))


def _same(a: Float[ndarray, "L _"], b: Float[ndarray, "L _"]) -> bool:
    """Whether two sets of landmarks are of one face: centres within a third of the smaller face,
    sizes within a factor of 2."""
    apart = np.linalg.norm(a[:, :2].mean(0) - b[:, :2].mean(0))
    sizes = face_size(a), face_size(b)
    return bool(apart < min(sizes) / 3 and max(sizes) < 2 * min(sizes))


def similarity(
    scale: float, angle: float, source: Float[ndarray, "2"], target: Float[ndarray, "2"]
) -> Float[ndarray, "3 3"]:
    """The homogeneous transform that scales, rotates (radians, clockwise on screen) and maps
    `source` to `target`."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.asarray(target) - linear @ np.asarray(source)
    return matrix


def transform(face: Landmarks, matrix: Float[ndarray, "3 3"]) -> Landmarks:
    """Apply a similarity of the image plane to landmarks; depth is scaled with it."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    plane = face[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
    return np.concatenate([plane, face[:, 2:] * scale], axis=1).astype(np.float32)


def warp(
    image: UInt8[ndarray, "h w 3"], to_crop: Float[ndarray, "3 3"], size: int
) -> UInt8[ndarray, "s s 3"]:
    """Resample an image through a similarity to a square crop of `size` pixels, low-pass filtered
    when it shrinks, reflected at the image's edge. Pixel centres are at +0.5 in both."""
    inverse = np.linalg.inv(to_crop)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1.0]]) @ inverse.T
    factor = np.sqrt(abs(np.linalg.det(inverse[:2, :2])))
    if factor >= 2 * _COARSE:
        return warp(*_coarser(image, to_crop, corners[:, :2], int(factor // _COARSE)), size)
    margin = int(np.ceil(2 * factor)) + 3
    low = np.floor(corners[:, :2].min(0)).astype(int) - margin
    high = np.ceil(corners[:, :2].max(0)).astype(int) + margin
    region = _reflected(image, low, high)
    inverse = similarity(1.0, 0.0, low.astype(np.float64), np.zeros(2)) @ inverse
    picture = Image.fromarray(region)
    if factor > 1:
        width, height = (max(1, round(side / factor)) for side in picture.size)
        shrink = np.diag([width / picture.width, height / picture.height, 1.0])
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        inverse = shrink @ inverse
    coefficients = tuple(inverse[:2].reshape(6))
    crop = picture.transform(
        (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.asarray(crop)


def _coarser(
    image: UInt8[ndarray, "h w 3"], to_crop: Float[ndarray, "3 3"], corners: ndarray, step: int
) -> View:
    """The part of the photo around `corners`, averaged over blocks of `step` pixels, and its
    transform to the crop, so that crops of large faces need no more memory than small ones."""
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(corners.min(0)).astype(int) - 4 * step, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 4 * step, low + 1, limit)
    part = image[low[1] : high[1], low[0] : high[0]]
    back = np.array([[step, 0, low[0]], [0, step, low[1]], [0, 0, 1.0]])
    return block_means(part, step), to_crop @ back


def _reflected(
    image: UInt8[ndarray, "h w 3"], low: ndarray, high: ndarray
) -> UInt8[ndarray, "h w 3"]:
    """``image[low[1]:high[1], low[0]:high[0]]``, mirrored outside the image."""
    rows, columns = (
        _mirror(np.arange(low[axis], high[axis]), image.shape[1 - axis]) for axis in (1, 0)
    )
    return image[rows[:, None], columns[None, :]]


def _mirror(index: ndarray, length: int) -> ndarray:
    """Reflect any index into [0, length), repeating the border."""
    index = np.mod(index, 2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


def close() -> None:
    """Free the networks. The next call loads them again."""
    load.cache_clear()
