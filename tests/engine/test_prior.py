"""The natural prior: against moments, dense inverses and finite differences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.engine.prior import (
    PRIOR_PATH,
    SEX_OFFSET,
    TRUNCATION,
    load_prior,
    prior_from_moments,
    save_prior,
)
from portraiture.engine.shapes import SHAPES

N = len(SHAPES)


def _random_prior(seed: int = 0, size: int = N):
    rng = np.random.default_rng(seed)
    root = 0.05 * rng.standard_normal((size, size))
    covariance = root @ root.T + 0.002 * np.eye(size)
    mean = 0.1 * rng.standard_normal(size)
    return prior_from_moments(mean, covariance, -np.ones(size), np.ones(size)), covariance


def test_factor_and_whitening_undo_the_covariance():
    prior, covariance = _random_prior()
    np.testing.assert_allclose(prior.factor @ prior.factor.T, covariance, atol=1e-12)
    np.testing.assert_allclose(prior.whitening @ prior.factor, np.eye(N), atol=1e-9)
    np.testing.assert_allclose(prior.deviation, np.sqrt(np.diag(covariance)))
    assert (np.diff(np.linalg.norm(prior.factor, axis=0)) <= 1e-12).all()


def test_a_flat_covariance_is_refused():
    with pytest.raises(ValueError, match="positive definite"):
        prior_from_moments(np.zeros(2), np.ones((2, 2)), -np.ones(2), np.ones(2))


def test_mahalanobis_is_the_inverse_covariance_form_and_its_gradient():
    prior, covariance = _random_prior(1)
    local = torch.from_numpy(np.random.default_rng(2).uniform(-0.3, 0.3, (4, N))).requires_grad_()
    distance = prior.mahalanobis(local)
    offset = local.detach().numpy() - prior.mean
    truth = np.einsum("bi,ij,bj->b", offset, np.linalg.inv(covariance), offset)
    np.testing.assert_allclose(distance.detach().numpy(), truth, rtol=1e-8)
    distance.sum().backward()
    assert local.grad is not None
    step = np.zeros(N)
    step[17] = 1e-6
    ahead, behind = (
        prior.mahalanobis(torch.from_numpy(local.detach().numpy() + s * step)) for s in (1, -1)
    )
    numeric = (ahead - behind).numpy() / 2e-6
    np.testing.assert_allclose(local.grad[:, 17].numpy(), numeric, rtol=1e-4)


def test_samples_have_the_moments_of_the_prior():
    prior, covariance = _random_prior(3, 4)
    rng = np.random.default_rng(4)
    samples = np.array([prior.sample(rng) for _ in range(20000)])
    np.testing.assert_allclose(samples.mean(0), prior.mean, atol=0.01)
    # The variance of a normal cut at +-c is 1 - 2 c phi(c) / (2 Phi(c) - 1).
    c = torch.tensor(TRUNCATION, dtype=torch.float64)
    normal = torch.distributions.Normal(torch.zeros_like(c), torch.ones_like(c))
    shrink = 1 - 2 * c * normal.log_prob(c).exp() / (2 * normal.cdf(c) - 1)
    np.testing.assert_allclose(np.cov(samples.T), float(shrink) * covariance, atol=2e-3)


def test_scale_and_limits():
    prior, _ = _random_prior(5)
    np.testing.assert_array_equal(prior.sample(np.random.default_rng(0), 0.0), prior.mean)
    assert (np.abs(prior.sample(np.random.default_rng(0), 50.0)) <= 1.0).all()


def test_sex_moves_a_sample_along_one_axis_alone():
    prior = load_prior()
    prior = replace(prior, lower=np.full(N, -9.0), upper=np.full(N, 9.0))
    np.testing.assert_allclose(np.linalg.norm(prior.feminine), 1.0, atol=1e-6)
    man, woman, either = (
        np.array([prior.sample(np.random.default_rng(k), sex=sex) for k in range(400)])
        for sex in (0.0, 1.0, None)
    )
    difference = (woman - man) @ prior.whitening.T
    np.testing.assert_allclose(
        difference, np.tile(2 * SEX_OFFSET * prior.feminine, (400, 1)), atol=1e-6
    )
    across = np.eye(N) - np.outer(prior.feminine, prior.feminine)
    np.testing.assert_allclose(
        (woman - either) @ prior.whitening.T @ across, np.zeros((400, N)), atol=1e-6
    )
    both = np.concatenate([man, woman]) - prior.mean
    assert 0.85 < (both @ prior.whitening.T @ prior.feminine).std() < 1.15


def test_saved_and_loaded(tmp_path: Path):
    prior, _ = _random_prior(6)
    save_prior(prior, tmp_path / "prior.npz")
    again = load_prior(tmp_path / "prior.npz")
    np.testing.assert_allclose(again.factor, prior.factor, atol=1e-6)
    np.testing.assert_allclose(again.whitening @ again.factor, np.eye(N), atol=1e-9)


def test_a_prior_of_other_shapes_is_refused(tmp_path: Path):
    path = tmp_path / "prior.npz"
    np.savez(path, names=np.array(["nose"]), mean=np.zeros(1))
    with pytest.raises(ValueError, match="other shapes"):
        load_prior(path)


def test_the_shipped_prior_is_natural():
    prior = load_prior()
    assert PRIOR_PATH.stat().st_size < 200_000
    assert (prior.lower < prior.mean).all() and (prior.mean < prior.upper).all()
    assert (prior.deviation > 0.01).all() and (prior.deviation < 0.6).all()
    for name in ("nose_trans_out", "mouth_trans_out"):  # the average face is symmetric
        index = list(SHAPES).index(name)
        assert prior.mean[index] == 0.0
        assert prior.deviation[index] < 0.15
    correlation = prior.whitening @ prior.whitening.T
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < 1e-2 * correlation.max()
    rng = np.random.default_rng(0)
    samples = torch.from_numpy(np.array([prior.sample(rng) for _ in range(200)]))
    uniform = torch.from_numpy(rng.uniform(-0.6, 0.6, (200, N)))
    assert prior.mahalanobis(samples).mean() < N
    assert prior.mahalanobis(uniform).median() > 4 * N
