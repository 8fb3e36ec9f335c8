"""Colours of jacket, shirt and tie are read where they are worn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.engine.hair.color import to_srgb
from portraiture.fit.clothes import LIT, choose_clothes, cloth_colours
from portraiture.fit.parse import Looks
from portraiture.fit.regions import EYE_LEVEL, WINDOW_PX, Regions, read_photo
from portraiture.perception.looks import LOOKS, NAMES
from portraiture.types import Photo

JACKET, SHIRT, TIE = np.array([0.02, 0.02, 0.04]), np.array([0.7, 0.7, 0.7]), np.array([0.4, 0, 0])
"""Linear radiance."""


@pytest.fixture(scope="module")
def dressed(photo: Photo) -> Regions:
    """The demo photo's window with a suit painted in below the chin."""
    regions, _ = read_photo(photo)
    x, y = regions.head_coordinates()
    chin = regions.landmarks[152]
    across = np.abs(x - (chin[0] - 0.5 * WINDOW_PX) / regions.iod)
    down = (EYE_LEVEL * WINDOW_PX - chin[1]) / regions.iod - y
    cloth = down > 0.5
    image = regions.image.copy()
    image[cloth] = to_srgb(JACKET)
    image[cloth & (across < 0.6) & (down < 1.5)] = to_srgb(SHIRT)
    image[cloth & (across < 0.1) & (down > 0.8)] = to_srgb(TIE)
    return replace(
        regions, image=image.astype(np.float32), cloth=cloth, person=regions.person | cloth,
        skin=regions.skin & ~cloth,
    )  # fmt: skip


def looks_of(clothes: str) -> Looks:
    classes = {name: np.full(len(LOOKS[name]), 1 / len(LOOKS[name]), np.float32) for name in NAMES}
    order = LOOKS["clothes"]
    classes["clothes"] = np.eye(len(order), dtype=np.float32)[order.index(clothes)]
    return Looks(classes)


def rgb(found: dict[str, float], name: str) -> np.ndarray:
    return np.array([found[f"{name}_{channel}"] for channel in ("red", "green", "blue")])


def test_a_suits_colours(dressed: Regions) -> None:
    found = cloth_colours(dressed, "suit_tie")
    for name, radiance in (("cloth", JACKET), ("shirt", SHIRT), ("tie", TIE)):
        expected = np.clip(to_srgb(LIT * radiance), 0.02, 0.95)
        np.testing.assert_allclose(rgb(found, name), expected, atol=0.02)


def test_what_is_not_worn_has_no_colour(dressed: Regions) -> None:
    assert not any(key.startswith("tie") for key in cloth_colours(dressed, "suit_open"))
    assert {key.split("_")[0] for key in cloth_colours(dressed, "crew")} == {"cloth"}
    bare = replace(dressed, cloth=np.zeros_like(dressed.cloth))
    assert cloth_colours(bare, "suit_tie") == {}


@pytest.mark.parametrize("name", ["suit_tie", "suit_open", "shirt", "blouse_jacket"])
def test_named_clothes_are_worn(dressed: Regions, name: str) -> None:
    assert choose_clothes(dressed, looks_of(name)) == name


def test_other_clothes_are_told_by_skin_and_colours(dressed: Regions) -> None:
    assert choose_clothes(dressed, looks_of("other")) == "shirt"
    assert choose_clothes(dressed, looks_of("knit")) == "knit"
    low = replace(dressed, skin=dressed.skin | dressed.cloth)
    assert choose_clothes(low, looks_of("knit")) == "v_neck"
