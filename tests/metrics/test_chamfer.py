"""Chamfer distance and depth moments against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.metrics.chamfer import chamfer, depth_moments


def test_it_is_the_mean_of_nearest_distances() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 3)), rng.normal(size=(17, 3))
    apart = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert abs(chamfer(a, b) - (apart.min(1).mean() + apart.min(0).mean()) / 2) < 1e-12
    assert chamfer(a, a) == 0.0 and abs(chamfer(a, b) - chamfer(b, a)) < 1e-12
    shifted = chamfer(a[:1], a[:1] + np.array([0.0, 0.3, 0.4]))
    assert abs(shifted - 0.5) < 1e-12
    with pytest.raises(ValueError, match="empty"):
        chamfer(a, b[:0])


def test_moments_are_those_inside_the_mask() -> None:
    depth = np.array([[1.0, 3.0], [100.0, 2.0]])
    mask = np.array([[True, True], [False, True]])
    mean, deviation = depth_moments(depth, mask)
    assert mean == 2.0 and abs(deviation - (2.0 / 3.0) ** 0.5) < 1e-12
    with pytest.raises(ValueError, match="no pixel"):
        depth_moments(depth, mask & False)
