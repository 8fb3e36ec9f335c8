"""Names of hair colours: the regression is what it says, and names held-out portraits rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shared_data import SHARED

from portraiture.data.portrait_folder import held_out, read_portraits
from portraiture.engine.classes import HAIR_COLOURS, hair_colour_name
from portraiture.engine.hair.color import hair_rgb
from portraiture.fit.hair_name import NameModel, name_chances, name_features
from portraiture.fit.regions import read_photo
from portraiture.perception.looks import LOOKS
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo

NAMES, PORTRAITS = LOOKS["colour"], SHARED / "data" / "portraits"


@pytest.mark.parametrize("name", list(HAIR_COLOURS))
def test_typical_pigments_have_their_name(name: str) -> None:
    assert hair_colour_name(*HAIR_COLOURS[name]) == name


def test_under_grey_hairs_the_others_do_not_matter() -> None:
    assert {hair_colour_name(melanin, 0.1, 1.0) for melanin in (0.0, 0.5, 1.0)} == {"white"}
    assert len({hair_colour_name(melanin, 0.1, 0.0) for melanin in (0.0, 0.5, 1.0)}) == 3


def test_two_names_are_a_sigmoid_of_standardised_features() -> None:
    rng = np.random.default_rng(0)
    mean, scale, x = rng.normal(size=(3, 4))
    weight, bias = rng.normal(size=(2, 4)), rng.normal(size=2)
    chances = NameModel(mean, np.abs(scale), weight, bias).chances(x)
    gap = (weight[1] - weight[0]) @ ((x - mean) / np.abs(scale)) + bias[1] - bias[0]
    np.testing.assert_allclose(chances, [1 / (1 + np.exp(gap)), 1 / (1 + np.exp(-gap))])


def test_the_pixels_of_hair_decide() -> None:
    """The demo sitter's hair in other colours; the parser's word is left as it was."""
    regions, parsed = read_photo(align(demo_photo()))

    def chances(name: str) -> np.ndarray:
        image = regions.image.copy()
        image[regions.hair] = hair_rgb(*HAIR_COLOURS[name])
        changed = replace(regions, image=image)
        plain = np.full(len(NAMES), 1.0 / len(NAMES), np.float32)
        looks = parsed.looks._replace(classes={**parsed.looks.classes, "colour": plain})
        assert np.isfinite(name_features(changed, looks)).all()
        return name_chances(changed, looks)

    found = {name: chances(name) for name in NAMES}
    for name in ("black", "blond", "red", "grey", "white"):
        likeliest = max(NAMES, key=lambda other: found[other][NAMES.index(name)])
        assert likeliest == name or {likeliest, name} <= {"grey", "white"}, (name, likeliest)
    assert NAMES[int(found["black"].argmax())] in ("black", "dark_brown")
    assert NAMES[int(found["white"].argmax())] in ("white", "grey")


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="needs ../shared/data/portraits")
def test_held_out_portraits_are_named_as_people_name_them() -> None:
    """Exactly in more than half; and never dark where people say light."""
    held = held_out(read_portraits(PORTRAITS))[1]
    held = [p for p in held if p.seen["colour"] in NAMES and p.seen["hair"] != "bald"][::12]
    found = []
    for portrait in held:
        regions, parsed = read_photo(align(portrait.photo))
        found.append(NAMES[int(name_chances(regions, parsed.looks).argmax())])
    exact = [name == portrait.seen["colour"] for name, portrait in zip(found, held, strict=True)]
    assert len(held) == 8 and np.mean(exact) > 0.5
    dark, light = {"black", "dark_brown", "brown"}, {"blond", "white"}
    for name, portrait in zip(found, held, strict=True):
        both = {name, portrait.seen["colour"]}
        assert not (both & dark and both & light)
