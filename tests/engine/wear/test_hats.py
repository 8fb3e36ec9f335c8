from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from wear_cases import CASES, covered, shape_of

from portraiture.engine.hair.skull import Skull, fit_skull
from portraiture.engine.wear.hats import hair_allowance, hair_hidden, make_hat
from portraiture.types import Segment

STYLES = ("beanie", "cap")


def test_none_is_none_and_hides_nothing():
    bare = replace(CASES[0], hat_style="none")
    assert make_hat(bare, shape_of(0)) is None
    assert not hair_hidden(shape_of(0).skin, shape_of(0), bare).any()


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_skull_fits_the_cranium_within_millimetres(case):
    shape = shape_of(case)
    skull = fit_skull(shape)
    _, elevation, radius = skull.polar(shape.skin)
    above = elevation > 0.25
    directions = (shape.skin[above] - skull.centre) / radius[above, None]
    assert np.abs(skull.radius(directions) - radius[above]).max() < 0.004


def test_polar_and_directions_are_inverse():
    skull = fit_skull(shape_of(0))
    rng = np.random.default_rng(0)
    azimuth, elevation = rng.uniform(-3, 3, 50), rng.uniform(-1.4, 1.4, 50)
    points = skull.centre + 0.1 * skull.directions(azimuth, elevation)
    got = skull.polar(points)
    np.testing.assert_allclose(got, (azimuth, elevation, np.full(50, 0.1)), atol=1e-9)


def test_a_sphere_has_the_radius_of_a_sphere():
    skull = fit_skull(shape_of(0))
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    twice = Skull(skull.centre, 2.0 * skull.coefficients)
    np.testing.assert_allclose(twice.radius(directions), 2.0 * skull.radius(directions))


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("style", STYLES)
def test_no_skin_shows_through(style, case):
    shape = shape_of(case)
    parameters = replace(CASES[case], hat_style=style, hair_style="bald")
    hat = make_hat(parameters, shape)
    assert hat is not None and len(hat.faces) <= 8000
    assert (hat.segment == Segment.HAT).all() and hat.material.kind == "cloth"
    skull = fit_skull(shape)
    under = np.flatnonzero(hair_hidden(shape.skin, shape, parameters))[::3]
    out = shape.skin[under] - skull.centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    assert len(under) > 40
    assert covered(shape.skin[under] + 5e-4 * out, out, hat.vertices, hat.faces).all()


@pytest.mark.parametrize("style", STYLES)
def test_hair_is_hidden_above_the_rim_and_kept_below(style):
    shape = shape_of(0)
    parameters = replace(CASES[0], hat_style=style)
    eye = shape.group("helper-l-eye").mean(0)
    top = shape.skin[np.argmax(shape.skin[:, 1])]
    above = top + np.array([0.0, 0.03, 0.0])
    nape = np.array([0.0, eye[1] - 0.06, -0.05])
    chest = np.array([0.05, eye[1] - 0.25, 0.12])
    hidden = hair_hidden(np.stack([above, nape, chest]), shape, parameters)
    assert hidden.tolist() == [True, False, False]


def test_more_hair_needs_more_room():
    bald = replace(CASES[0], hat_style="beanie", hair_style="bald")
    thick = replace(CASES[0], hat_style="beanie", hair_style="curly", hair_volume=1.0)
    assert hair_allowance(thick) > hair_allowance(bald) + 0.003
    first, second = make_hat(bald, shape_of(0)), make_hat(thick, shape_of(0))
    assert first is not None and second is not None
    assert np.ptp(second.vertices[:, 0]) > np.ptp(first.vertices[:, 0]) + 0.006


def test_brows_and_eyes_are_free():
    for style in STYLES:
        for case in range(len(CASES)):
            shape = shape_of(case)
            hat = make_hat(replace(CASES[case], hat_style=style), shape)
            assert hat is not None
            eye = shape.group("helper-l-eye").mean(0)
            front = hat.vertices[(np.abs(hat.vertices[:, 0]) < 0.03) & (hat.vertices[:, 2] > 0.1)]
            assert front[:, 1].min() > eye[1] + 0.028


def test_the_visor_reaches_ahead_of_the_nose():
    shape = shape_of(0)
    cap = make_hat(replace(CASES[0], hat_style="cap"), shape)
    assert cap is not None
    assert cap.vertices[:, 2].max() > shape.skin[:, 2].max() + 0.02


def test_same_parameters_same_bits_and_the_colour_is_used():
    red = replace(CASES[0], hat_style="beanie", hat_red=0.9, hat_green=0.1, hat_blue=0.1)
    first, second = make_hat(red, shape_of(0)), make_hat(red, shape_of(0))
    assert first is not None and second is not None
    np.testing.assert_array_equal(first.vertices, second.vertices)
    tone = first.material.base_color[..., :3].reshape(-1, 3).mean(0)
    assert tone[0] > 4 * tone[1]
