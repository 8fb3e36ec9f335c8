"""Verification against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portraiture.metrics.extractors import FeatureExtractor, frechet_synthetic, identity_synthetic
from portraiture.metrics.identity import all_pairs, best_threshold, similarities, verification
from portraiture.perception.identity import IdentityConfig, IdentityNetwork


def test_threshold_has_the_fewest_errors() -> None:
    rng = np.random.default_rng(0)
    similarity, same = rng.normal(size=60), rng.random(60) < 0.4
    similarity[same] += 1.0

    def balanced(threshold: float) -> float:
        accepted = similarity >= threshold
        return accepted[same].mean() + (~accepted[~same]).mean()

    found = balanced(best_threshold(similarity, same))
    assert found == pytest.approx(max(balanced(t) for t in np.linspace(-4, 4, 4001)))


def test_threshold_does_not_split_equal_pairs() -> None:
    similarity = np.array([0.1, 0.5, 0.5, 0.9])
    same = np.array([False, False, True, True])
    assert best_threshold(similarity, same) in (pytest.approx(0.3), pytest.approx(0.7))


def test_separable_pairs_are_all_right() -> None:
    same = np.arange(200) < 60
    result = verification(np.where(same, 0.8, 0.1), same)
    assert result.accuracy == 1.0 and result.equal_error == 0.0 and result.accepted == 1.0
    assert result.threshold == pytest.approx(0.45)


def test_equal_error_of_two_normals() -> None:
    """N(0, 1) and N(2, 1): both errors are Φ(−1) at the threshold 1."""
    rng = np.random.default_rng(1)
    same = np.arange(40_000) < 20_000
    result = verification(rng.normal(size=40_000) + 2.0 * same, same)
    assert result.equal_error == pytest.approx(0.1587, abs=0.006)
    assert result.accuracy == pytest.approx(1 - 0.1587, abs=0.006)
    assert result.accepted == pytest.approx(0.3722, abs=0.02)  # 1 − Φ(2.326 − 2)


def test_both_kinds_are_needed() -> None:
    with pytest.raises(ValueError, match="10 folds"):
        verification(np.zeros(50), np.zeros(50, bool))


def test_all_pairs_once_each() -> None:
    embeddings = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    similarity, same = all_pairs(embeddings, np.array([0, 1, 0]))
    np.testing.assert_allclose(similarity, [0.0, 0.5**0.5, 0.5**0.5])
    assert same.tolist() == [False, True, False]


def test_any_network_will_do_and_ours_have_their_own_names() -> None:
    images = torch.rand(5, 3, 40, 40) * 2 - 1
    found = similarities(lambda x: x.mean((2, 3)), images, 2 * images, batch=2)
    np.testing.assert_allclose(found, 1.0, atol=1e-5)
    network = IdentityNetwork(IdentityConfig(width=4, neck=8, embedding=12, size=32)).eval()
    ours = identity_synthetic(network), frechet_synthetic(network)
    assert [e.metric for e in ours] == ["identity-synthetic", "frechet-synthetic"]
    assert [e.extract(images).shape for e in ours] == [(5, 12), (5, 32)]
    assert FeatureExtractor("fid", lambda x: x.flatten(1)).metric == "fid"
