"""Brows: those painted with a known form are found again, unseen ones are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.engine.face.brows import brow_density, brow_texels
from portraiture.engine.parameters import AvatarParameters, BrowStyle
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.fit.brows import fit_brows
from portraiture.fit.light import encode

SIZE = 1024
SKIN = 0.35


@pytest.fixture(scope="module")
def shape() -> HeadShape:
    return shape_head(AvatarParameters())


def painted(shape: HeadShape, known: AvatarParameters, depth: float) -> np.ndarray:
    """Plain skin, `depth` log units darker where the brows are densest."""
    rows, columns, points = brow_texels(shape, SIZE)
    light = np.full((SIZE, SIZE, 3), SKIN)
    light[rows, columns] *= np.exp(-depth * brow_density(points, known))[:, None]
    return (255.0 * encode(light) + 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("style", "thickness"), [("natural", 0.5), ("thin", 0.5), ("bushy", 0.67), ("arched", 0.33)]
)
def test_painted_brows_are_found_again(
    shape: HeadShape, style: BrowStyle, thickness: float
) -> None:
    known = AvatarParameters(brow_style=style, brow_thickness=thickness)
    everywhere = np.ones((SIZE, SIZE), np.float32)
    found = fit_brows(painted(shape, known, 0.8), everywhere, AvatarParameters(), shape)
    assert found.brow_style == style
    assert found.brow_thickness == pytest.approx(thickness, abs=0.18)


def test_darker_brows_are_denser(shape: HeadShape) -> None:
    everywhere = np.ones((SIZE, SIZE), np.float32)
    known = AvatarParameters()
    found = [fit_brows(painted(shape, known, d), everywhere, known, shape) for d in (0.4, 0.8)]
    assert found[0].brow_density < found[1].brow_density


def test_brows_that_are_not_seen_stay(shape: HeadShape) -> None:
    start = AvatarParameters(brow_style="rounded", brow_density=0.3)
    nowhere, everywhere = np.zeros((SIZE, SIZE), np.float32), np.ones((SIZE, SIZE), np.float32)
    dark = painted(shape, AvatarParameters(), 0.8)
    assert fit_brows(dark, nowhere, start, shape) == start
    assert fit_brows(painted(shape, start, 0.0), everywhere, start, shape) == start
