from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from wear_cases import CASES, shape_of, signed_distance

from portraiture.engine.parameters import DISCRETE
from portraiture.engine.wear.glasses import CLEARANCE_M, make_glasses
from portraiture.engine.wear.sweep import (
    catmull_rom,
    ellipse,
    ellipsoid,
    rounded_rectangle,
    sweep,
    tube,
)
from portraiture.types import Segment

STYLES = tuple(style for style in DISCRETE["glasses_style"] if style != "none")


def volume(vertices, faces):
    """Signed volume of a closed triangle mesh (divergence theorem)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def test_none_is_nothing():
    assert make_glasses(replace(CASES[0], glasses_style="none"), shape_of(0)) == []


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("style", STYLES)
def test_nothing_but_pads_touches_the_face(style, case):
    shape = shape_of(case)
    parameters = replace(CASES[case], glasses_style=style, glasses_size=1.0)
    frame, lenses = make_glasses(parameters, shape)
    assert len(frame.faces) + len(lenses.faces) <= 8000
    ahead = shape.faces[shape.skin[shape.faces].mean(1)[:, 2] > 0.06]
    eye = shape.group("helper-l-eye")
    front = frame.vertices[frame.vertices[:, 2] > eye[:, 2].max() + 0.004]
    pads = np.abs(front[:, 0]) < 0.014
    if style != "rimless":
        distance = signed_distance(front[~pads][::25], shape.skin, ahead)
        assert distance.min() > 0.3 * CLEARANCE_M
    lens = signed_distance(lenses.vertices[::40], shape.skin, ahead)
    assert lens.min() > 0.0


@pytest.mark.parametrize("style", STYLES)
def test_lenses_are_before_the_eyes(style):
    for case in range(len(CASES)):
        shape = shape_of(case)
        _, lenses = make_glasses(replace(CASES[case], glasses_style=style), shape)
        for name, sign in (("helper-l-eye", 1.0), ("helper-r-eye", -1.0)):
            eye = shape.group(name)
            lens = lenses.vertices[lenses.vertices[:, 0] * sign > 0]
            pupil = eye.mean(0)
            assert lens[:, 0].min() < pupil[0] < lens[:, 0].max()
            assert lens[:, 1].min() < pupil[1] - 0.008
            assert lens[:, 1].max() > pupil[1] + 0.008
            gap = np.median(lens[:, 2]) - eye[:, 2].max()
            assert 0.007 < gap < 0.026


def test_temples_reach_behind_the_ears_without_cutting_the_head():
    for case in range(len(CASES)):
        shape = shape_of(case)
        frame, _ = make_glasses(replace(CASES[case], glasses_style="rectangle"), shape)
        ears = np.isin(shape.model.arrays["skin_segment"], (Segment.LEFT_EAR, Segment.RIGHT_EAR))
        head = shape.faces[~ears]
        back = frame.vertices[frame.vertices[:, 2] < 0.10]
        assert back[:, 2].min() < shape.skin[shape.faces[ears]][..., 2].mean()
        assert signed_distance(back[::30], shape.skin, head).min() > -0.002


def test_parts_ride_on_the_head_and_are_labelled():
    shape = shape_of(0)
    frame, lenses = make_glasses(replace(CASES[0], glasses_style="aviator"), shape)
    for part in (frame, lenses):
        assert (part.segment == Segment.GLASSES).all()
        assert (part.joints[:, 0] == shape.model.joint_names.index("head")).all()
        assert (part.weights[:, 0] == 1.0).all()
    assert lenses.material.kind == "glass" and lenses.material.alpha_mode == "blend"
    assert frame.material.metallic > 0.5


def test_tint_darkens_and_size_widens():
    def make(**changes):
        return make_glasses(replace(CASES[0], glasses_style="round", **changes), shape_of(0))

    clear, dark = make(glasses_tint=0.0)[1], make(glasses_tint=1.0)[1]
    assert clear.material.base_color[..., 3].max() < 40
    assert dark.material.base_color[..., 3].min() > 150
    small, large = make(glasses_size=0.0)[1], make(glasses_size=1.0)[1]
    assert np.ptp(large.vertices[:, 1]) > 1.15 * np.ptp(small.vertices[:, 1])
    np.testing.assert_array_equal(clear.vertices, make(glasses_tint=0.0)[1].vertices)


def test_tube_has_the_cylinders_volume_and_faces_outward():
    profile = ellipse(0.02, 0.02, 64)
    path = np.stack([np.zeros(5), np.zeros(5), np.linspace(0.0, 0.1, 5)], axis=1)
    solid = sweep(path, np.array([0.0, 1.0, 0.0]), profile)
    assert volume(solid.vertices, solid.faces) == pytest.approx(np.pi * 1e-4 * 0.1, rel=0.01)
    box = rounded_rectangle(0.02, 0.01, 0.001)
    assert (box.max(0) == pytest.approx([0.01, 0.005])) and len(box) == 12


def test_closed_tube_is_a_torus():
    turn = np.arange(96) * 2 * np.pi / 96
    circle = ellipse(0.01, 0.01, 48)
    out = np.stack([np.cos(turn), np.sin(turn), np.zeros(96)], axis=1)
    rings = (0.05 + circle[None, :, :1]) * out[:, None]
    rings[..., 2] += circle[None, :, 1]
    solid = tube(rings[:, ::-1], closed=True)
    expected = 2 * np.pi**2 * 0.05 * 0.005**2
    assert volume(solid.vertices, solid.faces) == pytest.approx(expected, rel=0.01)


def test_ellipsoid_faces_outward_with_nearly_its_volume():
    solid = ellipsoid(np.zeros(3), np.diag([0.01, 0.02, 0.03]), around=40, rows=41)
    expected = 4 / 3 * np.pi * 0.01 * 0.02 * 0.03
    assert volume(solid.vertices, solid.faces) == pytest.approx(expected, rel=0.03)


def test_catmull_rom_passes_through_its_knots():
    knots = np.random.default_rng(0).normal(size=(6, 2))
    np.testing.assert_allclose(catmull_rom(knots, 11, closed=False)[::2], knots, atol=1e-12)
    np.testing.assert_allclose(catmull_rom(knots, 18, closed=True)[::3], knots, atol=1e-12)
