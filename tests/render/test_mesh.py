"""The mesh renderer against closed forms: spheres, uniform light, planes at known depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapes import CAMERA, KEY, UNIFORM, WHITE, bust, card, linear, material, part, sphere

from portraiture.camera import look_at, pinhole, project
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import Camera, Light, Material, Morph, Part, Segment


@pytest.mark.parametrize("kind", ("plain", "skin", "cloth"))
@pytest.mark.parametrize("colour", ((200, 150, 120), (110, 75, 55)))
def test_uniform_white_light_returns_the_albedo(kind, colour):
    frame = render_bust(
        bust(card(material(colour, kind=kind), 0.0)), CAMERA, size=32, light=UNIFORM
    )
    expected = np.array(colour) / 255.0
    assert np.abs(frame.rgba[16, 16, :3] - expected).max() < 0.02


def test_key_light_is_lambertian_on_a_sphere():
    """A matte plain sphere lit from the camera: albedo times the cosine, away from the rim."""
    look = material((150, 150, 150), roughness_factor=1.0)
    frame = render_bust(bust(sphere(look)), CAMERA, size=96, light=KEY, supersample=1)
    cosine = frame.normal[..., 2]
    inner = cosine > 0.5
    expected = linear(np.array(150 / 255.0)) * cosine[inner]
    assert inner.sum() > 1000
    assert np.abs(linear(frame.rgba[..., 0][inner]) - expected).max() < 0.03


def test_depth_normal_and_position_of_a_sphere():
    frame = render_bust(bust(sphere(material(), steps=96)), CAMERA, size=(80, 64))
    y, x = np.mgrid[:80, :64] + 0.5
    ray = np.stack([(x / 64 - 0.5) / 3.0, -(y / 80 - 0.5) / 3.0, -np.ones_like(x)], -1)
    origin = np.array([0.0, 0.0, 1.5])
    a, b, c = (ray**2).sum(-1), ray @ origin, origin @ origin - 0.15**2
    disc = b * b - a * c
    depth = np.where(disc > 0, (-b - np.sqrt(np.maximum(disc, 0))) / a, np.inf)
    sure = disc > 0.02 * disc.max()
    np.testing.assert_allclose(frame.depth[sure], depth[sure], atol=4e-4)
    assert np.isinf(frame.depth[disc < -0.02 * disc.max()]).all()
    normal = (origin + depth[sure, None] * ray[sure]) / 0.15
    assert np.abs(frame.normal[sure] - normal).max() < 0.03
    assert (frame.normal[np.isinf(frame.depth)] == 0).all()


def test_maps_are_those_of_the_nearest_part():
    near = card(material(), 0.1, 0.05, Segment.HAIR, "near")
    far = card(material(), 0.0, 0.2, Segment.CLOTH, "far")
    frame = render_bust(bust(far, near), CAMERA, size=60)
    middle, side, corner = (30, 30), (30, 12), (0, 0)
    assert [frame.part[p] for p in (middle, side, corner)] == [1, 0, -1]
    assert frame.segmentation[middle] == Segment.HAIR
    assert frame.segmentation[side] == Segment.CLOTH
    assert frame.segmentation[corner] == Segment.BACKGROUND
    assert frame.depth[middle] == pytest.approx(1.4, abs=1e-5)
    x = (12.5 / 60 - 0.5) / 3.0 * 1.5
    np.testing.assert_allclose(
        frame.uv[side], [x / 0.4 + 0.5, 0.5 - 0.5 / 60 / 3 * 1.5 / 0.4], atol=1e-5
    )


def test_alpha_of_edges_is_coverage_and_background_goes_under():
    """A card whose border cuts pixels in half covers them half, and shows half the background."""
    half = 8.5 / 32 / 3.0 * 1.5
    scene = bust(card(material((255, 255, 255), roughness_factor=1.0), 0.0, half))
    clear = render_bust(scene, CAMERA, size=32, light=UNIFORM).rgba
    assert clear[16, 16, 3] == 1.0 and clear[2, 2, 3] == 0.0
    assert clear[16, 7, 3] == 0.5
    black = render_bust(scene, CAMERA, size=32, light=UNIFORM, background=(0.0, 0.0, 0.0)).rgba
    assert (black[..., 3] == 1.0).all()
    full, edge = linear(black[16, 16, 0]), linear(black[16, 7, 0])
    assert edge == pytest.approx(0.5 * full, abs=0.02)


def test_key_light_throws_a_shadow():
    wall = card(material(), 0.0)
    blocker = card(material(double_sided=True), 0.1, 0.05, name="blocker")
    light = Light(np.zeros((9, 3)), np.array([0.6, 0.0, 0.8]), np.ones(3))
    camera = Camera(look_at(np.array([-0.9, 0.0, 1.2]), np.zeros(3)), pinhole(3.0))
    rgba = render_bust(bust(wall, blocker), camera, size=96, light=light).rgba
    points = np.array([[-0.075, 0.0, 0.0], [-0.075, 0.15, 0.0]])
    pixel = project(points, camera, (96, 96)).astype(int)
    dark, bright = (rgba[y, x, :3].max() for x, y, _ in pixel)
    assert dark < 0.05 and bright > 0.4


def test_ambient_light_is_occluded_in_a_corner():
    """Facing walls close together get less light between them than a free one."""
    floor = card(material((180, 180, 180)), 0.0)
    roof = card(material(double_sided=True), 0.04, 0.1, name="roof")
    free = render_bust(bust(floor), CAMERA, size=48, light=UNIFORM).rgba[24, 24, 0]
    camera = Camera(look_at(np.array([1.2, 0.0, 0.14]), np.zeros(3)), pinhole(3.0))
    many = _subdivided(floor, 20)
    scene = bust(many, roof)
    under = render_bust(scene, camera, size=96, light=UNIFORM)
    row, column = (project(np.zeros((1, 3)), camera, (96, 96))[0, :2]).astype(int)[::-1]
    assert under.part[row, column] == 0
    assert under.rgba[row, column, 0] < 0.6 * free


def _subdivided(flat: Part, n: int) -> Part:
    x, y = np.meshgrid(np.linspace(-0.2, 0.2, n), np.linspace(-0.2, 0.2, n))
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
    xy = np.column_stack([x.ravel(), y.ravel()])
    normals = np.tile([0.0, 0.0, 1.0], (n * n, 1))
    vertices = np.column_stack([xy, np.zeros(n * n)])
    return part(vertices, faces, normals, xy / 0.4 + 0.5, flat.material)


def test_alpha_tested_hole_shows_what_is_behind():
    texels = np.zeros((64, 64, 4), np.uint8)
    texels[..., :3], texels[:, :32, 3] = 200, 255
    look = Material("plain", texels, alpha_mode="mask", double_sided=True)
    frame = render_bust(bust(card(material(), 0.0), card(look, 0.1)), CAMERA, size=40)
    assert frame.part[20, 12] == 1 and frame.part[20, 28] == 0


def test_clear_glass_keeps_maps_but_takes_the_segment():
    wall = card(material((100, 100, 100), kind="skin"), 0.0)
    lens = material((0, 0, 0), kind="glass", alpha=10, alpha_mode="blend", roughness_factor=0.05)
    glass = card(lens, 0.1, 0.05, Segment.GLASSES)
    seen = render_bust(bust(wall, glass), CAMERA, size=40, light=UNIFORM)
    bare = render_bust(bust(wall), CAMERA, size=40, light=UNIFORM)
    assert seen.segmentation[20, 20] == Segment.GLASSES
    assert seen.part[20, 20] == 0 and seen.depth[20, 20] == bare.depth[20, 20]
    assert 0.0 < np.abs(seen.rgba[20, 20, :3] - bare.rgba[20, 20, :3]).max() < 0.12
    assert seen.rgba[20, 20, 3] == pytest.approx(1.0)


def test_blended_cards_composite_far_to_near():
    """Two half-opaque cards, given near first: 1/2 near + 1/4 far + 1/4 nothing."""
    near = card(material((255, 0, 0), alpha=128, alpha_mode="blend"), 0.1, name="near")
    far = card(material((0, 255, 0), alpha=128, alpha_mode="blend"), 0.0, name="far")
    light = replace(UNIFORM, ambient=WHITE * 0.5)
    pixel = render_bust(bust(near, far), CAMERA, size=24, light=light).rgba[12, 12]
    assert pixel[3] == pytest.approx(0.75, abs=0.01)
    rgb = linear(pixel[:3]) * pixel[3]
    assert rgb[0] == pytest.approx(0.25, abs=0.03) and rgb[1] == pytest.approx(0.125, abs=0.03)


def test_expression_moves_vertices():
    flat = card(material(), 0.0)
    morph = Morph(np.arange(4), np.tile(np.array([0, 0, 0.3], np.float32), (4, 1)))
    moved = replace(flat, morphs={"jawOpen": morph})
    depth = render_bust(bust(moved, jawOpen=0.5), CAMERA, size=16).depth[8, 8]
    assert depth == pytest.approx(1.35, abs=1e-5)


def test_landmarks_are_projected():
    points = np.random.default_rng(0).normal(0, 0.1, (478, 3)).astype(np.float32)
    scene = replace(bust(card(material(), 0.0)), landmarks=points)
    frame = render_bust(scene, CAMERA, size=(30, 50))
    np.testing.assert_allclose(frame.landmarks, project(points, CAMERA, (30, 50))[:, :2], atol=1e-3)


def test_backends_agree():
    scene = bust(sphere(material(), steps=12))
    a, b = (render_bust(scene, CAMERA, size=40, backend=name) for name in ("numba", "torch"))
    for name in ("rgba", "depth", "normal", "segmentation", "uv", "part"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("shading", ("natural", "soft", "toon", "ink", "paint"))
def test_every_style_gives_an_image(shading):
    scene = bust(sphere(material((180, 140, 120), kind="skin")))
    frame = render_bust(scene, CAMERA, size=33, supersample=2, shading=shading)
    assert np.isfinite(frame.rgba).all() and frame.rgba.min() >= 0 and frame.rgba.max() <= 1
    assert frame.rgba.dtype == np.float32 and frame.rgba.shape == (33, 33, 4)


def test_ink_draws_a_dark_outline():
    scene = bust(sphere(material((220, 200, 190))))
    toon, ink = (
        render_bust(scene, CAMERA, size=96, shading=s, background=(1, 1, 1)).rgba
        for s in ("toon", "ink")
    )
    assert ink[..., :3].max(2).min() < 0.3 < 0.5 < toon[..., :3].max(2).min()


def test_toon_shows_the_painted_colour_in_two_tones_and_a_light():
    """Over a sphere of one colour: few colours, and the shadow keeps two thirds of the light."""
    scene = bust(sphere(material((180, 140, 120), kind="skin"), steps=48))
    rgba = render_bust(scene, CAMERA, size=160, shading="toon", supersample=1).rgba
    seen = rgba[rgba[..., 3] > 0.5][:, :3]
    counts = np.unique((seen * 24).astype(int), axis=0, return_counts=True)[1]
    assert np.sort(counts)[::-1][:4].sum() > 0.75 * len(seen)
    brightness = seen.mean(1)
    assert brightness.min() > 0.6 * brightness.max()


def test_halftone_is_darker_where_there_is_less_light():
    """Share of dots by rows of a sphere lit from above: none on top, more below."""
    scene = bust(sphere(material((200, 190, 180), kind="skin"), steps=48))
    light = Light(studio_light().ambient, np.array([0.0, 0.8, 0.6]), studio_light().key_color)
    frame = render_bust(scene, CAMERA, size=240, shading="ink", light=light)
    column = slice(110, 130)
    rows = np.flatnonzero(frame.rgba[:, 120, 3] > 0.5)
    thirds = np.array_split(rows[8:-8], 3)
    means = [frame.rgba[third, column, :3].mean() for third in thirds]
    assert means[0] > means[1] > means[2]
    assert frame.rgba[thirds[2], column, :3].mean(2).std() > 0.02


def test_paint_flattens_texture_and_keeps_the_outline():
    rng = np.random.default_rng(0)
    noisy = material((180, 140, 120), kind="skin")
    color = noisy.base_color.copy()
    color[..., :3] = rng.integers(100, 220, (*color.shape[:2], 1))
    scene = bust(sphere(replace(noisy, base_color=color), steps=24))
    soft, paint = (render_bust(scene, CAMERA, size=120, shading=s).rgba for s in ("soft", "paint"))
    np.testing.assert_array_equal(soft[..., 3], paint[..., 3])

    def jitter(image: np.ndarray) -> float:
        inner = image[50:70, 50:70, 1]
        return float(np.abs(np.diff(inner, axis=1)).mean())

    assert jitter(paint) <= jitter(soft)


def test_same_input_same_bits():
    scene = bust(sphere(material(kind="hair", alpha_mode="mask")))
    again = bust(*scene.parts)
    a, b = (render_bust(s, CAMERA, size=40).rgba for s in (scene, again))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "bad", ({"size": 0}, {"supersample": 0}, {"shading": "oil"}, {"backend": "x"})
)
def test_bad_arguments_raise(bad):
    with pytest.raises(ValueError):
        render_bust(bust(card(material(), 0.0)), CAMERA, **{"size": 8, **bad})
