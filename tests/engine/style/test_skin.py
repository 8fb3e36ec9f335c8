"""Skin of styles: few tones where the style is flat, whatever the albedo showed there before; lips,
stubble and creases remain."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.engine.skin.layout import MASKS, anatomy
from portraiture.engine.skin.paint import paint_skin
from portraiture.engine.style.recipes import recipe_of
from portraiture.engine.style.skin import SIZE, style_skin
from portraiture.types import Style


@cache
def _albedo(parameters: tuple = ()) -> np.ndarray:
    person = AvatarParameters(**dict(parameters))
    return paint_skin(person, shape_head(person), size=SIZE).albedo


def _styled(style: Style, albedo: np.ndarray | None = None, **values: object) -> np.ndarray:
    person = AvatarParameters(**{"hair_style": "bald", **values})  # type: ignore[arg-type]
    source = _albedo(tuple(sorted(values.items()))) if albedo is None else albedo
    return style_skin(source, person, shape_head(person), style, recipe_of(style, person))


def _mask(name: str) -> np.ndarray:
    return anatomy(shape_head(AvatarParameters()).model, SIZE).masks[..., MASKS.index(name)] / 255.0


def _face() -> np.ndarray:
    """Cheeks, forehead, nose, chin: all of the face's open skin and the lips."""
    maps = anatomy(shape_head(AvatarParameters()).model, SIZE)
    x, y, z = np.moveaxis(maps.position, -1, 0)
    face = (np.abs(x) < 55) & (y > -95) & (y < 55) & (z > -20) & maps.near
    for name in ("mouth", "socket", "lid_rim", "caruncle", "lash_line"):
        face &= _mask(name) < 0.02
    return face


def _tones(image: np.ndarray, share: float) -> int:
    """Number of colours, rounded to 24 levels, that cover a share of the face."""
    rounded = (image[_face()].astype(int) // 10) @ [10000, 100, 1]
    counts = np.sort(np.unique(rounded, return_counts=True)[1])[::-1]
    return int(np.searchsorted(np.cumsum(counts) / counts.sum(), share)) + 1


@pytest.mark.parametrize("style", ["cartoon", "comic"])
def test_flat_styles_have_a_few_tones(style: Style) -> None:
    before, after = _tones(_albedo(), 0.8), _tones(_styled(style), 0.8)
    assert after <= 8 and before > 3 * after


def test_marks_on_the_photo_vanish_from_flat_skin() -> None:
    """A dark bar over the brows, a highlight on the forehead, noise everywhere."""
    maps = anatomy(shape_head(AvatarParameters()).model, SIZE)
    x, y, z = np.moveaxis(maps.position, -1, 0)
    marked = _albedo().astype(float)
    marked[(y > 10) & (y < 22) & (z > 0)] *= 0.3
    marked[np.hypot(x, y - 45) < 8] = 250
    marked += np.random.default_rng(0).normal(0, 8, marked.shape)
    marked = np.clip(marked, 0, 255).astype(np.uint8)
    change = _styled("cartoon", marked).astype(int) - _styled("cartoon").astype(int)
    assert np.abs(change[_face()]).max() < 12


@pytest.mark.parametrize("style", ["pixar", "cartoon", "caricature", "comic"])
@pytest.mark.parametrize("melanin", [0.05, 0.9])
def test_lips_are_one_readable_tone_and_skin_keeps_its_own(style: Style, melanin: float) -> None:
    out = _styled(style, skin_melanin=melanin).astype(float)
    source = _albedo((("skin_melanin", melanin),)).astype(float)
    lips, cheek = _mask("lips") > 0.9, _face() & (_mask("lips") < 0.01)
    lips &= _mask("wet") < 0.02
    here, there = np.median(out[lips], 0), np.median(out[cheek], 0)
    assert (there - here)[1] > 15 and here[0] / here[1] > 1.08 * there[0] / there[1]
    assert np.abs(there.mean() - np.median(source[cheek], 0).mean()) < 40
    if style in ("cartoon", "comic"):
        assert out[lips].std(0).max() < 10


@pytest.mark.parametrize("style", ["pixar", "cartoon"])
def test_a_mans_lips_stay_nearer_to_his_skin(style: Style) -> None:
    lips, cheek = _mask("lips") > 0.9, _face() & (_mask("lips") < 0.01)

    def gap(sex: float) -> float:
        out = _styled(style, sex=sex, lip_redness=0.8).astype(float)
        return float((np.median(out[cheek], 0) - np.median(out[lips], 0))[1])

    assert 10.0 < gap(0.0) < 0.9 * gap(1.0)


def test_stubble_is_a_soft_tint_and_creases_are_inked() -> None:
    beard = (_mask("beard") > 0.9) & (_mask("lips") < 0.01)
    shaved, unshaved = _styled("cartoon"), _styled("cartoon", stubble=1.0)
    assert unshaved[beard].mean() < 0.95 * shaved[beard].mean()
    jumps = np.abs(np.diff(unshaved.astype(int), axis=0)).max(2)[:-1]
    assert np.quantile(jumps[beard[:-2]], 0.98) < 20
    forehead = anatomy(shape_head(AvatarParameters()).model, SIZE).position[..., 1] > 25
    forehead &= _face()
    old = _styled("comic", age=0.95, skin_wrinkles=0.9)
    young = _styled("comic", age=0.4)
    assert (old[forehead].max(1) < 90).mean() > 0.01 > (young[forehead].max(1) < 90).mean()


def test_any_size_of_albedo_gives_the_same_regions() -> None:
    large = np.repeat(np.repeat(_albedo(), 2, 0), 2, 1)
    assert np.array_equal(_styled("cartoon", large), _styled("cartoon"))
    assert _styled("cartoon", large[::4, ::4]).shape == (SIZE, SIZE, 3)
