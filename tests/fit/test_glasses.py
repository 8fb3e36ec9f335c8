"""Glasses are found again that were rendered over the demo photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.engine.parameters import GlassesStyle
from portraiture.engine.wear.glasses import make_glasses
from portraiture.fit.colours import read_cues
from portraiture.fit.glasses import choose_glasses
from portraiture.fit.parse import Parsed
from portraiture.fit.place import Placed, place_head
from portraiture.fit.regions import Regions, read_photo
from portraiture.photo.align import crop_image
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Photo, as_uint8

Case = tuple[Photo, Regions, Parsed, Placed]


def worn(photo: Photo, placed: Placed, style: GlassesStyle, rim: float) -> Photo:
    """The photo with black glasses of the engine before the fitted head."""
    parameters = replace(placed.parameters, glasses_style=style, glasses_rim=rim, glasses_tone=0.03)
    skeleton = placed.shape.model.skeleton(placed.shape.joints)
    parts = tuple(make_glasses(parameters, placed.shape))
    bust = Bust(parts, skeleton, {}, np.zeros((478, 3), np.float32))
    size = photo.image.shape[0]
    rgba = render_bust(bust, placed.camera, size=size, light=studio_light()).rgba
    alpha = rgba[..., 3:]
    drawn = as_uint8(rgba[..., :3] * alpha + photo.image / 255.0 * (1.0 - alpha))
    return replace(photo, image=drawn, crop=crop_image(drawn, photo.crop_from_image))


@pytest.fixture(scope="module")
def bare(photo: Photo) -> Case:
    regions, parsed = read_photo(photo)
    return photo, regions, parsed, place_head(photo, read_cues(regions, parsed.looks))


def test_none_are_none(bare: Case) -> None:
    assert choose_glasses(*bare, bare[3].parameters).glasses_style == "none"


@pytest.mark.parametrize(("style", "rim"), [("rectangle", 0.6), ("oval", 0.6), ("round", 0.6)])
def test_rendered_glasses_are_found_again(bare: Case, style: GlassesStyle, rim: float) -> None:
    photo, placed = worn(bare[0], bare[3], style, rim), bare[3]
    regions, parsed = read_photo(photo)
    found = choose_glasses(photo, regions, parsed, placed, placed.parameters)
    assert found.glasses_style == style
    assert found.glasses_tone < 0.2 and found.glasses_tint == 0.0
