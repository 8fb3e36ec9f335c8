"""Fréchet distance between two sets of images (Heusel et al. 2017, eq. 6), on any features.

With Inception's features it is FID; with those of our networks it is called otherwise, see
`metrics.extractors.FeatureExtractor`. Letters: N images, C features.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.metrics.extractors import FeatureExtractor


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance of features. count: of images; the distance of small sets is too
    large, by a constant that depends on the counts, so compare only like with like."""

    mean: Float[ndarray, "C"]
    covariance: Float[ndarray, "C C"]
    count: int


def statistics(features: Float[ndarray, "N C"]) -> Statistics:
    """Raises ValueError on fewer than two images."""
    features = np.asarray(features, np.float64)
    if len(features) < 2:
        raise ValueError(f"statistics need at least two pictures, not {len(features)}")
    return Statistics(features.mean(0), np.cov(features, rowvar=False), len(features))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½).

    The last trace is that of (C₁^½ C₂ C₁^½)^½, whose eigenvalues are real and not negative.
    """
    root = _root(a.covariance)
    inner = np.linalg.eigvalsh(root @ b.covariance @ root)
    cross = np.sqrt(np.clip(inner, 0.0, None)).sum()
    apart = ((a.mean - b.mean) ** 2).sum()
    return float(apart + np.trace(a.covariance) + np.trace(b.covariance) - 2.0 * cross)


def _root(covariance: Float[ndarray, "C C"]) -> Float[ndarray, "C C"]:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T


@torch.no_grad()
def features_of(
    extractor: FeatureExtractor, batches: Iterable[Float[Tensor, "B 3 R R"]]
) -> Float[ndarray, "N C"]:
    """Features of batches of EG3D crops in [-1, 1]."""
    return np.concatenate([extractor.extract(x).float().cpu().numpy() for x in batches])
