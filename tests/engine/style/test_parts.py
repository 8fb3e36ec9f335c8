"""Parts in a style: large clean irises, locks and cloth of few tones, solid hair in every style."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from thinned import thinned

from portraiture.engine.build import build_bust
from portraiture.engine.face.iris import EYE_POWER, EYE_REACH, iris_angle
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.eyes import SIZE, paint_style_eye
from portraiture.engine.style.parts import paint_lock, restyle_part
from portraiture.engine.style.recipes import RECIPES, STYLES
from portraiture.types import Bust, Style

Busts = Callable[[Style], Bust]
STYLED = [style for style in STYLES if style != "natural"]
PERSON = replace(
    sample_parameters(11), hair_style="long_wavy", beard_style="full_beard", glasses_style="none"
)
"""Everything solid at once."""


@pytest.fixture(scope="module")
def busts() -> Busts:
    return cache(lambda style: build_bust(PERSON, style=style, texture_size=256))


@pytest.mark.parametrize("style", thinned(STYLED))
def test_hair_brows_beard_and_lids_are_solid(busts: Busts, style: Style) -> None:
    for name in ("hair", "brows", "beard"):
        assert busts("natural").part(name).material.alpha_mode == "mask"
        assert busts(style).part(name).material.alpha_mode == "opaque"
        assert (busts(style).part(name).material.base_color[..., 3] == 255).all()
    lids = busts(style).part("lashes").material
    assert (lids.base_color[..., :3] == lids.base_color[0, 0, :3]).all()


@pytest.mark.parametrize("style", thinned(STYLED))
def test_expressions_move_lids_mouth_and_brows(busts: Busts, style: Style) -> None:
    """As far as in nature or farther, in the same direction."""
    for part, action, axis in (
        ("lashes", "eyeBlinkLeft", 1), ("skin", "jawOpen", 1), ("beard", "jawOpen", 1),
        ("brows", "browInnerUp", 1), ("skin", "mouthSmileLeft", 0), ("brows", "browDownLeft", 1),
    ):  # fmt: skip
        natural, styled = (busts(s).part(part).morphs[action].deltas for s in ("natural", style))
        ahead = natural[np.abs(natural[:, axis]).argmax(), axis]
        own = styled[np.abs(styled[:, axis]).argmax(), axis]
        assert own / ahead > 0.6, (part, action)


@pytest.mark.parametrize("style", thinned(STYLED))
def test_the_beard_follows_the_jaw_as_the_skin_does(busts: Busts, style: Style) -> None:
    """Vertices of the beard on the chin move like the nearest skin, compared with all of it."""
    beard, skin = busts(style).part("beard"), busts(style).part("skin")
    moved = [np.zeros_like(part.vertices) for part in (beard, skin)]
    for out, part in zip(moved, (beard, skin), strict=True):
        morph = part.morphs["jawOpen"]
        out[morph.indices] = morph.deltas
    chosen, compared = np.flatnonzero(np.abs(beard.vertices[:, 0]) < 0.01)[::10], 0
    for vertex in chosen:
        near = np.linalg.norm(skin.vertices - beard.vertices[vertex], axis=1).argmin()
        if np.linalg.norm(skin.vertices[near] - beard.vertices[vertex]) < 0.006:
            assert np.linalg.norm(moved[0][vertex] - moved[1][near]) < 0.012
            compared += 1
    assert compared > 0


def test_hair_of_an_asset_gets_the_finish_and_solid_hair_has_it(busts: Busts) -> None:
    hair = busts("natural").part("hair")
    assert restyle_part(hair, "natural") is hair
    assert restyle_part(hair, "comic").material.finish == RECIPES["comic"].finish
    assert busts("comic").part("hair").material.finish == RECIPES["comic"].finish


@pytest.mark.parametrize("style", STYLED)
def test_irises_grow_and_keep_their_colour(style: Style) -> None:
    recipe = RECIPES[style]
    for melanin, warm in ((0.05, False), (0.75, True)):
        person = AvatarParameters(iris_melanin=melanin, iris_green=0.0)
        limbus = recipe.iris * iris_angle(person)
        image = paint_style_eye(person, recipe, limbus, lit=-1.0).astype(float)
        y, x = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE - 0.5
        angle = EYE_REACH * np.minimum(2 * np.hypot(x, y), 1) ** (1 / EYE_POWER)
        ring = (angle > 0.62 * limbus) & (angle < 0.72 * limbus) & (np.abs(x) > 2 * np.abs(y))
        red, _, blue = np.median(image[ring], axis=0)
        assert (red > blue) == warm
        white = (angle > 1.25 * limbus) & (angle < 1.5 * limbus) & (y > 0)
        assert image[white].min() > 200


def test_a_lock_has_three_tones_when_drawn_and_ink_between_locks() -> None:
    rgb = np.array([0.45, 0.3, 0.2])
    cartoon, comic, pixar = (
        paint_lock(rgb, RECIPES[style])[..., :3].astype(int)
        for style in ("cartoon", "comic", "pixar")
    )

    def tones(image: np.ndarray) -> int:
        counts = np.unique(image.reshape(-1, 3) // 12, axis=0, return_counts=True)[1]
        return int((counts > 0.02 * counts.sum()).sum())

    assert tones(cartoon) <= 4 < tones(pixar)
    assert comic[:, -1].max() < 0.5 * cartoon[:, -1].max()
