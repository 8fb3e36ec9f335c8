"""Unit vectors: length, direction, and what is too short for them."""

from __future__ import annotations

import numpy as np

from portraiture.ops.vectors import unit


def test_length_and_direction() -> None:
    found = unit(np.array([[[3.0, 4.0, 0.0], [0.0, 0.0, -1e-6]]]))
    np.testing.assert_allclose(found, [[[0.6, 0.8, 0.0], [0.0, 0.0, -1.0]]])


def test_zero_stays_zero_and_less_than_the_least_stays_short() -> None:
    found = unit(np.array([[0.0, 0.0], [1e-15, 0.0]]))
    np.testing.assert_allclose(found, [[0.0, 0.0], [1e-3, 0.0]])
    np.testing.assert_allclose(unit(np.array([1e-15, 0.0]), least=1e-20), [1.0, 0.0])
