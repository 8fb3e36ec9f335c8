"""What the page shows before the exact geometry comes is what comes.

Displacements along a parameter, put together as the page does, give the head of any value; those of
shape changes to the quantisation; ratios of colours are those of the engine's formulas.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.avatar import Avatar
from portraiture.engine.build import head_of
from portraiture.engine.hair.color import hair_rgb, to_linear
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.style.recipes import restyle_parameters
from portraiture.errors import AvatarError
from portraiture.studio.previews import KNOTS, moved, shape_names, tints

PERSON = AvatarParameters(sex=0.8, age=0.6, shape={"nose_hump": 0.3})


def vertices(avatar: Avatar) -> np.ndarray:
    return head_of(restyle_parameters(avatar.parameters, avatar.style), avatar.style).vertices


def at(avatar: Avatar, name: str, value: float) -> Avatar:
    entry = name.removeprefix("shape:")
    parameters = avatar.parameters
    if entry == name:
        return replace(avatar, parameters=replace(parameters, **{name: value}))
    return replace(avatar, parameters=parameters.with_shape(**{entry: value}))


def displacement(data: bytes, value: float, count: int) -> np.ndarray:
    """As the page reads it, from the first knot to `value`."""
    rows, knots = np.frombuffer(data, "<u4", 2).tolist()
    scales = np.frombuffer(data, "<f4", knots, 8)
    start = 8 + 4 * knots
    index = np.frombuffer(data, "<u2", rows, start)
    start += 4 * -(-rows // 2)
    steps = np.frombuffer(data, "<i2", knots * rows * 3, start).reshape(knots, rows, 3)
    assert start + steps.nbytes == len(data)
    known = np.concatenate([np.zeros((1, rows, 3)), steps * scales[:, None, None]])
    place = value * knots
    low = min(int(place), knots - 1)
    out = np.zeros((count, 3))
    out[index] = known[low] + (place - low) * (known[low + 1] - known[low])
    return out


@pytest.mark.parametrize("name", ["shape:nose_scale_vert", "shape:ear_wing", "age", "weight"])
@pytest.mark.parametrize(("start", "end"), [(0.5, 0.93), (0.1, 0.6), (1.0, 0.0)])
def test_the_preview_is_the_head(name: str, start: float, end: float) -> None:
    avatar = Avatar(PERSON)
    data = moved(avatar, name)
    first, last = vertices(at(avatar, name, start)), vertices(at(avatar, name, end))
    shown = first + displacement(data, end, len(first)) - displacement(data, start, len(first))
    assert np.abs(last - first).max() > 1e-4
    np.testing.assert_allclose(shown, last, atol=5e-5)


def test_styles_bend_the_preview_too() -> None:
    avatar = Avatar(PERSON, style="caricature")
    name = "shape:nose_scale_vert"
    data = moved(avatar, name)
    first, last = vertices(at(avatar, name, 0.5)), vertices(at(avatar, name, KNOTS[3]))
    shown = first + displacement(data, KNOTS[3], len(first)) - displacement(data, 0.5, len(first))
    np.testing.assert_allclose(shown, last, atol=2e-4)


def test_only_shapes_move() -> None:
    assert len(shape_names()) == len(set(shape_names()))
    for name in ("hair_length", "shape:nowhere", "../x", ""):
        with pytest.raises(AvatarError):
            moved(Avatar(PERSON), name)


def test_tints_are_the_engines_colours() -> None:
    found = tints(Avatar(PERSON), "hair_melanin")
    assert set(found) == {"hair", "brows", "beard"}
    for value, colour in zip(KNOTS, found["hair"], strict=True):
        expected = to_linear(hair_rgb(value, PERSON.hair_redness, PERSON.hair_grey))
        np.testing.assert_allclose(colour, expected)
    blue = np.array(tints(Avatar(PERSON), "cloth_blue")["clothes"])
    np.testing.assert_allclose(blue[:, 0], blue[0, 0])
    np.testing.assert_allclose(blue[1:, 2], to_linear(np.array(KNOTS[1:])))
    darker = np.array(tints(Avatar(PERSON), "skin_melanin")["skin"])
    assert (np.diff(darker, axis=0) < 0).all()
    assert tints(Avatar(PERSON), "__class__") == tints(Avatar(PERSON), "nobody") == {}
