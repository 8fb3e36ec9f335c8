"""Environments: solid angles, projection, blur against brute force, scenery, saved half floats."""

from __future__ import annotations

import numpy as np
import pytest
from from_python import from_python

from portraiture.render import reflection_numba as reflection
from portraiture.render.environment import (
    LEAST_LAMP,
    directions,
    imagined,
    panel,
    prefiltered,
    project_environment,
    reflections,
    seen,
    solid_angles,
)
from portraiture.render.harmonics import even_directions, project_light, sh_basis
from portraiture.render.light import SCENES, sample_light, scaled, studio_light
from portraiture.types import Light

place, surroundings = from_python(reflection.place), from_python(reflection.surroundings)
AREA = solid_angles()[:, None]
NO_KEY = np.array([0.0, 0.6, 0.8]), np.zeros(3)


def some_radiance(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, 2.0, (32, 64, 3)) ** 3


def test_pixels_cover_the_sphere_once() -> None:
    assert (AREA * np.ones((32, 64))).sum() == pytest.approx(4.0 * np.pi)
    np.testing.assert_allclose(np.linalg.norm(directions(), axis=-1), 1.0)
    np.testing.assert_allclose((directions() * AREA[..., None]).sum((0, 1)), 0.0, atol=1e-12)
    assert directions()[0, 0, 1] > 0.99 and directions()[16, 32, 2] > 0.99
    assert directions()[16, 48, 0] > 0.99


def test_projection_inverts_evaluation() -> None:
    coefficients = np.random.default_rng(1).normal(size=(9, 3))
    found = project_environment(sh_basis(directions()) @ coefficients)
    np.testing.assert_allclose(found, coefficients, atol=0.01)


def test_blur_is_the_mean_over_half_vectors() -> None:
    """Every level against the sum over all pixels of D(h) n·l, h from its definition."""
    radiance = some_radiance()
    levels = prefiltered(radiance)
    np.testing.assert_array_equal(levels[0], radiance.astype(np.float32))
    light = directions().reshape(-1, 3)
    for row, column in ((0, 0), (9, 30), (31, 5)):
        n = directions()[row, column]
        half = light + n
        half = half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12)
        for level, roughness in enumerate((0.2, 0.4, 0.6, 0.8, 1.0), start=1):
            a2 = roughness**4
            weight = np.maximum(light @ n, 0.0) / ((half @ n) ** 2 * (a2 - 1.0) + 1.0) ** 2
            weight = weight * np.repeat(solid_angles(), 64)
            expected = weight @ radiance.reshape(-1, 3) / weight.sum()
            np.testing.assert_allclose(levels[level, row, column], expected, rtol=1e-4)


def test_blur_conserves_energy_and_turns_with_its_image() -> None:
    white = prefiltered(np.ones((32, 64, 3)))
    np.testing.assert_allclose(white, 1.0, atol=1e-5)
    radiance = some_radiance(2)
    turned = prefiltered(np.roll(radiance, 7, axis=1))
    np.testing.assert_allclose(turned, np.roll(prefiltered(radiance), 7, axis=2), atol=1e-4)


def test_look_up_finds_the_pixel_of_a_direction() -> None:
    levels = prefiltered(some_radiance(3))
    for row, column in ((0, 0), (5, 63), (16, 32), (31, 11)):
        y, x = place(tuple(directions()[row, column]))
        for level, roughness in ((0, 0.0), (2, 0.4), (5, 1.0)):
            found = surroundings(levels, y, x, roughness)
            np.testing.assert_allclose(found, levels[level, row, column], rtol=1e-3, atol=1e-4)


def test_both_look_ups_agree() -> None:
    levels = prefiltered(some_radiance(5))
    for d in even_directions(50):
        for roughness in (0.0, 0.33, 1.0):
            found = surroundings(levels, *place(tuple(d)), roughness)
            np.testing.assert_allclose(seen(levels, d, roughness), found, rtol=1e-4, atol=1e-5)


def test_look_up_is_continuous_across_the_seam() -> None:
    levels = prefiltered(some_radiance(4))
    for up in (-0.99, 0.2, 0.99):
        side = np.sqrt(1.0 - up * up)
        left, right = (
            surroundings(levels, *place((s * 1e-7, up, -side)), 0.3) for s in (-1.0, 1.0)
        )
        np.testing.assert_allclose(left, right, rtol=1e-4)


def test_panel_has_its_solid_angle() -> None:
    """Of a rectangle of half tangents a and b: 4 asin(ab / sqrt((1 + a²)(1 + b²)))."""
    for towards in (np.array([0.0, 0.0, 1.0]), np.array([-0.6, 0.64, 0.48])):
        a, b = 0.5, 0.3
        area = (panel(towards, a, b)[..., 0] * AREA).sum()
        exact = 4.0 * np.arcsin(a * b / np.sqrt((1.0 + a * a) * (1.0 + b * b)))
        assert area == pytest.approx(exact, rel=0.08)


def test_twelve_scenes_are_radiance_and_repeat() -> None:
    assert len(SCENES) == 12 and sum(chance for chance, _ in SCENES) == pytest.approx(1.0)
    for _, scene in SCENES:
        first, again = (scene(np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first.radiance, again.radiance)
        assert first.radiance.shape == (32, 64, 3) and np.isfinite(first.radiance).all()
        assert first.radiance.min() >= 0.0 and first.radiance.max() < 60.0
        assert np.linalg.norm(first.direction) == pytest.approx(1.0)


@pytest.mark.parametrize("light", [studio_light(), sample_light(np.random.default_rng(8))])
def test_ambient_light_is_that_of_the_environment(light: Light) -> None:
    assert light.environment is not None
    found = project_environment(light.environment.radiance.astype(np.float64))
    np.testing.assert_allclose(found, light.ambient, atol=2e-3)
    dim = scaled(light, 0.5)
    assert dim.environment is not None
    np.testing.assert_allclose(reflections(dim), 0.5 * reflections(light), rtol=2e-3, atol=1e-4)


def test_light_without_environment_gets_a_lamp_and_keeps_its_harmonics() -> None:
    even = project_light(directions().reshape(-1, 3), np.ones((2048, 3)) * 0.0)
    even[0], even[1], even[2], even[3] = 2.6, 0.35, 0.5, -0.45
    light = Light(even, *NO_KEY)
    image = imagined(light)
    assert image.min() >= 0.0
    np.testing.assert_allclose(project_environment(image)[:4], even[:4], atol=0.12)
    peak = directions().reshape(-1, 3)[image.mean(-1).argmax()]
    assert peak[0] < -0.2 and peak[1] > 0.2 and peak[2] > 0.2
    assert image.max() > 4.0 * np.median(image)


def test_flat_light_has_a_lamp_with_its_share() -> None:
    """Nearly undirected light: `LEAST_LAMP` of its mean radiance comes from few pixels."""
    ambient = np.zeros((9, 3))
    ambient[0], ambient[2] = 3.0, 0.31
    image = imagined(Light(ambient, *NO_KEY))
    lamp = image[..., 0] > 5.0 * np.median(image)
    mean = (image[..., 0] * AREA)[lamp].sum() / (image[..., 0] * AREA).sum()
    assert 0 < lamp.mean() < 0.01
    assert 0.7 * LEAST_LAMP < mean < 1.4 * LEAST_LAMP


def test_uniform_light_needs_no_lamp() -> None:
    ambient = np.zeros((9, 3))
    ambient[0] = np.sqrt(4.0 * np.pi)
    np.testing.assert_allclose(imagined(Light(ambient, *NO_KEY)), 1.0, atol=1e-6)
    assert imagined(Light(np.zeros((9, 3)), *NO_KEY)).max() == 0.0
