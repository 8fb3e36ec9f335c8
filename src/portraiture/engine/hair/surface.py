"""A smooth implicit surface of the skin, for collision of strands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numba import get_num_threads
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.hair.scalp import canonical_head, ear_mask, scalp_depth
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import unit

NEIGHBOURS = 6
SHARED = 500
"""Queries from which they are shared among threads, as many as numba has."""

_GROWTH_MARGIN = 0.004
"""Metres around the scalp within which the affine map to the average head is fitted."""


@dataclass(frozen=True)
class SkinField:
    """Signed distance to the skin as a weighted mean of its nearest tangent planes (implicit
    moving least squares, Kolluri 2008), exact on planes and C0 between neighbourhoods.

    tree: over `points` (M, 3), the skin's vertices and triangle centres, with unit `normals`.
    to_canonical: (4, 3) affine map from this head to the average one, fitted on the scalp.
    ears: (2, 3) centres of the outer ears, left first.
    """

    tree: KDTree
    points: Float[ndarray, "M 3"]
    normals: Float[ndarray, "M 3"]
    to_canonical: Float[ndarray, "4 3"]
    ears: Float[ndarray, "2 3"]

    def __call__(
        self, queries: Float[ndarray, "Q 3"]
    ) -> tuple[Float[ndarray, "Q"], Float[ndarray, "Q 3"]]:
        """Signed distance (metres, positive outside) and unit normal at each query point."""
        workers = get_num_threads() if len(queries) > SHARED else 1
        distance, index = self.tree.query(queries, k=NEIGHBOURS, workers=workers)
        weight = 1.0 / (distance**2 + 1e-8)
        weight /= weight.sum(1, keepdims=True)
        normals = self.normals[index]
        plane = np.einsum("qkc,qkc->qk", queries[:, None] - self.points[index], normals)
        return (weight * plane).sum(1), unit(np.einsum("qk,qkc->qc", weight, normals))

    @property
    def scale(self) -> float:
        """Size of this head's cranium relative to the average one's."""
        return float(abs(np.linalg.det(self.to_canonical[:3])) ** (-1 / 3))

    def canonical(self, points: Float[ndarray, "Q 3"]) -> Float[ndarray, "Q 3"]:
        """Map points to the coordinates of the average head."""
        return points @ self.to_canonical[:3] + self.to_canonical[3]


def skin_field(shape: HeadShape) -> SkinField:
    """Build the field of head, neck and shoulders, without the inside of the mouth."""
    corners = shape.skin[shape.faces].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outside = shape.model.arrays["skin_segment"] != 10
    used = np.unique(shape.faces[outside])
    points = np.concatenate([shape.skin[used].astype(np.float64), corners[outside].mean(1)])
    normals = np.concatenate([shape.normals[used].astype(np.float64), unit(normal[outside])])
    canonical = canonical_head(shape.model).skin.astype(np.float64)
    scalp = scalp_depth(canonical, 0.0) > -_GROWTH_MARGIN
    ones = np.ones((int(scalp.sum()), 1))
    to_canonical, *_ = np.linalg.lstsq(
        np.concatenate([shape.skin[scalp].astype(np.float64), ones], axis=1),
        canonical[scalp],
        rcond=None,
    )
    ear = shape.skin[ear_mask(shape.model)].astype(np.float64)
    ears = np.stack([ear[ear[:, 0] > 0].mean(0), ear[ear[:, 0] < 0].mean(0)])
    return SkinField(KDTree(points), points, normals, to_canonical, ears)
