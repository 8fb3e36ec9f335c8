"""Gaussian prior over local face shape changes: mean and covariance learned from scans.

Learned by ``tools/learn_prior.py`` from a scan-based model (ICT-FaceKit, Li et al. 2020, MIT): the
engine's head is registered to several hundred faces sampled from that model, and the mean and
covariance of the fitted local changes are stored. Regions that the scans do not cover (ears, neck,
back of the head) have standard deviations set by hand; the table is in the tool.
N is the number of local changes, in `SHAPES` order; values lie in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.engine.shapes import SHAPES

PRIOR_PATH = Path(__file__).parent.parent / "assets" / "prior.npz"

TRUNCATION = 2.2
"""Bound on sampled whitened coordinates, standard deviations (resampled beyond, not clamped)."""


SEX_OFFSET = 0.85
"""Distance of either sex's mean from the overall mean along `Prior.feminine`, in standard
deviations. With a standard deviation of sqrt(1 - 0.85^2) within a sex, the mixture of both has unit
variance, as whitened coordinates do."""


@dataclass(frozen=True)
class Prior:
    """A truncated Gaussian over local changes.

    mean: (N,). factor: (N, N), full rank, columns in order of decreasing variance: the principal
    axes times their standard deviations, so that ``covariance == factor @ factor.T``.
    whitening: (N, N), the inverse of `factor`: ``whitening @ (local - mean)`` is standard normal.
    lower, upper: (N,) bounds of each change.
    feminine: (N,) unit vector in whitened coordinates from masculine to feminine faces; zeros
    if unknown.
    """

    mean: Float[ndarray, " N"]
    factor: Float[ndarray, "N N"]
    whitening: Float[ndarray, "N N"]
    lower: Float[ndarray, " N"]
    upper: Float[ndarray, " N"]
    feminine: Float[ndarray, " N"]

    @property
    def deviation(self) -> Float[ndarray, " N"]:
        """Standard deviation of each local change."""
        return np.sqrt((self.factor**2).sum(1))

    def sample(
        self, rng: np.random.Generator, scale: float = 1.0, *, sex: float | None = None
    ) -> Float[ndarray, " N"]:
        """Sample one set of local changes; `scale` multiplies the standard deviation.

        sex: 0 masculine to 1 feminine; if given, the sample is moved along `feminine` to the
        distribution of that sex. Without it, both sexes are equally likely.
        """
        axes = self.factor.shape[1]
        normal = rng.standard_normal(axes)
        while (far := np.abs(normal) > TRUNCATION).any():
            normal[far] = rng.standard_normal(int(far.sum()))
        if sex is not None:
            along = float(self.feminine @ normal)
            wanted = SEX_OFFSET * (2.0 * sex - 1.0) + np.sqrt(1.0 - SEX_OFFSET**2) * along
            normal = normal + (wanted - along) * self.feminine
        return self.clip(self.mean + scale * (self.factor @ normal))

    def clip(self, local: Float[ndarray, "... N"]) -> Float[ndarray, "... N"]:
        """Clip local changes to `lower` and `upper`."""
        return np.clip(local, self.lower, self.upper)

    def mahalanobis(self, local: Float[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """Squared Mahalanobis distance from the mean, smooth everywhere; N on average for samples
        of the prior."""
        mean = torch.as_tensor(self.mean, dtype=local.dtype, device=local.device)
        whitening = torch.as_tensor(self.whitening, dtype=local.dtype, device=local.device)
        return ((local - mean) @ whitening.T).square().sum(1)


def prior_from_moments(
    mean: Float[ndarray, " N"],
    covariance: Float[ndarray, "N N"],
    lower: Float[ndarray, " N"],
    upper: Float[ndarray, " N"],
) -> Prior:
    """Build the prior from its mean and (positive definite) covariance.

    Raises ValueError if the covariance is not positive definite.
    """
    mean = np.asarray(mean, np.float64)
    variance, axes = np.linalg.eigh(np.asarray(covariance, np.float64))
    if variance[0] <= 0:
        raise ValueError("the prior's covariance is not positive definite")
    variance, axes = variance[::-1], axes[:, ::-1]
    axes = axes * np.where(axes.sum(0) < 0, -1.0, 1.0)
    deviation = np.sqrt(variance)
    return Prior(
        mean=mean,
        factor=axes * deviation,
        whitening=(axes / deviation).T,
        lower=np.asarray(lower, np.float64),
        upper=np.asarray(upper, np.float64),
        feminine=np.zeros(len(mean)),
    )


def save_prior(prior: Prior, path: Path) -> None:
    """Save a prior for `load_prior` in float32. The factor is stored instead of the covariance, so
    that samples do not depend on the machine's eigensolver."""
    np.savez_compressed(
        path,
        names=np.array(list(SHAPES)),
        mean=prior.mean.astype(np.float32),
        factor=prior.factor.astype(np.float32),
        lower=prior.lower.astype(np.float32),
        upper=prior.upper.astype(np.float32),
        feminine=prior.feminine.astype(np.float32),
    )


@lru_cache(maxsize=1)
def load_prior(path: Path = PRIOR_PATH) -> Prior:
    """Load the packaged prior. Raises ValueError if it was learned for other shapes."""
    with np.load(path, allow_pickle=False) as file:
        names = [str(name) for name in file["names"]]
        if names != list(SHAPES):
            raise ValueError(f"{path.name} was learned for other shapes; learn it again")
        mean, factor, lower, upper, feminine = (
            file[key].astype(np.float64) for key in ("mean", "factor", "lower", "upper", "feminine")
        )
    return Prior(mean, factor, np.linalg.inv(factor), lower, upper, feminine)
