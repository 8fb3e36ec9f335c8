"""Pseudo-labels of the demo photo, at places that are known from its landmarks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy import ndarray
from skimage.measure import points_in_poly

from portraiture.data.label_portraits import SIDE, Labelled, label_portrait
from portraiture.data.labelled_photos import UNKNOWN
from portraiture.engine.landmarks import LEFT_BROW, OUTER_LIPS, RIGHT_BROW
from portraiture.fit.regions import WINDOW_PX, window_transform
from portraiture.media import read_image
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo
from portraiture.photo.landmarks import find_faces
from portraiture.types import Segment

RIGHT_IRIS, LEFT_IRIS = 468, 473
"""The person's right is at the image's left."""
CHIN, NOSE_TIP, CHEEK, FOREHEAD, UNDER_LIP = 152, 4, 50, 10, 200


@cache
def _photo() -> tuple[ndarray, ndarray]:
    image = read_image(demo_photo())
    return image, find_faces(image)[0]


def _to_window() -> ndarray:
    scale = np.diag([SIDE / WINDOW_PX, SIDE / WINDOW_PX, 1.0])
    return scale @ np.linalg.inv(window_transform(_photo()[1][:, :2].astype(float)))


def _marks() -> ndarray:
    """The landmarks in the window, pixels."""
    points = np.column_stack([_photo()[1][:, :2], np.ones(478)])
    return (_to_window() @ points.T).T[:, :2]


def _hair() -> ndarray:
    """A cap over the photo's head: the upper half of a disc around the top of the face."""
    image, points = _photo()
    (x, top), bottom = points[FOREHEAD, :2], points[CHIN, 1]
    radius = 0.4 * (bottom - top)
    v, u = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    cap = ((u - x) ** 2 + (v - top) ** 2 < radius**2) & (v < top - 0.1 * radius)
    return cap.astype(np.float32)


@cache
def _labelled(bald: bool = False, bearded: bool = False, glasses: bool = False) -> Labelled:
    image, points = _photo()
    return label_portrait(image, points, _hair(), bald=bald, bearded=bearded, glasses=glasses)


def _at(labels: ndarray, point: ndarray) -> int:
    return int(labels[int(point[1]), int(point[0])])


def test_parts_lie_at_their_landmarks() -> None:
    found, marks = _labelled(), _marks()
    assert found.image.shape == (SIDE, SIDE, 3)
    assert marks[RIGHT_IRIS, 0] < marks[LEFT_IRIS, 0]
    expected = {
        RIGHT_IRIS: Segment.LEFT_EYE, LEFT_IRIS: Segment.RIGHT_EYE, NOSE_TIP: Segment.NOSE,
        CHEEK: Segment.SKIN, UNDER_LIP: Segment.SKIN,
    }  # fmt: skip
    for landmark, segment in expected.items():
        assert _at(found.labels, marks[landmark]) == segment
    for loop, segment in ((RIGHT_BROW, Segment.LEFT_BROW), (LEFT_BROW, Segment.RIGHT_BROW)):
        assert _at(found.labels, marks[[*loop]].mean(0)) == segment
    upper, lower = marks[[0, 13]].mean(0), marks[[14, 17]].mean(0)
    assert _at(found.labels, upper) == Segment.UPPER_LIP
    assert _at(found.labels, lower) == Segment.LOWER_LIP
    iod = float(np.linalg.norm(marks[LEFT_IRIS] - marks[RIGHT_IRIS]))
    assert _at(found.labels, marks[CHIN] + [0.0, 3.0 * iod]) == Segment.CLOTH
    assert _at(found.labels, marks[FOREHEAD] - [0.0, 0.2 * iod]) == Segment.HAIR


def test_only_the_photo_is_known() -> None:
    found = _labelled()
    image, _ = _photo()
    back = np.linalg.inv(_to_window())
    x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    u, v = (back[i, 0] * x + back[i, 1] * y + back[i, 2] for i in (0, 1))
    outside = (u < 0) | (v < 0) | (u > image.shape[1]) | (v > image.shape[0])
    assert outside.mean() > 0.05
    assert (found.labels[outside] == UNKNOWN).all()
    rows, columns = np.nonzero(~outside)
    corner = np.argmin(rows + columns)
    at = np.array([columns[corner], rows[corner]]) + 3
    assert _at(found.labels, at) == Segment.BACKGROUND


def test_the_frame_is_the_aligned_crop() -> None:
    photo = align(demo_photo())
    to_window = _to_window() @ np.linalg.inv(photo.crop_from_image)
    side = len(photo.crop)
    corners = (to_window @ np.array([[0, 0, 1], [side, 0, 1], [0.5 * side, 0.5 * side, 1]]).T).T
    x, y, size = _labelled().frame * SIDE
    assert np.allclose([x, y], corners[2, :2], atol=2.0)
    assert size == pytest.approx(float(np.linalg.norm(corners[1] - corners[0])), rel=0.01)


def test_lips_have_no_skin_in_them() -> None:
    labels, marks = _labelled().labels, _marks()
    rows, columns = np.nonzero(labels == Segment.SKIN)
    points = np.column_stack([columns, rows]) + 0.5
    assert not points_in_poly(points, marks[[*OUTER_LIPS]]).any()


def test_nothing_is_known_behind_glasses() -> None:
    plain, found, marks = _labelled().labels, _labelled(glasses=True).labels, _marks()
    for landmark in (RIGHT_IRIS, LEFT_IRIS):
        assert _at(found, marks[landmark]) == UNKNOWN
    for loop in (RIGHT_BROW, LEFT_BROW):
        assert _at(found, marks[[*loop]].mean(0)) == UNKNOWN
    eyes = {Segment.LEFT_EYE, Segment.RIGHT_EYE, Segment.LEFT_BROW, Segment.RIGHT_BROW}
    assert not eyes & set(np.unique(found).tolist())
    assert ((found == plain) | (found == UNKNOWN)).all()
    assert _at(found, marks[UNDER_LIP]) == Segment.SKIN


def test_beards_and_bald_heads_are_believed_against_the_masks() -> None:
    marks = _marks()
    bearded, bald = _labelled(bearded=True).labels, _labelled(bald=True).labels
    assert _at(bearded, marks[UNDER_LIP]) == UNKNOWN
    assert _at(bearded, marks[RIGHT_IRIS]) == Segment.LEFT_EYE
    assert _at(bearded, marks[[14, 17]].mean(0)) == Segment.LOWER_LIP
    assert not (bald == Segment.HAIR).any()
    iod = float(np.linalg.norm(marks[LEFT_IRIS] - marks[RIGHT_IRIS]))
    assert _at(bald, marks[FOREHEAD] - [0.0, 0.2 * iod]) == Segment.SKIN
