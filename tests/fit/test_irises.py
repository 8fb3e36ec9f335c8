"""Irises: the search inverts the engine's colours, and rendered eyes are found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from thinned import thinned

from portraiture.engine.build import build_bust
from portraiture.engine.face.iris import iris_colors
from portraiture.engine.landmarks import LEFT_EYE, RIGHT_EYE
from portraiture.engine.parameters import AvatarParameters
from portraiture.fit.colours import read_cues
from portraiture.fit.compare import face_window, window_camera
from portraiture.fit.irises import GLOSS, USUAL, match_irises, nearest_iris, ring_colour
from portraiture.fit.place import Placed, place_head
from portraiture.fit.regions import read_photo
from portraiture.fit.run import Fitted
from portraiture.render.mesh import render_bust
from portraiture.types import Photo, as_uint8

SEEN = (False, False)


@pytest.fixture(scope="module")
def placed(photo: Photo) -> Placed:
    regions, parsed = read_photo(photo)
    return place_head(photo, read_cues(regions, parsed.looks))


@pytest.mark.parametrize("melanin", [0.0, 0.3, 0.6, 0.9])
def test_the_search_inverts_the_engines_colours(melanin: float) -> None:
    colour = iris_colors(AvatarParameters(iris_melanin=melanin, iris_green=0.0))[0] + GLOSS
    assert nearest_iris(colour, np.ones(3)) == pytest.approx((melanin, 0.0, 1.0), abs=0.051)


def test_in_the_dark_hue_tells_little() -> None:
    """A bluish iris that little light reaches: brown where that light is known, else blue."""
    blue = 0.25 * iris_colors(AvatarParameters(iris_melanin=0.0, iris_green=0.0))[0]
    assert nearest_iris(blue, np.full(3, 0.1))[0] > nearest_iris(blue, np.full(3, 3.0))[0]


def test_a_ring_is_the_colour_between_pupil_and_limbus() -> None:
    linear = np.full((60, 120, 3), 0.5)
    y, x = np.mgrid[:60, :120] + 0.5
    landmarks = np.zeros((478, 2))
    for first, cx in ((468, 30.0), (473, 90.0)):
        distance = np.hypot(x - cx, y - 30.0)
        linear[distance < 10.0] = (0.1, 0.2, 0.3)
        linear[distance < 2.5] = 0.0
        landmarks[first] = (cx, 30.0)
        offsets = np.array([[10, 0], [0, -10], [-10, 0], [0, 10]])
        landmarks[first + 1 : first + 5] = landmarks[first] + offsets
    assert ring_colour(linear, landmarks, (True, True)) is None
    for loop, cx in ((RIGHT_EYE, 30.0), (LEFT_EYE, 90.0)):
        turn = np.linspace(0.0, 2.0 * np.pi, len(loop), endpoint=False)
        landmarks[[*loop]] = np.stack([cx + 20 * np.cos(turn), 30 + 14 * np.sin(turn)], 1)
    found = ring_colour(linear, landmarks, SEEN)
    assert found == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("melanin", thinned([0.1, 0.5, 0.9], 2))
def test_rendered_irises_are_found_again(
    photo: Photo, plain: Fitted, placed: Placed, melanin: float
) -> None:
    """The photo with the fitted head rendered into it, with eyes of known pigments."""
    known = replace(plain.parameters, iris_melanin=melanin, iris_green=0.0)
    bust = build_bust(known, expression=plain.expression, albedo=plain.albedo)
    size = photo.image.shape[0]
    box = np.array([0.0, 0.0, size, size])
    frame = render_bust(bust, window_camera(plain.camera, (size, size), box), size=size,
                        light=plain.light)  # fmt: skip
    low, high = face_window(photo.landmarks).reshape(2, 2)
    assert (low >= 0).all() and (high <= size).all()
    landmarks = placed.solution.pixels.astype(np.float32)
    drawn = replace(photo, image=as_uint8(frame.rgba[..., :3]), landmarks=landmarks)
    start = replace(plain.parameters, iris_melanin=USUAL[0], iris_green=USUAL[1])
    found = match_irises(drawn, placed, plain.light, plain.albedo, start, SEEN)
    assert found.iris_melanin == pytest.approx(melanin, abs=0.16)


def test_covered_eyes_get_usual_irises(photo: Photo, plain: Fitted, placed: Placed) -> None:
    found = match_irises(photo, placed, plain.light, plain.albedo, plain.parameters, (True, True))
    assert (found.iris_melanin, found.iris_green) == USUAL
