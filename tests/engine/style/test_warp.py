"""Proportions of styles: natural changes nothing; the others bend space smoothly, enlarge the eyes
by what they promise, keep the lids shut and double what differs from the mean."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.engine.face.lashes import LOWER_GRID, UPPER_GRID, lid_deltas
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import load_prior
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.engine.shapes import SHAPES
from portraiture.engine.style.recipes import RECIPES, STYLES, restyle_parameters
from portraiture.engine.style.warp import bend_head
from portraiture.types import Style

PERSON = AvatarParameters(sex=0.2, age=0.6, shape={"nose_hump": 0.9, "chin_width": 0.8})


def _lids(shape: HeadShape, offset: np.ndarray | float = 0.0) -> list[np.ndarray]:
    """Margins of the left eye's upper and lower lid, from the nose outwards."""
    points = shape.vertices + offset
    return [
        points[shape.model.arrays[f"group:helper-l-eyelashes-{lid}"]][list(grid[0])]
        for lid, grid in ((2, UPPER_GRID), (1, LOWER_GRID))
    ]


def _opening(shape: HeadShape) -> np.ndarray:
    """Width and height of the left eye's opening over the distance between the ears' tops."""
    upper, lower = _lids(shape)
    head = np.ptp(shape.skin[shape.skin[:, 1] > upper[:, 1].mean() + 0.03, 0])
    height = upper[3:10, 1].mean() - lower[3:9, 1].mean()
    return np.array([np.ptp(upper[:, 0]), height]) / head


def test_natural_is_the_identity() -> None:
    shape = shape_head(PERSON)
    assert bend_head(shape, PERSON, "natural") is shape
    assert restyle_parameters(PERSON, "natural") == PERSON


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
    if RECIPES[style].exaggeration >= 1.3:
        assert np.abs(bent.skin - shape.skin).max() > 0.003


@pytest.mark.parametrize(("style", "least"), [("pixar", 1.35), ("cartoon", 1.4)])
def test_eyes_are_half_as_large_again(style: Style, least: float) -> None:
    """The lids' opening, relative to the head, measured on the lids themselves."""
    shape = shape_head(PERSON)
    width, height = _opening(bend_head(shape, PERSON, style)) / _opening(shape)
    assert width > least and height > 1.6
    width, height = _opening(bend_head(shape, PERSON, "caricature")) / _opening(shape)
    assert width < 1.3


@pytest.mark.parametrize("style", ["pixar", "cartoon", "caricature", "comic"])
def test_blinks_close_the_eyes_as_in_nature(style: Style) -> None:
    """The upper lid reaches the lower one, and goes no farther beyond it than the share of its way
    that it does in nature."""

    def beyond(shape: HeadShape) -> float:
        upper, _ = _lids(shape)
        moved, still = _lids(shape, lid_deltas(shape, "eyeBlinkLeft"))
        way = (upper - moved)[3:10, 1].mean()
        return float((still[3:9, 1].mean() - moved[3:10, 1].mean()) / way)

    natural = beyond(shape_head(PERSON))
    bent = beyond(bend_head(shape_head(PERSON), PERSON, style))
    assert 0.0 < bent < natural + 0.12


def test_what_differs_from_the_mean_is_doubled_or_more() -> None:
    """The nose's bridge of a person with a hump, against one without."""
    flat = AvatarParameters(sex=0.0, age=0.6)
    humped = AvatarParameters(sex=0.0, age=0.6, shape={"nose_hump": 0.8})

    def hump(style: Style) -> float:
        first, second = (bend_head(shape_head(p), p, style).vertices for p in (flat, humped))
        return float(np.linalg.norm(second - first, axis=1).max())

    assert hump("caricature") > 2.0 * hump("natural")
    assert RECIPES["caricature"].exaggeration > RECIPES["comic"].exaggeration > 1.0


def test_the_mean_itself_is_not_exaggerated() -> None:
    average = {n: 0.5 + 0.5 * float(m) for n, m in zip(SHAPES, load_prior().mean, strict=True)}
    mean = AvatarParameters(sex=0.0, age=0.6, shape=average)
    shape = shape_head(mean)
    still = bend_head(shape, mean, "comic")
    plain = bend_head(shape_head(PERSON), PERSON, "comic")
    assert (
        np.abs(still.vertices - shape.vertices).max()
        < np.abs(plain.vertices - shape.vertices).max()
    )
