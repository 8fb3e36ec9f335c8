"""Eyeballs, irises and lashes."""

import numpy as np
import pytest

from portraiture.engine.face.eyes import (
    eyeball,
    fit_ball,
    gaze_rotation,
    make_eyes,
    socket_affine,
)
from portraiture.engine.face.iris import (
    EYE_REACH,
    iris_angle,
    iris_colors,
    paint_eye,
    texture_radius,
)
from portraiture.engine.face.lashes import (
    LOWER_GRID,
    UPPER_GRID,
    _spline_weights,
    lid_deltas,
    make_lashes,
)
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.types import Segment


@pytest.fixture(scope="module")
def shape():
    return shape_head(AvatarParameters())


def test_fit_ball_recovers_a_sphere():
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(50, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    centre, radius = fit_ball(np.array([0.1, -0.2, 0.3]) + 0.017 * direction)
    assert np.allclose(centre, [0.1, -0.2, 0.3], atol=1e-9)
    assert radius == pytest.approx(0.017)


def test_eyeball_faces_point_outwards_and_the_cornea_bulges():
    vertices, faces, uv = eyeball(0.35)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a) * (a + b + c)).sum(1).min() > 0
    radius = np.linalg.norm(vertices, axis=1)
    assert radius[0] == radius.max() > 1.02
    behind = vertices[:, 2] < np.cos(0.45)
    assert np.allclose(radius[behind], 1.0, atol=1e-6)
    assert len(faces) <= 1500
    assert uv.min() >= 0.0 and uv.max() <= 1.0


def test_eyeball_uv_is_the_polar_map():
    vertices, _, uv = eyeball(0.35)
    angle = np.arccos(np.clip(vertices[:, 2] / np.linalg.norm(vertices, axis=1), -1, 1))
    assert np.allclose(np.hypot(*(uv - 0.5).T), texture_radius(angle), atol=1e-4)
    assert texture_radius(np.array(EYE_REACH)) == pytest.approx(0.5)


def test_socket_affine_maps_the_helper_ball(shape):
    for side, sign in (("left", 1.0), ("right", -1.0)):
        fit = socket_affine(shape, side)
        joint = shape.joints[shape.model.joint_names.index(f"{side}Eye")]
        assert np.linalg.norm(fit[3] - joint) < 1e-3
        assert np.sign(fit[3, 0]) == sign
        assert np.allclose(np.linalg.svd(fit[:3])[1], 0.0166, atol=8e-4)


def test_gaze_turns_by_a_rotation_and_mirrors(shape):
    flip = np.diag([-1.0, 1.0, 1.0])
    for action in ("eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown"):
        left = gaze_rotation(shape, f"{action}Left", "left")
        right = gaze_rotation(shape, f"{action}Right", "right")
        assert np.allclose(left @ left.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(left) == pytest.approx(1.0)
        assert np.allclose(left, flip @ right @ flip, atol=2e-3)
    assert gaze_rotation(shape, "eyeLookUpLeft", "left")[1, 2] > 0.1
    assert gaze_rotation(shape, "eyeLookInLeft", "left")[0, 2] < -0.1


def test_eyes_as_parts(shape):
    left, right = make_eyes(AvatarParameters(), shape)
    assert (left.name, right.name) == ("eye_left", "eye_right")
    assert set(left.segment) == {Segment.RIGHT_EYE} and left.vertices[:, 0].min() > 0
    assert set(right.segment) == {Segment.LEFT_EYE}
    assert sorted(left.morphs) == [f"eyeLook{d}Left" for d in ("Down", "In", "Out", "Up")]
    nasal_left = left.uv[np.argmin(left.vertices[:, 0]), 0]
    nasal_right = right.uv[np.argmax(right.vertices[:, 0]), 0]
    assert nasal_left < 0.3 and nasal_right < 0.3


def test_a_look_keeps_the_ball_in_place(shape):
    left, _ = make_eyes(AvatarParameters(), shape)
    centre = socket_affine(shape, "left")[3]
    morph = left.morphs["eyeLookUpLeft"]
    moved = left.vertices.copy()
    moved[morph.indices] += morph.deltas
    before = np.linalg.norm(left.vertices - centre, axis=1)
    assert np.allclose(np.linalg.norm(moved - centre, axis=1), before, atol=3e-5)


def test_iris_size_and_colour():
    small, large = (iris_angle(AvatarParameters(iris_size=s)) for s in (0.0, 1.0))
    assert 2 * 16.7 * np.sin(small) == pytest.approx(10.5)
    assert 2 * 16.7 * np.sin(large) == pytest.approx(13.0)
    blue = iris_colors(AvatarParameters(iris_melanin=0.0, iris_green=0.0))[0]
    brown = iris_colors(AvatarParameters(iris_melanin=1.0))[0]
    assert blue[2] > blue[0] and brown[0] > brown[2]
    assert brown.sum() < 0.2 * blue.sum()


def test_eye_texture_is_dark_in_the_pupil_and_light_in_the_white():
    parameters = AvatarParameters(iris_melanin=0.2)
    texture = paint_eye(parameters, size=128).astype(float).mean(2)
    assert texture[62:66, 62:66].max() < 25
    limbus = texture_radius(np.array(iris_angle(parameters)))
    outside = int(64 + 128 * (limbus + 0.05))
    assert texture[64, outside] > 120
    assert np.array_equal(texture, paint_eye(parameters, size=128).astype(float).mean(2))


def test_spline_weights_interpolate_lines_exactly():
    weights = _spline_weights(13, 36)
    assert np.allclose(weights.sum(1), 1.0)
    inner = slice(4, -4)
    assert np.allclose((weights @ np.arange(13.0))[inner], np.linspace(0, 12, 36)[inner])
    assert np.allclose(weights[0], np.eye(13)[0]) and np.allclose(weights[-1], np.eye(13)[-1])


def test_lashes_sit_on_the_lids_and_follow_blinks(shape):
    lashes = make_lashes(AvatarParameters(), shape)
    assert lashes.material.alpha_mode == "mask"
    assert {"eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft"} <= set(lashes.morphs)
    distance = np.linalg.norm(lashes.vertices[:, None] - shape.skin[None, ::3], axis=2).min(1)
    assert distance.max() < 0.012
    blink = lashes.morphs["eyeBlinkLeft"]
    assert lashes.vertices[blink.indices, 0].min() > 0
    assert blink.deltas[:, 1].min() < -0.005


@pytest.mark.parametrize("height", [0.3, 0.5, 0.8])
def test_blinks_close_eyes_of_any_height(height):
    tall = AvatarParameters().with_shape(eye_height1=height, eye_height2=height)
    shape = shape_head(tall)
    deltas = lid_deltas(shape, "eyeBlinkLeft")
    lids = []
    for lid, grid in ((2, UPPER_GRID), (1, LOWER_GRID)):
        rows = shape.model.arrays[f"group:helper-l-eyelashes-{lid}"][list(grid[0][3:9])]
        lids.append((shape.vertices[rows] + deltas[rows])[:, 1].mean())
    assert lids[0] - lids[1] < 3e-4
