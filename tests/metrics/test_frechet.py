"""Fréchet distance against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.frechet import Statistics, features_of, frechet_distance, statistics


def _random(seed: int, size: int = 6) -> Statistics:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    return Statistics(rng.normal(size=size), root @ root.T, 100)


def test_equal_sets_have_distance_0() -> None:
    assert frechet_distance(_random(0), _random(0)) == pytest.approx(0.0, abs=1e-9)


def test_one_dimension() -> None:
    a = Statistics(np.array([1.0]), np.array([[4.0]]), 9)
    b = Statistics(np.array([3.0]), np.array([[9.0]]), 9)
    assert frechet_distance(a, b) == pytest.approx((1 - 3) ** 2 + (2 - 3) ** 2)


def test_matrix_root_by_another_route() -> None:
    a, b = _random(1), _random(2)
    cross = np.trace(sqrtm(a.covariance @ b.covariance).real)
    expected = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_singular_covariances() -> None:
    rng = np.random.default_rng(0)
    few = [statistics(rng.normal(size=(4, 12)) + shift) for shift in (0.0, 5.0)]
    assert frechet_distance(*few) > 12 * 4**2


def test_statistics_are_numpys() -> None:
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    found = statistics(x)
    np.testing.assert_allclose(found.mean, x.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(x.T), atol=1e-5)
    assert found.count == 30
    with pytest.raises(ValueError, match="at least two"):
        statistics(x[:1])


def test_features_of_batches() -> None:
    extractor = FeatureExtractor("any", lambda x: x.mean((2, 3)))
    batches = [torch.full((2, 3, 4, 4), float(k)) for k in range(3)]
    np.testing.assert_array_equal(features_of(extractor, batches)[:, 0], [0, 0, 1, 1, 2, 2])
