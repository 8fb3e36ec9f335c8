"""Probabilistic PCA with missing data by expectation maximisation, for `learn_appearance.py`.

Tipping and Bishop 1999, "Probabilistic principal component analysis", appendix on missing data,
with a weight for each observation: value = mean + basis @ coefficients + noise / sqrt(weight).

Dimension letters: N samples, D numbers of a sample, K components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

CHUNK = 4096
"""Columns at once."""


@dataclass(frozen=True)
class Learned:
    """mean: (D,). basis: (K, D), for coefficients that are standard normal. noise: standard
    deviation. coefficients: (N, K) expected of each sample."""

    mean: Float32[ndarray, "D"]
    basis: Float32[ndarray, "K D"]
    noise: float
    coefficients: Float32[ndarray, "N K"]


def learn_components(
    values: Float32[ndarray, "N D"],
    weights: Float32[ndarray, "N D"],
    components: int,
    *,
    independent: float = 1.0,
    steps: int = 30,
    seed: int = 0,
) -> Learned:
    """Learn mean, basis and noise. Values with weight 0 have no influence.

    independent: share of independent numbers; neighbouring texels err alike, so that each counts
    for less when coefficients are inferred. steps: of expectation maximisation.
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    total = weights.sum(0)
    mean = (weights * values).sum(0) / np.maximum(total, 1e-6)
    centred = weights * (values - mean)
    start = rng.standard_normal((components, count)).astype(np.float32)
    basis = start @ centred / np.maximum(total, 1.0) * np.float32(count**-0.5)
    noise = float(np.sqrt((weights * (values - mean) ** 2).sum() / weights.sum()))
    coefficients = np.zeros((count, components), np.float32)
    for _ in range(steps):
        coefficients, covariance = _expect(values, weights, mean, basis, noise, independent)
        mean, basis, noise = _maximise(values, weights, coefficients, covariance)
        mean, basis = _standardise(mean, basis, coefficients, covariance)
    coefficients, _ = _expect(values, weights, mean, basis, noise, independent)
    return Learned(mean, basis, noise, coefficients)


def _expect(
    values: ndarray, weights: ndarray, mean: ndarray, basis: ndarray, noise: float, share: float
) -> tuple[ndarray, ndarray]:
    """Posterior mean (N, K) and covariance (N, K, K) of the coefficients."""
    components, (count, length) = len(basis), values.shape
    i, j = np.triu_indices(components)
    pairs = np.zeros((count, len(i)), np.float32)
    right = np.zeros((count, components), np.float32)
    for first in range(0, length, CHUNK):
        part = slice(first, first + CHUNK)
        w, b = weights[:, part], basis[:, part]
        pairs += w @ (b[i] * b[j]).T
        right += (w * (values[:, part] - mean[part])) @ b.T
    precision = np.zeros((count, components, components))
    precision[:, i, j] = precision[:, j, i] = pairs * (share / noise**2)
    covariance = np.linalg.inv(precision + np.eye(components))
    coefficients = np.einsum("nij,nj->ni", covariance, right * (share / noise**2))
    return coefficients.astype(np.float32), covariance.astype(np.float32)


def _maximise(
    values: ndarray, weights: ndarray, coefficients: ndarray, covariance: ndarray
) -> tuple[ndarray, ndarray, float]:
    """Mean, basis and noise of most probability; ridge of one sample on the basis."""
    count, length = values.shape
    more = np.concatenate([coefficients, np.ones((count, 1), np.float32)], axis=1)
    second = more[:, :, None] * more[:, None, :]
    second[:, :-1, :-1] += covariance
    size = more.shape[1]
    i, j = np.triu_indices(size)
    out = np.empty((size, length), np.float32)
    error, total = 0.0, float(weights.sum())
    ridge = np.diag(np.append(np.ones(size - 1), 1e-3))
    for first in range(0, length, CHUNK):
        part = slice(first, first + CHUNK)
        w, y = weights[:, part], values[:, part]
        pairs = w.T @ second[:, i, j]
        left = np.empty((pairs.shape[0], size, size))
        left[:, i, j] = left[:, j, i] = pairs
        right = (w * y).T @ more
        solved = np.linalg.solve(left + ridge, right[..., None].astype(np.float64))[..., 0]
        out[:, part] = solved.T
        fitted = np.einsum("di,dij,dj->", solved, left, solved)
        error += float((w * y * y).sum() + fitted - 2.0 * (solved * right).sum())
    return out[-1], out[:-1], float(np.sqrt(max(error, 1e-12) / total))


def _standardise(
    mean: ndarray, basis: ndarray, coefficients: ndarray, covariance: ndarray
) -> tuple[ndarray, ndarray]:
    """Move mean and covariance of the coefficients into mean and basis (parameter expansion), which
    speeds up convergence; components become orthogonal, in order of decreasing variance."""
    centre = coefficients.mean(0)
    spread = np.cov(coefficients.T, bias=True).reshape(len(basis), -1) + covariance.mean(0)
    mean = mean + centre @ basis
    root = np.linalg.cholesky(spread.astype(np.float64) + 1e-9 * np.eye(len(basis)))
    basis = root.T.astype(np.float32) @ basis
    _, turn = np.linalg.eigh((basis @ basis.T).astype(np.float64))
    return mean.astype(np.float32), turn[:, ::-1].T.astype(np.float32) @ basis
