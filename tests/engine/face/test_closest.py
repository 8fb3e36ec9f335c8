"""Closest points against a grid of points."""

import numpy as np

from portraiture.engine.face.closest import closest_barycentric


def test_closest_barycentric_beats_every_point_of_a_fine_grid():
    rng = np.random.default_rng(0)
    grid = np.array([[i, j, 40 - i - j] for i in range(41) for j in range(41 - i)]) / 40.0
    for _ in range(60):
        corners, point = rng.normal(size=(3, 3)), 2.0 * rng.normal(size=3)
        weights = np.array(closest_barycentric(point, corners))
        assert weights.min() >= 0.0
        assert abs(weights.sum() - 1.0) < 1e-12
        best = np.linalg.norm(grid @ corners - point, axis=1).min()
        assert np.linalg.norm(weights @ corners - point) <= best + 1e-12
