"""Distance between two sets of points (Chamfer), and how deep heads are.

Letters: N, M points.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import KDTree


def chamfer(a: Float[ndarray, "N 3"], b: Float[ndarray, "M 3"]) -> float:
    """Mean distance of each point to the nearest of the other set, averaged over both directions,
    in the unit of the points. Raises ValueError on an empty set."""
    if not len(a) or not len(b):
        raise ValueError("an empty set of points has no distance")
    there, back = KDTree(b).query(a)[0], KDTree(a).query(b)[0]
    return float((there.mean() + back.mean()) / 2.0)


def depth_moments(depth: Float[ndarray, "h w"], mask: Bool[ndarray, "h w"]) -> tuple[float, float]:
    """Mean and standard deviation of a depth map inside a mask: M_d and S_d of 3DAvatarGAN are
    their means over images (a billboard has S_d near 0). Raises ValueError on an empty mask."""
    if not mask.any():
        raise ValueError("no pixel counts")
    inside = np.asarray(depth, np.float64)[mask]
    return float(inside.mean()), float(inside.std())
