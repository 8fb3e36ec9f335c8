"""Crops sample where the rectangle says; detections that overlap become one."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.photo.crop import Rectangle, crop, whole
from portraiture.photo.detect import anchors, blended


def test_a_crop_of_the_image_at_its_own_size_is_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert np.array_equal(crop(image, whole(image), 12, outside="zero").numpy(), image)


def test_a_turned_crop_of_a_ramp() -> None:
    """Pixel (j, i) shows the place (j/side, i/side) of the rectangle, to 1/32 pixel."""
    grid = np.stack(np.meshgrid(np.arange(64), np.arange(64)), -1)
    image = np.concatenate([grid * 4, np.zeros((64, 64, 1))], -1).astype(np.uint8)
    rectangle = Rectangle(np.array([30.0, 33.0]), np.array([20.0, 10.0]), 0.5)
    out = crop(image, rectangle, 8, outside="zero").numpy() / 4
    for i, j in np.ndindex(8, 8):
        x, y = (j / 8 - 0.5) * 20, (i / 8 - 0.5) * 10
        at = 30 + np.cos(0.5) * x - np.sin(0.5) * y, 33 + np.sin(0.5) * x + np.cos(0.5) * y
        assert np.abs(out[i, j, :2] - at).max() <= 1 / 64 + 1 / 8 + 1e-9


@pytest.mark.parametrize("outside", ["zero", "edge"])
def test_what_lies_outside(outside) -> None:
    image = np.full((4, 4, 3), 200, np.uint8)
    image[:, 3] = 80
    out = crop(image, Rectangle(np.array([4.0, 2.0]), np.full(2, 8.0)), 8, outside=outside).numpy()
    assert (out[2, :4, 0] == [200, 200, 200, 80]).all()
    assert (out[2, 4:] == (0 if outside == "zero" else 80)).all()
    assert (out[0] == (0 if outside == "zero" else [[200] * 3] * 3 + [[80] * 3] * 5)).all()


def test_overlapping_detections_become_their_weighted_mean() -> None:
    def place(left: float, size: float) -> np.ndarray:
        corners = [[left, 0.0], [left + size, size]]
        return np.array(corners + [[left, left]] * 6)

    places = np.stack([place(10, 10), place(0, 10), place(2, 10)])
    found = blended(np.array([0.6, 0.9, 0.3]), places)
    assert [score for score, _ in found] == [0.9, 0.6]
    assert np.allclose(found[0][1], (0.9 * places[1] + 0.3 * places[2]) / 1.2)  # 8/12 in common
    assert np.allclose(found[1][1], places[0])  # 2 of 18 in common with the third


def test_boxes_without_area_stay_alone() -> None:
    places = np.zeros((2, 8, 2))
    assert len(blended(np.array([0.9, 0.8]), places)) == 2


def test_anchors() -> None:
    short, full = anchors("short"), anchors("full")
    assert (short.shape, full.shape) == ((896, 2), (2304, 2))
    assert np.allclose(
        short[[0, 1, 2, 511, 512, 895]] * 16,
        [
            [0.5, 0.5],
            [0.5, 0.5],
            [1.5, 0.5],
            [15.5, 15.5],
            [1, 1],
            [15, 15],
        ],
    )
    assert np.allclose(full[[1, 48]] * 48, [[1.5, 0.5], [0.5, 1.5]])
