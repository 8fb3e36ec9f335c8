"""Blending: mirror fill, membrane, gain, no seam; projection: the shift and the masks."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.landmarks import CONTOUR
from portraiture.engine.skin.layout import anatomy
from portraiture.engine.skin.texels import texel_map
from portraiture.fit.light import decode, encode
from portraiture.fit.projection import (
    SIZE,
    WINDOW,
    core_mask,
    occluded,
    residual_shift,
    smoothstep,
)
from portraiture.fit.texture import MIRRORED, blend_albedo, enlarge, membrane

HEIGHT = WINDOW[0].stop - WINDOW[0].start
WIDTH = WINDOW[1].stop - WINDOW[1].start


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return load_head()


def flat(value: float) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), int(encode(np.array(value)) * 255.0 + 0.5), np.uint8)


def window_position(model: HeadModel) -> np.ndarray:
    return anatomy(model, SIZE).position[WINDOW]


def test_window_is_mirror_symmetric(model: HeadModel) -> None:
    assert WINDOW[1].start + WINDOW[1].stop == SIZE
    position = window_position(model)
    inside = texel_map(model, SIZE).inside[WINDOW]
    both = inside & inside[:, ::-1]
    gap = np.abs(position - position[:, ::-1] * [-1.0, 1.0, 1.0])[both]
    assert np.quantile(gap, 0.99) < 0.5  # millimetres


def test_constant_photo_makes_a_constant_texture(model: HeadModel) -> None:
    """A uniformly brighter photo over uniform skin: the gain reaches every texel, no seam."""
    weight = smoothstep(60.0, 30.0, np.hypot(*np.moveaxis(window_position(model), -1, 0)[:2]))
    photo = np.full((HEIGHT, WIDTH, 3), 0.4, np.float32)
    out = blend_albedo(photo, weight.astype(np.float32), flat(0.2), model, blur=0.5)
    linear = decode(out)
    assert abs(float(np.median(linear)) - 0.4) < 0.01
    assert np.ptp(linear.reshape(-1, 3), axis=0).max() < 0.04


def test_hidden_half_has_a_share_of_the_mirrored_details(model: HeadModel) -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.3, 0.4, (HEIGHT, WIDTH, 1)).repeat(3, 2).astype(np.float32)
    weight = np.zeros((HEIGHT, WIDTH), np.float32)
    rows, columns = slice(180, 330), slice(130, WIDTH // 2)
    weight[rows, columns] = 1.0
    out = decode(blend_albedo(noise, weight, flat(0.3), model, blur=0.5))[WINDOW]
    np.testing.assert_allclose(out[rows, columns], noise[rows, columns], atol=0.02)
    seen, borrowed = (np.log(x[rows, columns, 0]) for x in (out, out[:, ::-1]))
    slope = np.polyfit((seen - seen.mean()).ravel(), borrowed.ravel(), 1)[0]
    assert slope == pytest.approx(MIRRORED, abs=0.05)


def test_no_step_where_photo_meets_procedural_skin(model: HeadModel) -> None:
    """Smooth photo, smooth mask: neighbouring texels differ little anywhere in the window."""
    position = window_position(model)
    x, y = position[..., 0], position[..., 1]
    photo = (0.3 + 0.001 * x + 0.0008 * y)[..., None].repeat(3, 2).clip(0.05, 0.9)
    weight = smoothstep(55.0, 45.0, np.hypot(x, y + 20.0)).astype(np.float32)
    out = decode(blend_albedo(photo.astype(np.float32), weight, flat(0.25), model, blur=0.5))
    near = (np.hypot(x, y + 20.0) < 70.0) & (position[..., 2] > -30.0)
    step = np.abs(np.diff(out[WINDOW][..., 0], axis=1))[near[:, 1:]]
    assert step.max() < 0.03


def test_membrane_keeps_known_values_and_fills_between() -> None:
    values = np.zeros((64, 64, 1), np.float32)
    weight = np.zeros((64, 64), np.float32)
    values[:, :8], values[:, -8:] = 1.0, 3.0
    weight[:, :8] = weight[:, -8:] = 1.0
    out = membrane(values, weight)[..., 0]
    np.testing.assert_allclose(out[:, :8], 1.0, atol=1e-5)
    np.testing.assert_allclose(out[:, -8:], 3.0, atol=1e-5)
    inside = out[:, 8:-8]
    assert inside.min() >= 1.0 - 1e-4 and inside.max() <= 3.0 + 1e-4
    assert (np.diff(inside.mean(0)) > -0.05).all()
    assert abs(float(inside.mean()) - 2.0) < 0.1


def test_enlarge_is_linear_inside() -> None:
    ramp = np.arange(16, dtype=np.float32)[None, :, None].repeat(16, 0)
    big = enlarge(ramp, 64)[..., 0]
    expected = (np.arange(64) + 0.5) / 4.0 - 0.5
    np.testing.assert_allclose(big[20, 4:-4], expected[4:-4], atol=1e-4)


def test_residual_shift_moves_landmarks_and_fades_far_away() -> None:
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 2 * np.pi, 478)
    fitted = 300.0 + np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0, 90, (478, 1))
    landmarks = fitted + np.array([2.0, -1.0])
    inner = np.setdiff1d(np.arange(468), CONTOUR)
    moved = residual_shift(fitted[inner], landmarks, fitted)
    np.testing.assert_allclose(moved, np.tile([2.0, -1.0], (len(inner), 1)), atol=0.45)
    far = residual_shift(np.array([[1000.0, 1000.0]]), landmarks, fitted)
    assert np.abs(far).max() < 1e-3


def test_hair_over_the_forehead_is_seen_and_brows_are_not(model: HeadModel) -> None:
    position = window_position(model)
    x, y = position[..., 0], position[..., 1]
    front = position[..., 2] > -40.0
    colour = np.tile(np.array([0.45, 0.28, 0.2], np.float32), (HEIGHT, WIDTH, 1))
    brow = (np.abs(y - 18.0) < 3.5) & (np.abs(np.abs(x) - 30.0) < 18.0)
    fringe = (y > 38.0) & (x > 0.0) & (x < 60.0)
    colour[brow | fringe] = [0.03, 0.02, 0.015]
    weight = front.astype(np.float32)
    hidden = occluded(colour, weight, position, np.zeros_like(weight))
    assert hidden[fringe & front & (y > 44) & (y < 70) & (x > 8) & (x < 50)].mean() > 0.9
    assert hidden[brow & front].mean() < 0.1
    assert hidden[core_mask(position) & (y < 0)].max() < 0.05
