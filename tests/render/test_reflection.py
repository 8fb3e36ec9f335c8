"""Reflection: samples against their density, lobes against energy, tables against integrals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from from_python import from_python
from scipy.stats import chi2
from shapes import CAMERA, KEY, UNIFORM, bust, linear, material, sphere

from portraiture.render import brdf_numba as brdf
from portraiture.render import eye_numba, hair_numba
from portraiture.render import reflection_numba as reflection
from portraiture.render.harmonics import even_directions
from portraiture.render.mesh import render_bust
from portraiture.render.split_sum import (
    half_vectors,
    reflectance_table,
    rough_reflectance,
    smith,
)
from portraiture.types import Light

fibre, through_cornea = from_python(hair_numba.fibre), from_python(eye_numba.through_cornea)
reflectance, fresnel = from_python(reflection.reflectance), from_python(brdf.fresnel)
ggx, tone, wrapped = (from_python(f) for f in (brdf.ggx, brdf.tone, brdf.wrapped))
TABLE = reflectance_table()
SPHERE = even_directions(20000)


def tilted(cosine: float) -> np.ndarray:
    return np.array([np.sqrt(1.0 - cosine * cosine), 0.0, cosine])


def visible_density(half: np.ndarray, view: np.ndarray, alpha: float) -> np.ndarray:
    """Density of the normals visible from `view` (Heitz 2014, eq. 16)."""
    d = alpha**2 / (np.pi * (half[..., 2] ** 2 * (alpha**2 - 1.0) + 1.0) ** 2)
    masking = 1.0 / (1.0 + smith(np.array(view[2]), np.array(alpha)))
    return masking * np.maximum(half @ view, 0.0) * d / view[2]


@pytest.mark.parametrize("alpha", (0.15, 0.5, 1.0))
@pytest.mark.parametrize("cosine", (0.3, 0.8, 1.0))
def test_ggx_samples_have_their_density(alpha: float, cosine: float) -> None:
    """χ² over equal-area bins; the seed is fixed, so that it passes or fails for good."""
    count, rows, columns, fine = 40_000, 12, 16, 24
    view = tilted(cosine)
    uniform = np.random.default_rng(3).random((count, 2))
    h = half_vectors(np.tile(view, (count, 1)), np.full(count, alpha), uniform)
    turn = np.arctan2(h[:, 1], h[:, 0]) / (2.0 * np.pi) % 1.0
    seen, _, _ = np.histogram2d(h[:, 2], turn, (rows, columns), ((0.0, 1.0), (0.0, 1.0)))
    z = (np.arange(rows * fine) + 0.5) / (rows * fine)
    p = 2.0 * np.pi * (np.arange(columns * fine) + 0.5) / (columns * fine)
    r = np.sqrt(1.0 - z * z)[:, None]
    grid = np.stack([r * np.cos(p), r * np.sin(p), z[:, None] + 0.0 * p], axis=-1)
    density = visible_density(grid, view, alpha).reshape(rows, fine, columns, fine).mean((1, 3))
    expected = density / density.sum() * count
    assert density.mean() * 2.0 * np.pi == pytest.approx(1.0, abs=0.02)
    large = expected > 8.0
    statistic = ((seen - expected)[large] ** 2 / expected[large]).sum()
    assert statistic < chi2.ppf(0.999, large.sum() - 1)


@pytest.mark.parametrize("roughness", (0.45, 0.7, 1.0))
@pytest.mark.parametrize("ndv", (0.3, 0.6, 0.95))
def test_table_integrates_the_lobe(roughness: float, ndv: float) -> None:
    """Against the integral over the hemisphere of D G F / (4 n·v), G of both sides together, with
    Schlick's F; the kernel's lobe, whose G is approximate, is nearby where not grazing."""
    alpha, view = np.array(roughness**2), tilted(ndv)
    light = SPHERE[SPHERE[:, 2] > 0.0]
    half = light + view
    half = half / np.linalg.norm(half, axis=1, keepdims=True)
    d = alpha**2 / (np.pi * (half[:, 2] ** 2 * (alpha**2 - 1.0) + 1.0) ** 2)
    g = 1.0 / (1.0 + smith(np.array(ndv), alpha) + smith(light[:, 2], alpha))
    f = 0.04 + 0.96 * (1.0 - half @ view) ** 5
    expected = (d * g * f).mean() / (4.0 * ndv) * 2.0 * np.pi
    found = reflectance(TABLE, 0.04, roughness, ndv)
    again = 0.04 * (1.0 / TABLE.sum(-1).min() - 1.0)  # most that is reflected twice
    assert expected - 0.003 < found < expected * (1.0 + again) + 0.003
    lobe = [
        ggx(h[2], v[2], ndv, roughness**2) * fresnel(0.04, h @ view) * v[2]
        for v, h in zip(light[::8], half[::8], strict=True)
    ]
    assert np.mean(lobe) * 2.0 * np.pi == pytest.approx(expected, abs=0.025)


def test_no_surface_reflects_more_than_it_receives() -> None:
    """One scattering keeps a part of the light; with all of them a perfect mirror returns it."""
    single = TABLE.sum(-1)
    assert single.max() <= 1.0 + 1e-9 and TABLE.min() >= 0.0
    assert single[-1, 6] < 0.7
    for roughness in (0.0, 0.33, 0.71, 1.0):
        for ndv in (0.05, 0.5, 1.0):
            assert reflectance(TABLE, 1.0, roughness, ndv) == pytest.approx(1.0, abs=1e-9)
            found = reflectance(TABLE, 0.028, roughness, ndv)
            assert 0.0 < found < 1.0
            assert rough_reflectance(0.028, roughness, np.array(ndv)) == pytest.approx(found)


@pytest.mark.parametrize("width", (0.1, 0.4, 0.75))
def test_wrapped_diffuse_returns_the_albedo(width: float) -> None:
    """Over all directions of light, (1 + w²/3) times the cosine's pi: skin divides by it."""
    total = np.mean([wrapped(c, width) for c in SPHERE[::5, 2]]) * 4.0 * np.pi
    assert total / (1.0 + width * width / 3.0) == pytest.approx(np.pi, rel=2e-3)


@pytest.mark.parametrize("roughness", (0.3, 0.6, 0.9))
@pytest.mark.parametrize("along", (-0.7, 0.0, 0.5))
def test_each_lobe_of_a_fibre_conserves_energy(roughness: float, along: float) -> None:
    """Integrals over the sphere of light; all lobes together scatter at most all light."""
    tangent, view = (1.0, 0.0, 0.0), (along, 0.0, float(np.sqrt(1.0 - along * along)))
    lobes = np.array([fibre(tangent, view, tuple(d), roughness, 0.0)[:3] for d in SPHERE[::2]])
    white, coloured, through = lobes.mean(0) * 4.0 * np.pi
    assert 0.02 < white < 0.25
    assert 0.01 < coloured < 0.15
    assert 0.3 < through < 1.0
    assert white + coloured + through < 1.0


@pytest.mark.parametrize("roughness", (0.2, 0.6, 1.0))
def test_furnace_of_metal(roughness: float) -> None:
    """A white metal sphere under uniform light of radiance 1 is as bright as the light."""
    look = material((255, 255, 255), metallic=1.0, roughness_factor=roughness)
    frame = render_bust(bust(sphere(look)), CAMERA, size=64, light=UNIFORM, supersample=1)
    inner = frame.normal[..., 2] > 0.5
    assert np.abs(linear(frame.rgba[..., :3][inner]) - tone(1.0)).max() < 0.01


@pytest.mark.parametrize("kind", ("plain", "skin", "cloth", "mouth", "eye", "hair"))
def test_furnace_of_every_kind(kind: str) -> None:
    """Under uniform light nothing is brighter than the light, and no more than its gloss above its
    albedo."""
    look = material((188, 188, 188), kind=kind, roughness_factor=0.4)
    frame = render_bust(bust(sphere(look)), CAMERA, size=64, light=UNIFORM, supersample=1)
    inner = frame.normal[..., 2] > 0.5
    seen = linear(frame.rgba[..., :3][inner])
    albedo = linear(np.array(188 / 255.0))
    assert seen.max() < min(tone(1.0), albedo + 0.12) and seen.min() > 0.6 * albedo


def eyeball(light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and normals of a black wet sphere."""
    look = material((0, 0, 0), kind="eye", roughness_factor=0.06)
    frame = render_bust(bust(sphere(look)), CAMERA, size=96, light=light, supersample=1)
    return linear(frame.rgba[..., :3]).mean(-1), frame.normal


@pytest.mark.parametrize("ambient_only", (False, True))
def test_eyes_have_a_catchlight_where_they_mirror_the_lamp(ambient_only: bool) -> None:
    """At the half vector of view and key light; at a guess of it if all that is known is SH."""
    towards = np.array([-0.5, 0.5, 0.7]) / np.linalg.norm([-0.5, 0.5, 0.7])
    light = replace(KEY, key_direction=towards)
    if ambient_only:
        ambient = np.zeros((9, 3))
        ambient[0], ambient[[3, 1, 2]] = 2.6, 0.9 * towards[:, None]
        light = Light(ambient, towards, np.zeros(3))
    seen, normal = eyeball(light)
    seen = np.where(normal[..., 2] > 0.5, seen, 0.0)
    spot = normal[np.unravel_index(seen.argmax(), seen.shape)]
    half = towards + np.array([0.0, 0.0, 1.0])
    half = half / np.linalg.norm(half)
    assert spot @ half > np.cos(0.25)
    facing = seen[normal[..., 2] > 0.5]
    assert facing.max() > 8.0 * np.median(facing) and facing.max() > 0.05
    assert (facing > 0.5 * facing.max()).mean() < 0.1


def test_iris_is_refracted_by_snells_law() -> None:
    """A ray bends towards the normal at the cornea, and meets the iris behind."""
    n, tangent, light = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    for angle in (0.0, 0.3, 0.9):
        view = (float(np.sin(angle)), 0.0, float(np.cos(angle)))
        u, v, _ = through_cornea(0.5, 0.5, n, tangent, 1.0, view, light)
        inside = np.arcsin(np.sin(angle) / eye_numba.AQUEOUS_IOR)
        assert u == pytest.approx(0.5 - eye_numba.CHAMBER * np.tan(inside), abs=1e-9)
        assert v == 0.5
    edge = 0.5 + eye_numba.IRIS_RADIUS
    assert through_cornea(edge, 0.5, n, tangent, 1.0, (0.6, 0.0, 0.8), light) == (edge, 0.5, 1.0)


def test_iris_glows_opposite_to_the_light() -> None:
    n, tangent, view = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    light = (-0.6, 0.0, 0.8)
    left, right = (
        through_cornea(0.5 + s * 0.1, 0.5, n, tangent, 1.0, view, light)[2] for s in (-1.0, 1.0)
    )
    assert right > 1.0 > left
