"""Is it the same person? Verification on pairs of faces, from any network's embeddings.

Measured with our network the names are `identity-synthetic`; with ArcFace's weights, `identity`.
Letters: P pairs, N faces, D length of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

Embed = Callable[[Tensor], Tensor]
"""EG3D crops (B, 3, R, R) in [-1, 1] to embeddings (B, D) of any length; see
`metrics.extractors`."""


@dataclass(frozen=True)
class Verification:
    """accuracy: mean over folds, each judged at the threshold that is best for the others (the
    protocol of Labeled Faces in the Wild, Huang et al. 2007). threshold: cosine that is best for
    all pairs. equal_error: rate at which false accepts and false rejects balance. accepted: share
    of the same people's pairs above the threshold that one in a hundred of other pairs passes."""

    accuracy: float
    threshold: float
    equal_error: float
    accepted: float


def verification(
    similarity: Float[ndarray, "P"], same: Bool[ndarray, "P"], *, folds: int = 10, seed: int = 0
) -> Verification:
    """How well a threshold on the cosine tells pairs of the same person from pairs of different
    people. Raises ValueError unless there are both kinds in every fold."""
    similarity, same = np.asarray(similarity, np.float64), np.asarray(same, bool)
    rng = np.random.default_rng(seed)
    fold = np.empty(len(same), int)
    for kind in (True, False):
        places = rng.permutation(np.flatnonzero(same == kind))
        if len(places) < folds:
            raise ValueError(f"{folds} folds need as many pairs of each kind, not {len(places)}")
        fold[places] = np.arange(len(places)) % folds
    scores = []
    for k in range(folds):
        threshold = best_threshold(similarity[fold != k], same[fold != k])
        scores.append(_balanced(similarity[fold == k] >= threshold, same[fold == k]))
    strict = np.quantile(similarity[~same], 0.99)
    return Verification(
        accuracy=float(np.mean(scores)),
        threshold=best_threshold(similarity, same),
        equal_error=_equal_error(similarity, same),
        accepted=float((similarity[same] > strict).mean()),
    )


def best_threshold(similarity: Float[ndarray, "P"], same: Bool[ndarray, "P"]) -> float:
    """The cosine from which pairs count as the same person, with the fewest errors when both kinds
    are equally likely; halfway between two pairs."""
    order = np.argsort(similarity, kind="stable")
    values, right = similarity[order], same[order]
    accepted = 1.0 - np.concatenate([[0.0], np.cumsum(right)]) / max(right.sum(), 1)
    refused = np.concatenate([[0.0], np.cumsum(~right)]) / max((~right).sum(), 1)
    edges = np.concatenate([[values[0] - 1.0], (values[1:] + values[:-1]) / 2, [values[-1] + 1.0]])
    tied = np.concatenate([[False], values[1:] == values[:-1], [False]])
    return float(edges[np.argmax(np.where(tied, -1.0, accepted + refused))])


def _balanced(accepted: ndarray, same: ndarray) -> float:
    return float((accepted[same].mean() + (~accepted[~same]).mean()) / 2)


def _equal_error(similarity: ndarray, same: ndarray) -> float:
    thresholds = np.unique(similarity)
    missed = np.searchsorted(np.sort(similarity[same]), thresholds) / same.sum()
    passed = 1.0 - np.searchsorted(np.sort(similarity[~same]), thresholds) / (~same).sum()
    nearest = int(np.abs(missed - passed).argmin())
    return float((missed[nearest] + passed[nearest]) / 2)


def all_pairs(
    embeddings: Float[ndarray, "N D"], person: Int[ndarray, "N"]
) -> tuple[Float[ndarray, "P"], Bool[ndarray, "P"]]:
    """Cosines of all pairs of faces, and whether they show the same person."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    i, j = np.triu_indices(len(unit), 1)
    return (unit @ unit.T)[i, j], person[i] == person[j]


@torch.no_grad()
def similarities(
    embed: Embed, a: Float[Tensor, "N 3 R R"], b: Float[Tensor, "N 3 R R"], *, batch: int = 32
) -> Float[ndarray, "N"]:
    """Cosine of each face in `a` with its counterpart in `b`, EG3D crops in [-1, 1]."""
    parts = []
    for x, y in zip(a.split(batch), b.split(batch), strict=True):
        parts.append(torch.cosine_similarity(embed(x).float(), embed(y).float(), dim=1))
    return torch.cat(parts).cpu().numpy()
