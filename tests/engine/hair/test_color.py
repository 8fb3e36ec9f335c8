import numpy as np
import pytest

from portraiture.engine.hair.color import hair_rgb, to_linear, to_srgb

STEPS = np.linspace(0.0, 1.0, 21)


@pytest.mark.parametrize("redness", [0.0, 0.3, 1.0])
def test_colour_darkens_with_melanin(redness):
    colours = np.array([to_linear(hair_rgb(m, redness, 0.0)) for m in STEPS])
    assert (np.diff(colours, axis=0) < 0).all()
    assert ((colours >= 0) & (colours <= 1)).all()


def test_known_hair_colours():
    blond, brown, black = (hair_rgb(m, 0.1, 0.0) for m in (0.15, 0.65, 1.0))
    ginger, white = hair_rgb(0.4, 1.0, 0.0), hair_rgb(0.7, 0.2, 1.0)
    assert blond.min() > 0.45 and blond[0] > blond[2] + 0.05
    assert 0.15 < brown[0] < 0.45 and brown[0] > brown[1] > brown[2]
    assert black.max() < 0.15 and np.ptp(black) < 0.04
    assert ginger[0] > 1.5 * ginger[1] > 2.0 * ginger[2]
    assert white.min() > 0.75 and np.ptp(white) < 0.05


def test_redness_turns_the_hue_red():
    hues = [hair_rgb(0.4, r, 0.0) for r in STEPS]
    assert (np.diff([c[0] / c[2] for c in hues]) > 0).all()


def test_grey_is_linear_in_light():
    ends = [to_linear(hair_rgb(0.8, 0.2, g)) for g in (0.0, 1.0)]
    half = to_linear(hair_rgb(0.8, 0.2, 0.5))
    np.testing.assert_allclose(half, 0.5 * (ends[0] + ends[1]), atol=1e-9)


def test_srgb_round_trip_and_known_value():
    x = np.linspace(0, 1, 101)
    np.testing.assert_allclose(to_linear(to_srgb(x)), x, atol=1e-12)
    assert abs(to_srgb(np.array(0.5)) - 0.7353569) < 1e-6
