from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from wear_cases import CASES, dense_morph, moved_by, shape_of, signed_distance

from portraiture.engine.face import follicles
from portraiture.engine.face.beard import BEARD_TRIANGLES, make_beard, paint_beard
from portraiture.engine.face.beard_zone import beard_zone, lip_distance
from portraiture.engine.parameters import DISCRETE
from portraiture.types import Segment

STYLES = tuple(style for style in DISCRETE["beard_style"] if style != "none")


def test_none_is_none():
    assert make_beard(replace(CASES[0], beard_style="none"), shape_of(0)) is None


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_within_its_budget_with_valid_weights(style):
    parameters = replace(CASES[2], beard_style=style, beard_density=1.0)
    part = make_beard(parameters, shape_of(2))
    assert part is not None
    assert 500 < len(part.faces) <= BEARD_TRIANGLES
    assert np.isfinite(part.vertices).all()
    np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(part.weights.sum(1), 1.0, atol=1e-5)
    label = Segment.HAIR if style == "full_beard" else Segment.SKIN
    assert (part.segment == label).all()


@pytest.mark.parametrize("style", STYLES)
def test_roots_touch_the_skin_and_nothing_grows_into_it(style):
    shape = shape_of(0)
    part = make_beard(replace(CASES[0], beard_style=style), shape)
    assert part is not None
    middle = follicles.canonical_skin(shape.model)[shape.faces].mean(1)
    near = shape.faces[(middle[:, 1] > 0.52) & (middle[:, 1] < 0.82)]
    rooted = part.uv[:, 1] == 1.0
    middle = 0.5 * (part.vertices[0::2] + part.vertices[1::2])[rooted[0::2]][::40]
    np.testing.assert_allclose(signed_distance(middle, shape.skin, near), 0.0, atol=5e-4)
    free = (0.5 * (part.vertices[0::2] + part.vertices[1::2]))[~rooted[0::2]][::60]
    assert np.mean(signed_distance(free, shape.skin, near) > -8e-4) > 0.97


def test_each_card_follows_its_root_when_the_jaw_opens():
    shape = shape_of(0)
    part = make_beard(replace(CASES[0], beard_style="full_beard"), shape)
    assert part is not None
    sections = 5
    got = dense_morph(part, "jawOpen").reshape(-1, 2 * sections, 3)
    assert np.linalg.norm(got, axis=2).max() > 0.01
    np.testing.assert_array_equal(got, np.broadcast_to(got[:, :1], got.shape))
    vertices = part.vertices.reshape(-1, 2 * sections, 3)
    roots = follicles.closest_on_skin(vertices[:, :2].mean(1), shape)
    expected = moved_by(shape, "jawOpen", roots.face, roots.barycentric)
    assert np.median(np.abs(got[:, 0] - expected)) < 5e-5


def test_lips_stay_free():
    points = np.array([[0.0, 0.6603, 0.158], [0.012, 0.655, 0.156], [-0.015, 0.664, 0.152]])
    assert (lip_distance(points) < 0).all()
    for style in STYLES:
        assert beard_zone(points, style).density.max() == 0.0
        shape = shape_of(1)
        part = make_beard(replace(CASES[1], beard_style=style), shape)
        assert part is not None
        roots = part.uv[:, 1] == 1.0
        feet = follicles.closest_on_skin(part.vertices[roots][::7], shape)
        lips = (Segment.UPPER_LIP, Segment.LOWER_LIP, Segment.MOUTH)
        assert np.isin(shape.model.arrays["skin_segment"][feet.face], lips).mean() < 0.02


def test_longer_and_greyer_settings_show():
    def make(**changes):
        part = make_beard(replace(CASES[0], beard_style="full_beard", **changes), shape_of(0))
        assert part is not None
        return part

    short, long = make(beard_length=0.0), make(beard_length=1.0)
    assert long.vertices[:, 1].min() < short.vertices[:, 1].min() - 0.015
    dark, grey = make(beard_grey=0.0), make(beard_grey=1.0)
    assert grey.material.base_color[..., :3].mean() > dark.material.base_color[..., :3].mean() + 25
    sparse = make(beard_density=0.0)
    assert len(sparse.faces) < 0.6 * len(dark.faces)
    np.testing.assert_array_equal(dark.vertices, make(beard_grey=0.0).vertices)


def test_paint_shades_the_beard_and_nothing_else():
    albedo = np.full((256, 256, 3), 190, np.uint8)
    parameters = replace(CASES[0], beard_style="short_beard")
    painted = paint_beard(albedo, parameters, shape_of(0))
    changed = (painted != albedo).any(2)
    assert 0.02 < changed.mean() < 0.4
    assert painted[changed].mean() < 190
    same = paint_beard(albedo, replace(parameters, beard_style="none"), shape_of(0))
    np.testing.assert_array_equal(same, albedo)
