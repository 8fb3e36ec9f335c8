"""The landmark table: shape, symmetry, place, and agreement with hand-known anatomy."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.landmarks import (
    CONTOUR,
    INNER_LIPS,
    IRISES,
    LANDMARKS_PATH,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_EYE,
    landmark_positions,
    load_landmarks,
    outermost,
    weighted_points,
)
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def shape(model: HeadModel) -> HeadShape:
    return shape_head(AvatarParameters(), model)


@pytest.fixture(scope="module")
def points(shape: HeadShape) -> np.ndarray:
    return landmark_positions(shape.vertices, shape.model)


def test_table_is_small_and_sums_to_one(model: HeadModel) -> None:
    table = load_landmarks(model)
    assert LANDMARKS_PATH.stat().st_size < 30_000
    assert table.rows.shape == table.weights.shape == (478, 3)
    assert table.strip_rows.shape[:1] == (len(CONTOUR),)
    np.testing.assert_allclose(table.weights.sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(table.strip_weights.sum(2), 1.0, atol=1e-3)


def test_positions_are_the_weighted_vertices(model: HeadModel, shape: HeadShape) -> None:
    table = load_landmarks(model)
    k = 33
    expected = sum(
        w * shape.vertices[r] for r, w in zip(table.rows[k], table.weights[k], strict=True)
    )
    got = landmark_positions(shape.vertices, model)[k]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_anatomy(points: np.ndarray) -> None:
    """Left is +x, eyes above nose above mouth above chin, 5 to 7.5 cm between the eyes."""
    left, right = points[[*LEFT_EYE]].mean(0), points[[*RIGHT_EYE]].mean(0)
    assert left[0] > 0.02 > -0.02 > right[0]
    assert 0.05 < np.linalg.norm(left - right) < 0.075
    nose, mouth, chin = points[1], points[[*OUTER_LIPS]].mean(0), points[152]
    assert left[1] > nose[1] > mouth[1] > chin[1]
    assert nose[2] > points[[*LEFT_EYE, *RIGHT_EYE]].max(0)[2]


@pytest.mark.parametrize(("left", "right"), [(263, 33), (362, 133), (291, 61), (454, 234)])
def test_mirror_symmetric(points: np.ndarray, left: int, right: int) -> None:
    np.testing.assert_allclose(points[left] * [-1, 1, 1], points[right], atol=2e-3)


def test_skin_landmarks_lie_on_the_skin(model: HeadModel) -> None:
    skin = set(model.arrays["skin_vertex"].tolist())
    assert set(load_landmarks(model).rows[:468].ravel().tolist()) <= skin


def test_iris_follows_the_gaze(shape: HeadShape) -> None:
    rest = landmark_positions(shape.vertices, shape.model)
    looked = shape.vertices + shape.action_deltas("eyeLookOutLeft")
    moved = landmark_positions(looked, shape.model)
    left_iris = [*IRISES[5:]]
    assert (moved[left_iris, 0] - rest[left_iris, 0]).min() > 2e-3
    np.testing.assert_allclose(moved[[*IRISES[:5]]], rest[[*IRISES[:5]]], atol=1e-6)


def test_jaw_opens_the_inner_lips(shape: HeadShape) -> None:
    rest = landmark_positions(shape.vertices, shape.model)
    opened = shape.vertices + shape.action_deltas("jawOpen")
    gap = landmark_positions(opened, shape.model)[[13, 14], 1]
    assert gap[0] - gap[1] > 0.015
    closed = rest[[*INNER_LIPS]]
    assert np.ptp(closed[:, 1]) < 0.012


def test_strips_run_from_front_to_side(model: HeadModel, shape: HeadShape) -> None:
    table = load_landmarks(model)
    strips = weighted_points(shape.vertices, table.strip_rows, table.strip_weights)
    cheek = strips[CONTOUR.index(454)]
    angle = np.arctan2(np.abs(cheek[:, 0]), cheek[:, 2] - 0.05)
    assert (np.diff(angle) > -0.03).all() and angle[-1] - angle[0] > 0.5
    assert np.ptp(cheek[:, 1]) < 0.01


def test_outermost_is_the_farthest_along_outward() -> None:
    rng = np.random.default_rng(0)
    strips = rng.standard_normal((5, 7, 2))
    centre = np.array([0.3, -0.2])
    outward = rng.standard_normal((5, 2))
    best = outermost(strips, centre, outward)
    for c in range(5):
        heights = [float((strips[c, k] - centre) @ outward[c]) for k in range(7)]
        assert best[c] == int(np.argmax(heights))


def test_unknown_numbering_is_refused(model: HeadModel) -> None:
    from dataclasses import replace

    arrays = dict(model.arrays) | {"hm08_index": model.arrays["hm08_index"] + 1}
    with pytest.raises(ValueError, match="lacks"):
        load_landmarks(replace(model, arrays=arrays))
