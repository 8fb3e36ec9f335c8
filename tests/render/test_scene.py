"""Poses, cameras, textures and shadows of the mesh renderer."""

from __future__ import annotations

import numpy as np
import pytest
from from_python import from_python

from portraiture.camera import project
from portraiture.render.composite import decode_srgb, encode_srgb, shrink
from portraiture.render.framing import EYE_LINE, portrait_camera
from portraiture.render.pose import posed
from portraiture.render.shadow import light_axes, vogel_disk
from portraiture.render.texture_numba import mip_chain, mip_levels, sample_channel
from portraiture.types import Bust, Material, Morph, Part, Skeleton


def triangle(**morphs: Morph) -> Part:
    vertices = np.array([[-0.1, 0.8, 0], [0.1, 0.8, 0], [0, 1.1, 0]], np.float32)
    count = len(vertices)
    return Part(
        "skin",
        vertices,
        np.array([[0, 1, 2]], np.int32),
        np.tile(np.array([0, 0, 1], np.float32), (count, 1)),
        np.zeros((count, 2), np.float32),
        Material("skin", np.full((2, 2, 4), 255, np.uint8)),
        np.ones(1, np.uint8),
        np.zeros((count, 4), np.int32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        morphs,
    )


def test_posed_adds_weighted_morphs():
    one = Morph(np.array([0, 2]), np.array([[1, 0, 0], [0, 2, 0]], np.float32))
    two = Morph(np.array([2]), np.array([[0, 0, 3]], np.float32))
    part = triangle(jawOpen=one, mouthLeft=two)
    moved = posed(part, {"jawOpen": 0.5, "mouthLeft": 1.0, "tongueOut": 1.0})
    expected = part.vertices + np.array([[0.5, 0, 0], [0, 0, 0], [0, 1, 3]], np.float32)
    np.testing.assert_allclose(moved, expected)
    assert posed(part, {"jawOpen": 0.0}) is part.vertices


@pytest.mark.parametrize("yaw,pitch", ((0.0, 0.0), (0.7, 0.2), (-1.4, -0.3)))
def test_portrait_camera_keeps_the_eyes_on_their_line(yaw, pitch):
    heads = np.array([[0.03, 0.97, 0.125], [-0.03, 0.97, 0.125]], np.float32)
    skeleton = Skeleton(("leftEye", "rightEye"), (-1, -1), heads)
    bust = Bust((triangle(),), skeleton, {}, np.zeros((478, 3), np.float32))
    camera = portrait_camera(bust, yaw=yaw, pitch=pitch)
    eyes = project(heads, camera, (100, 100)).mean(0)
    assert abs(eyes[1] / 100 - EYE_LINE) < 0.06
    assert abs(eyes[0] / 100 - 0.5) < 0.16
    side = camera.T_world_cam[:3, 3] - heads.mean(0)
    assert np.sign(side[0]) == np.sign(yaw) or yaw == 0.0


@pytest.mark.parametrize("shape", ((8, 8, 4), (5, 7, 3), (1, 6, 1)))
def test_mip_levels_average(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    flat, levels = mip_chain(image), mip_levels(*shape[:2])
    assert levels[0] == shape[:2] and levels[-1] == (1, 1)
    assert len(flat) == sum(h * w for h, w in levels) * shape[2]
    np.testing.assert_array_equal(flat[: image.size], image.ravel())
    if shape == (8, 8, 4):
        level = flat[256 : 256 + 64].reshape(4, 4, 4).astype(float)
        blocks = image.reshape(4, 2, 4, 2, 4).mean((1, 3))
        assert np.abs(level - blocks).max() <= 0.5


def test_alpha_coverage_survives_minification():
    """Sparse random opacity: as large a share of the texels passes the test at every level,
    where plain averages would lose it."""
    image = np.zeros((64, 64, 4), np.uint8)
    image[..., 3] = np.random.default_rng(0).random((64, 64)) ** 4 * 255
    flat, plain = mip_chain(image, cutoff=0.5), mip_chain(image)
    target, offset = np.mean(image[..., 3] >= 128), 0
    for h, w in mip_levels(64, 64)[:4]:
        level = np.s_[offset + 3 : offset + 4 * h * w : 4]
        assert np.mean(flat[level] >= 128) == pytest.approx(target, abs=0.03)
        offset += 4 * h * w
    assert np.mean(plain[level] >= 128) < 0.2 * target


def test_sampling_is_bilinear_and_repeats():
    image = np.array([[[10], [30]], [[50], [90]]], np.uint8)
    at = [(0.25, 0.75), (0.75, 0.25), (0.5, 0.5), (1.25, -0.25), (0.0, 0.75)]
    expected = [10, 90, 45, 10, 20]
    sample = from_python(sample_channel)
    got = [sample(image.ravel(), 0, 2, 2, 1, 0, u, v) for u, v in at]
    np.testing.assert_allclose(got, expected)


def test_srgb_round_trip():
    code = np.linspace(0, 1, 256)
    np.testing.assert_allclose(encode_srgb(decode_srgb(code)), code, atol=1e-6)
    assert decode_srgb(np.array(0.5)) == pytest.approx(0.21404, abs=1e-5)


def test_shrink_averages_in_linear_light():
    samples = np.zeros((2, 2, 4), np.float32)
    samples[0] = (1.0, 0.5, 0.0, 1.0)
    pixel = shrink(samples, 2, None)[0, 0]
    np.testing.assert_allclose(pixel, [1.0, encode_srgb(np.array(0.5)), 0.0, 0.5], atol=1e-6)
    over = shrink(samples, 2, np.ones(3))[0, 0]
    np.testing.assert_allclose(over[3], 1.0)
    np.testing.assert_allclose(decode_srgb(over[:3]), [1.0, 0.75, 0.5], atol=1e-5)


@pytest.mark.parametrize("direction", ((0, 0, 1), (0, 1, 0), (0.3, -0.5, -0.8)))
def test_light_axes_are_orthonormal(direction):
    axes = light_axes(np.array(direction, float))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(axes[2], np.array(direction) / np.linalg.norm(direction))
    assert np.linalg.det(axes) == pytest.approx(1.0)


def test_vogel_disk_fills_the_disk():
    points = vogel_disk(200)
    radius = np.linalg.norm(points, axis=1)
    assert radius.max() <= 1.0 and np.abs(points.mean(0)).max() < 0.02
    assert np.mean(radius < 0.5) == pytest.approx(0.25, abs=0.01)
