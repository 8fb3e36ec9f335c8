"""Steep texels are taken around the wings of the nose, not at its bridge, far cheeks and jaw."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.fit.projection import GRAZING, STEEP, faces_camera

WING, BRIDGE, CHEEK, JAW = (14, -44, 0), (8, -10, 0), (34, -40, -20), (40, -90, -20)
"""Canonical positions, mm."""


def trust(cosine: float, position: tuple[int, int, int]) -> float:
    return float(faces_camera(np.array([cosine]), np.array([position], np.float64))[0])


@pytest.mark.parametrize("position", [BRIDGE, CHEEK, JAW])
def test_grazing_skin_is_left_out(position: tuple[int, int, int]) -> None:
    assert trust(GRAZING[0], position) == pytest.approx(0.0, abs=1e-6)
    assert trust(0.5 * sum(GRAZING), position) == pytest.approx(0.5, abs=1e-6)
    assert trust(GRAZING[1], position) == pytest.approx(1.0)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_wings_of_the_nose_are_taken(side: int) -> None:
    position = (side * WING[0], *WING[1:])
    assert trust(STEEP[0], position) == pytest.approx(0.0, abs=1e-6)
    assert trust(STEEP[1], position) == pytest.approx(1.0)
