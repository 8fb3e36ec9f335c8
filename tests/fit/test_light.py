"""Light and tone: known light on synthetic skin is found again, and gloss leaves the albedo;
transfer curves are exact."""

from __future__ import annotations

import numpy as np
from shapes import CAMERA, bust, linear, material, sphere

from portraiture.engine.skin.tone import tone_table
from portraiture.fit.light import (
    CAST_KEPT,
    decode,
    encode,
    exposure,
    fit_light,
    fit_tone,
    gloss,
    radiance,
    shading,
    without_cast,
    without_gloss,
)
from portraiture.render.harmonics import diffuse_ambient
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import Light


def face_normals(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = rng.normal(size=(count, 3)) * [0.5, 0.4, 0.15] + [0.0, 0.0, 0.8]
    return n / np.linalg.norm(n, axis=1, keepdims=True)


def white_light(seed: int) -> Light:
    rng = np.random.default_rng(seed)
    shape = np.concatenate([[2.6], rng.uniform(-0.5, 0.5, 3), rng.uniform(-0.1, 0.1, 5)])
    shape[2] = 0.6
    return Light(np.tile(shape[:, None], (1, 3)), np.array([0.0, 0.0, 1.0]), np.zeros(3))


def test_known_white_light_is_found() -> None:
    normals = face_normals(4000)
    albedo = np.tile([0.5, 0.3, 0.2], (len(normals), 1))
    for seed in range(3):
        light = white_light(seed)
        truth = diffuse_ambient(light.ambient, normals)
        found = fit_light(albedo * truth, normals, albedo)
        ratio = diffuse_ambient(found.ambient, normals) / truth
        assert np.quantile(np.abs(ratio - 1.0), 0.99) < 0.1
        assert ratio.std() < 0.03


def test_outliers_hardly_matter() -> None:
    normals = face_normals(4000)
    albedo = np.tile([0.5, 0.3, 0.2], (len(normals), 1))
    truth = diffuse_ambient(white_light(1).ambient, normals)
    colours = albedo * truth
    colours[::12] *= 0.1
    found = fit_light(colours, normals, albedo)
    ratio = diffuse_ambient(found.ambient, normals) / truth
    assert abs(ratio.mean() - 1.0) < 0.05


def test_part_of_a_colour_cast_is_the_skins() -> None:
    normals = face_normals(2000)
    albedo = np.tile([0.4, 0.4, 0.4], (len(normals), 1))
    cast = np.array([1.2, 1.0, 0.8])
    truth = diffuse_ambient(white_light(2).ambient, normals)
    found = fit_light(albedo * truth * cast, normals, albedo)
    ratio = (diffuse_ambient(found.ambient, normals) / truth).mean(0)
    np.testing.assert_allclose(ratio / ratio[1], cast**CAST_KEPT, rtol=0.03)


def test_shading_never_gives_black_or_blinding_division() -> None:
    wild = Light(
        np.random.default_rng(3).normal(size=(9, 3)) * 3, np.array([0, 0, 1.0]), np.zeros(3)
    )
    wild.ambient[0] = 3.0
    white = shading(wild, face_normals(3000))
    assert white.min() > 0.0
    assert (white.max(0) / white.min(0)).max() <= 1.8 / 0.45 + 1e-9


def test_tone_of_a_known_skin() -> None:
    for undertone, melanin in ((0.5, 0.1), (0.5, 0.5), (0.35, 0.85)):
        table = tone_table(undertone)
        scale = table.shape[0] - 1
        row = round((0.03 + 0.94 * melanin) * scale)
        colour = table[row, round(0.26 * scale)]
        tone = fit_tone(colour)
        assert abs(tone.melanin - (row / scale - 0.03) / 0.94) < 0.06
        np.testing.assert_allclose(np.log(tone.albedo), np.log(colour), atol=0.08)


def test_cast_has_mean_one_and_tone_is_skin() -> None:
    tone, cast = without_cast(np.array([0.5, 0.3, 0.3]), 0.9)
    assert abs(np.log(cast).mean()) < 1e-9
    assert 0.0 <= tone.melanin <= 1.0


def test_encode_inverts_decode() -> None:
    codes = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)
    back = (encode(decode(codes)) * 255.0 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(back, codes)


def test_radiance_inverts_the_renderers_shoulder() -> None:
    for x in (0.2, 0.69, 0.75, 0.9, 1.0):
        shown = x if x <= 0.7 else 1.0 - 0.3 * np.exp((0.7 - x) / 0.3)
        image = np.full((1, 1, 3), int(encode(np.array(shown)) * 255.0 + 0.5), np.uint8)
        np.testing.assert_allclose(radiance(image), x, atol=0.012)


def test_exposure_of_the_studio() -> None:
    """The same sum, written out."""
    light = studio_light()
    n = np.array([[0.0, 0.0, 1.0]])
    key = max(float(light.key_direction[2]), 0.0) * light.key_color
    assert np.isclose(exposure(n), (diffuse_ambient(light.ambient, n)[0] + key).mean())


def glossy_sphere() -> tuple[np.ndarray, np.ndarray, np.ndarray, Light]:
    """Linear radiance, normals and mask of an image of skin of known albedo, and its light."""
    direction = np.array([-0.45, 0.5, 0.74])
    ambient = np.zeros((9, 3))
    ambient[0], ambient[[3, 1, 2]] = 2.4, 0.8 * direction[:, None]
    light = Light(ambient, np.array([0.0, 0.6, 0.8]), np.zeros(3))
    look = material((150, 110, 90), kind="skin", roughness_factor=0.5)
    frame = render_bust(bust(sphere(look, steps=96)), CAMERA, size=128, light=light, supersample=1)
    inside = frame.normal[..., 2] > 0.45
    normal = np.where(inside[..., None], frame.normal, [0.0, 0.0, 1.0]).astype(np.float64)
    return linear(frame.rgba[..., :3].astype(np.float64)), normal, inside, light


def test_gloss_leaves_the_albedo() -> None:
    """Of a rendered glossy sphere in known light: the error at the highlight, with and without."""
    colour, normal, inside, light = glossy_sphere()
    view = np.array([0.0, 0.0, 1.0])
    truth = linear(np.array([150, 110, 90]) / 255.0)
    matt = without_gloss(colour, normal, inside.astype(float), light, view)
    bright = inside & (gloss(light, normal, view).mean(-1) > 0.015)
    assert bright.sum() > 100
    before, after = (
        np.abs(c / diffuse_ambient(light.ambient, normal) - truth)[bright].mean()
        for c in (colour, matt)
    )
    assert before > 0.015
    assert after < 0.5 * before


def test_matt_skin_keeps_its_colour() -> None:
    """Where the photo shows no highlight, none is subtracted."""
    _, normal, inside, light = glossy_sphere()
    flat = np.array([0.3, 0.2, 0.15]) * shading(light, normal)
    matt = without_gloss(flat, normal, inside.astype(float), light, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(matt[inside], flat[inside], rtol=0.02)
