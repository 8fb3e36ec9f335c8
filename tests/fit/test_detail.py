"""Details inferred from painted faces whose details are known, of which a part is hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.engine.head import load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.engine.skin.appearance import load_appearance, window_of
from portraiture.engine.skin.layout import anatomy
from portraiture.engine.skin.paint import paint_skin
from portraiture.engine.skin.sample import sample_detail
from portraiture.fit.detail import infer_details, skin_detail
from portraiture.fit.light import decode

SIZE = 1024
PLAIN = AvatarParameters(sex=0.1, age=0.65, skin_melanin=0.2)


@pytest.fixture(scope="module")
def shape() -> HeadShape:
    return shape_head(PLAIN)


@pytest.fixture(scope="module")
def sideways(shape: HeadShape) -> np.ndarray:
    """A mask that shows the right half of the face and a little more."""
    x = anatomy(shape.model, SIZE).position[..., 0]
    return ((x < 3.0) & (anatomy(shape.model, SIZE).position[..., 2] > -60.0)).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1])
def test_half_a_face_gives_the_details_of_the_other(
    shape: HeadShape, sideways: np.ndarray, seed: int
) -> None:
    even = load_appearance().even
    names = [n for n, e in zip(sample_detail(np.random.default_rng(0)), even, strict=True) if e]
    sampled = sample_detail(np.random.default_rng(seed))
    person = replace(PLAIN, detail={name: sampled[name] for name in names})
    truth = paint_skin(person, shape).albedo
    found = infer_details(PLAIN, truth, sideways, shape.model)
    guess = paint_skin(found, shape).albedo
    hidden = (sideways[window_of(SIZE)] == 0) & (load_appearance().strength(SIZE) > 0.9)

    def error(albedo: np.ndarray) -> float:
        away = np.log(decode(albedo)) - np.log(decode(truth))
        return float((away[window_of(SIZE)][hidden] ** 2).mean())

    assert error(guess) < 0.72 * error(paint_skin(PLAIN, shape).albedo)


def test_an_unseen_face_gets_what_is_expected(shape: HeadShape) -> None:
    albedo = paint_skin(PLAIN, shape).albedo
    found = infer_details(PLAIN, albedo, np.zeros((SIZE, SIZE), np.float32), shape.model)
    assert max(abs(v - 0.5) for v in found.detail.values()) < 1e-6


def test_a_beard_hides_the_skin_below_it(shape: HeadShape) -> None:
    albedo = paint_skin(PLAIN, shape).albedo.copy()
    y = anatomy(shape.model, SIZE).position[..., 1]
    albedo[(y < -50.0) & (y > -110.0)] //= 3
    mask = np.ones((SIZE, SIZE), np.float32)
    bearded = replace(PLAIN, beard_style="full_beard")
    far = {
        p.beard_style: sum(
            (v - 0.5) ** 2 for v in infer_details(p, albedo, mask, shape.model).detail.values()
        )
        for p in (PLAIN, bearded)
    }
    assert far["full_beard"] < 0.75 * far["none"]


def test_hidden_texels_have_no_weight(shape: HeadShape, sideways: np.ndarray) -> None:
    model = load_head()
    albedo = paint_skin(PLAIN, shape).albedo
    values, weights = skin_detail(albedo, sideways[window_of(SIZE)], model)
    assert values.shape == weights.shape == load_appearance().inside.shape
    luma = weights[: 203 * 240].reshape(203, 240)
    assert luma[:, 130:].max() < 1e-6 and luma.max() > 0.9
    assert np.isfinite(values).all() and np.abs(values).max() < 3.0
