"""Styles: natural changes nothing; the others bend space smoothly and keep the lids shut."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import load_prior
from portraiture.engine.shape import shape_head
from portraiture.engine.shapes import SHAPES
from portraiture.engine.styles import STYLES, bend_head, restyle_parameters, restyle_part
from portraiture.types import Material, Part, Style

PERSON = AvatarParameters(sex=0.2, age=0.6, shape={"nose_hump": 0.9, "chin_width": 0.8})


def _part(color: np.ndarray) -> Part:
    alpha = np.full((*color.shape[:2], 1), 255, np.uint8)
    material = Material("skin", np.concatenate([color, alpha], 2))
    return Part(
        "skin",
        np.zeros((3, 3), np.float32),
        np.array([[0, 1, 2]], np.int32),
        np.zeros((3, 3), np.float32),
        np.zeros((3, 2), np.float32),
        material,
        np.zeros(1, np.uint8),
        np.zeros((3, 4), np.uint8),
        np.zeros((3, 4), np.float32),
    )


def test_natural_is_the_identity() -> None:
    shape = shape_head(PERSON)
    assert bend_head(shape, PERSON, "natural") is shape
    assert restyle_parameters(PERSON, "natural") == PERSON
    part = _part(np.zeros((4, 4, 3), np.uint8))
    assert restyle_part(part, "natural") is part


@pytest.mark.parametrize("style", [s for s in STYLES if s != "natural"])
def test_bending_keeps_triangles_from_turning_over(style: Style) -> None:
    shape = shape_head(PERSON)
    bent = bend_head(shape, PERSON, style)

    def normals(points: np.ndarray) -> np.ndarray:
        a, b, c = (points[shape.faces[:, k]] for k in range(3))
        n = np.cross(b - a, c - a)
        return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)

    agree = (normals(shape.skin) * normals(bent.skin)).sum(1)
    assert (agree > 0).mean() > 0.995
    assert np.abs(bent.skin - shape.skin).max() > 0.003


@pytest.mark.parametrize("style", ["pixar", "cartoon"])
def test_lids_close_over_bigger_eyes(style: Style) -> None:
    """The eye opening's share that a blink closes is the same as in nature."""
    shape = shape_head(PERSON)
    bent = bend_head(shape, PERSON, style)
    delta = shape.action_deltas("eyeBlinkLeft")
    vertex = int(np.argmin(delta[:, 1]))
    travelled = bent.action_deltas("eyeBlinkLeft")[vertex, 1] / delta[vertex, 1]
    names = shape.model.joint_names
    eye = names.index("leftEye")
    near = np.linalg.norm(shape.vertices - shape.joints[eye], axis=1) < 0.016
    growth = np.ptp(bent.vertices[near], axis=0)[1] / np.ptp(shape.vertices[near], axis=0)[1]
    assert np.isclose(travelled, growth, rtol=0.15) and growth > 1.2


def test_caricature_moves_away_from_the_mean_and_not_the_mean_itself() -> None:
    average = {n: 0.5 + 0.5 * float(m) for n, m in zip(SHAPES, load_prior().mean, strict=True)}
    mean = AvatarParameters(sex=0.0, age=0.6, shape=average)
    shape = shape_head(mean)
    still = bend_head(shape, mean, "comic")
    plain = bend_head(shape_head(PERSON), PERSON, "comic")
    assert (
        np.abs(still.vertices - shape.vertices).max()
        < np.abs(plain.vertices - shape.vertices).max()
    )


def test_posterising_reduces_shades_and_keeps_grey_grey() -> None:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    color = np.repeat(np.tile(ramp, (256, 1))[:, :, None], 3, axis=2)
    out = restyle_part(_part(color), "comic").material.base_color[:, :, :3]
    assert np.array_equal(out[..., 0], out[..., 1])
    steps = np.abs(np.diff(out[128, 20:-20, 0].astype(int)))
    assert (steps == 0).mean() > 0.5


def test_smoothing_keeps_a_strong_edge_and_removes_noise() -> None:
    rng = np.random.default_rng(0)
    color = np.full((128, 128, 3), 60.0)
    color[:, 64:] = 190
    noisy = np.clip(color + rng.normal(0, 4, color.shape), 0, 255).astype(np.uint8)
    out = restyle_part(_part(noisy), "pixar").material.base_color[..., :3].astype(float)
    assert out[40:90, 10:40].std() < 0.5 * noisy[40:90, 10:40].std()
    assert out[64, 70:].mean() - out[64, :58].mean() > 110
