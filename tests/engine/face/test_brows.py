from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from wear_cases import CASES, dense_morph, shape_of, signed_distance

from portraiture.engine.face import follicles
from portraiture.engine.face.brows import BROW_TRIANGLES, brow_density, make_brows, paint_brows
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.types import Segment

STYLES = DISCRETE["brow_style"]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_within_its_budget_and_lies_on_the_skin(style):
    for case in (0, 2):
        part = make_brows(replace(CASES[case], brow_style=style), shape_of(case))
        assert 200 < len(part.faces) <= BROW_TRIANGLES
        assert part.material.kind == "hair" and part.name == "brows"
        shape = shape_of(case)
        near = np.abs(shape.skin[shape.faces].mean(1)[:, 1] - part.vertices[:, 1].mean()) < 0.04
        some = part.vertices[::37]
        height = signed_distance(some, shape.skin, shape.faces[near])
        assert height.min() > -0.0012
        assert height.max() < 0.003


def test_densest_setting_stays_within_the_budget():
    parameters = replace(CASES[0], brow_style="bushy", brow_density=1.0, brow_thickness=1.0)
    assert len(make_brows(parameters, shape_of(0)).faces) <= BROW_TRIANGLES


def test_sides_are_labelled_as_in_the_image():
    part = make_brows(CASES[0], shape_of(0))
    x = part.vertices[part.faces].mean(1)[:, 0]
    assert (x[part.segment == Segment.LEFT_BROW] < 0).all()
    assert (x[part.segment == Segment.RIGHT_BROW] > 0).all()


def test_brows_are_above_the_eyes_and_over_their_whole_width():
    for case in range(len(CASES)):
        shape = shape_of(case)
        part = make_brows(CASES[case], shape)
        eye = shape.group("helper-l-eye")
        left = part.vertices[part.vertices[:, 0] > 0]
        assert left[:, 1].min() > eye[:, 1].mean() + 0.004
        assert left[:, 1].max() < eye[:, 1].mean() + 0.035
        assert left[:, 0].min() < eye[:, 0].min()
        assert left[:, 0].max() > eye[:, 0].max()


def test_hairs_move_with_the_skin_below_them():
    shape = shape_of(1)
    part = make_brows(CASES[1], shape)
    got = dense_morph(part, "browInnerUp")
    feet = follicles.closest_on_skin(0.5 * (part.vertices[0::2] + part.vertices[1::2]), shape)
    rows = shape.model.arrays["skin_vertex"][shape.faces[feet.face]]
    delta = shape.action_deltas("browInnerUp")[rows]
    expected = (feet.barycentric[:, :, None] * delta).sum(1)
    assert np.linalg.norm(expected, axis=1).max() > 0.002
    np.testing.assert_allclose(got[0::2], expected, atol=2.5e-4)
    np.testing.assert_array_equal(got[0::2], got[1::2])


def test_same_parameters_same_bits_and_darker_is_darker():
    first, second = (make_brows(CASES[0], shape_of(0)) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.material.base_color, second.material.base_color)
    tones = [
        make_brows(replace(CASES[0], brow_darkness=d), shape_of(0)).material.base_color
        for d in (0.1, 0.9)
    ]
    assert tones[1][..., :3].mean() < 0.8 * tones[0][..., :3].mean()


def test_density_is_zero_off_the_brow_and_symmetric():
    points = np.array([[0.03, 0.743, 0.14], [0.03, 0.70, 0.14], [0.0, 0.743, 0.15]])
    density = brow_density(points, AvatarParameters())
    assert density[0] > 0.5
    assert density[1] == 0.0 and density[2] == 0.0
    mirrored = brow_density(points * [-1.0, 1.0, 1.0], AvatarParameters())
    np.testing.assert_array_equal(mirrored, density)


def test_paint_darkens_brows_alone():
    albedo = np.full((256, 256, 3), 200, np.uint8)
    painted = paint_brows(albedo, CASES[0], shape_of(0))
    changed = (painted != albedo).any(2)
    assert 0.001 < changed.mean() < 0.05
    assert painted[changed].mean() < 200
    assert (albedo == 200).all()
