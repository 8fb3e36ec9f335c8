"""Spherical harmonics against numerical integration, sampled light, tone curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from from_python import from_python

from portraiture.render import brdf_numba as brdf
from portraiture.render.harmonics import (
    diffuse_ambient,
    even_directions,
    project_light,
    sh_basis,
)
from portraiture.render.light import LOWEST, keyed, portrait_light, sample_light, studio_light
from portraiture.types import Light

tone, wrapped = from_python(brdf.tone), from_python(brdf.wrapped)

DIRECTIONS = even_directions(20000)


def test_basis_is_orthonormal():
    basis = sh_basis(DIRECTIONS)
    gram = basis.T @ basis * (4.0 * np.pi / len(DIRECTIONS))
    np.testing.assert_allclose(gram, np.eye(9), atol=1e-3)


def test_diffuse_ambient_is_the_cosine_integral():
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(9, 3))
    radiance = sh_basis(DIRECTIONS) @ coefficients
    for normal in even_directions(7):
        cosine = np.maximum(DIRECTIONS @ normal, 0.0)
        expected = (cosine[:, None] * radiance).mean(0) * 4.0
        np.testing.assert_allclose(diffuse_ambient(coefficients, normal), expected, atol=2e-3)


def test_projection_inverts_evaluation():
    coefficients = np.random.default_rng(1).normal(size=(9, 3))
    radiance = sh_basis(DIRECTIONS) @ coefficients
    np.testing.assert_allclose(project_light(DIRECTIONS, radiance), coefficients, atol=5e-3)


def test_uniform_radiance_is_the_first_coefficient():
    uniform = project_light(DIRECTIONS, np.ones((len(DIRECTIONS), 3)))
    np.testing.assert_allclose(uniform[0], np.sqrt(4.0 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(diffuse_ambient(uniform, np.eye(3)), 1.0, atol=1e-3)


@pytest.mark.parametrize("seed", range(40))
def test_sampled_light_is_natural(seed):
    """From above the horizon, in front of the shoulders' plane or beside, well exposed, no cast
    stronger than 1.5 to 1, no negative light; the same seed gives the same light."""
    light = sample_light(np.random.default_rng(seed))
    again = sample_light(np.random.default_rng(seed))
    np.testing.assert_array_equal(light.ambient, again.ambient)
    assert np.linalg.norm(light.key_direction) == pytest.approx(1.0)
    assert light.key_direction[1] > 0.0 and light.key_direction[2] > 0.0
    front = diffuse_ambient(light.ambient, np.array([0.0, 0.0, 1.0]))
    front = front + max(light.key_direction[2], 0.0) * light.key_color
    assert 0.4 < front.mean() < 2.0
    assert front.max() / front.min() < 1.5
    assert diffuse_ambient(light.ambient, DIRECTIONS[::50]).min() > 0.0
    assert light.key_color.min() >= 0.0


def test_studio_light_exposes_the_face():
    light = studio_light()
    normals = np.array([[-0.5, 0.2, 0.8], [0.5, 0.2, 0.8]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    key = (normals @ light.key_direction)[:, None] * light.key_color
    lit, shaded = (diffuse_ambient(light.ambient, normals) + key).mean(1)
    assert 0.8 < lit < 1.6 and 0.8 < shaded / lit < 0.98


def test_studio_light_leaves_no_shade_under_brows_and_chin():
    light = studio_light()
    normals = np.array([[0.0, 0.4, 0.92], [0.0, -0.4, 0.92]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    key = (normals @ light.key_direction)[:, None] * light.key_color
    above, below = (diffuse_ambient(light.ambient, normals) + key).mean(1)
    assert 0.7 < below / above < 0.95


@pytest.mark.parametrize("width", (0.05, 0.3, 0.7))
def test_wrapped_is_a_box_convolution(width):
    offset = np.linspace(-width, width, 4001)
    for cosine in np.linspace(-1.0, 1.0, 21):
        expected = np.maximum(cosine + offset, 0.0).mean()
        assert wrapped(cosine, width) == pytest.approx(expected, abs=1e-4)


def test_tone_keeps_midtones_and_is_smooth():
    x = np.linspace(0.0, 3.0, 3001)
    y = np.array([tone(v) for v in x])
    np.testing.assert_array_equal(y[x <= 0.7], x[x <= 0.7])
    slope = np.diff(y) / np.diff(x)
    assert (slope > 0.0).all() and np.abs(np.diff(slope)).max() < 0.01 and y.max() < 1.0


@pytest.mark.parametrize("contrast", [0.0, 0.4, 1.0])
def test_portrait_light_exposes_the_face_whatever_its_contrast(contrast: float):
    """Irradiance of white surfaces by brute force over the sphere, plus the key light's."""
    light = portrait_light(azimuth=0.7, elevation=0.4, contrast=contrast, exposure=0.8)
    d = even_directions(20_000)
    radiance = sh_basis(d) @ light.ambient
    facing = even_directions(256)
    facing = facing[(facing[:, 2] > 0.4) & (np.abs(facing[:, 1]) < 0.6)]
    sky = np.maximum(facing @ d.T, 0.0) @ radiance * (4.0 / len(d))
    key = np.maximum(facing @ light.key_direction, 0.0)[:, None] * light.key_color
    assert (sky + key).mean() == pytest.approx(0.8, rel=0.01)
    assert np.linalg.norm(light.key_direction) == pytest.approx(1.0)
    assert (light.key_color.max() == 0.0) == (contrast == 0.0)
    assert (np.abs(light.ambient).max() == 0.0) == (contrast == 1.0)


def test_a_key_takes_its_light_from_the_ambient_light():
    towards = np.array([0.48, 0.6, 0.64])
    sky = 0.8 + 0.5 * np.maximum(DIRECTIONS @ towards, 0.0)[:, None] ** 3 * [1.1, 1.0, 0.9]
    light = Light(project_light(DIRECTIONS, sky), np.array([0.0, 0.0, 1.0]), np.zeros(3))
    lit = keyed(light)
    np.testing.assert_allclose(lit.key_direction, towards, atol=1e-3)
    assert lit.key_color.min() > 0.2
    normals = DIRECTIONS[::50]
    key = np.maximum(normals @ lit.key_direction, 0.0)[:, None] * lit.key_color
    after = diffuse_ambient(lit.ambient, normals) + key
    # The clamped cosine differs from its order-2 expansion, 1/4 + P1/2 + 5 P2/16, by up to 3/32.
    gap = np.abs(after - diffuse_ambient(light.ambient, normals))
    assert gap.max() < 3.0 / 32.0 * lit.key_color.max() + 1e-4
    assert keyed(lit) is lit


def test_a_key_leaves_fill_and_hangs_above_the_face():
    low = np.maximum(DIRECTIONS @ np.array([0.0, -0.6, 0.8]), 0.0)[:, None] ** 4 * np.ones(3)
    light = Light(project_light(DIRECTIONS, low), np.array([0.0, 0.0, 1.0]), np.zeros(3))
    lit = keyed(light, share=9.0)
    level = np.sqrt(1.0 - LOWEST**2)
    np.testing.assert_allclose(lit.key_direction, [0.0, LOWEST, level], atol=1e-3)
    below = np.maximum(DIRECTIONS @ np.array([0.0, -1.0, 0.0]), 0.0)[:, None] ** 4 * np.ones(3)
    from_below = keyed(replace(light, ambient=project_light(DIRECTIONS, below)))
    np.testing.assert_allclose(from_below.key_direction[1], LOWEST, atol=1e-3)
    np.testing.assert_allclose(lit.ambient[0], 0.3 * light.ambient[0], rtol=1e-6)
