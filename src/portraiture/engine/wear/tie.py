"""A necktie: a knot between the points of a collar and a blade down the shirt."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix

from portraiture.engine.wear import pattern
from portraiture.engine.wear.garment import Block, Draped, fabric_v, join
from portraiture.engine.wear.neckline import front_points
from portraiture.engine.wear.panel import laid, lie, panel
from portraiture.engine.wear.sheet import BOTTOM_M

_TOP_M, _KNOT_M = 0.586, 0.549
"""Heights of the knot's ends on the base mesh."""
_ACROSS = np.linspace(-1.0, 1.0, 9)


def tie_block(draped: Draped) -> Block:
    """Build the knot and the blade."""
    return join([_blade(draped), _knot(draped)])


def _blade(draped: Draped) -> Block:
    down = np.linspace(0.0, 1.0, 22)
    rows, plan = _pattern(draped.hull, (_KNOT_M + 0.006, BOTTOM_M - 0.002), (0.0135, 0.031), 22)
    curve = 0.0035 + 0.0030 * (1.0 - _ACROSS**2)
    dimple = 0.0030 * np.exp(-((_ACROSS / 0.3) ** 2)) * np.exp(-((down[:, None] / 0.22) ** 2))
    return _panel(draped, rows, plan, np.broadcast_to(curve, plan.shape[:2]) - dimple, 0.003)


def _knot(draped: Draped) -> Block:
    down = np.linspace(0.0, 1.0, 12)[:, None]
    rows, plan = _pattern(draped.hull, (_TOP_M, _KNOT_M), (0.0170, 0.0150), 12)
    round_across = np.sqrt(np.clip(1.0 - 0.97 * _ACROSS**2, 0.0, 1.0))
    profile = np.interp(down, [0.0, 0.2, 0.55, 0.9, 1.0], [0.10, 0.55, 1.0, 0.95, 0.6])
    return _panel(draped, rows, plan, 0.0035 + 0.0105 * profile * round_across, 0.006)


def _panel(
    draped: Draped, rows: csr_matrix, plan: ndarray, raised: Float[ndarray, "M N"], thick: float
) -> Block:
    points, normals = lie(draped, rows, raised.ravel())
    uv = np.stack([plan[..., 0], fabric_v(plan[..., 1])], axis=-1)
    shape = (*raised.shape, 3)
    return panel(points.reshape(shape), rows, normals.reshape(shape), uv, thick)


@lru_cache(maxsize=8)
def _pattern(
    hull: pattern.Hull, heights: tuple[float, float], halves: tuple[float, float], count: int
) -> tuple[csr_matrix, ndarray]:
    """Hull weights of a trapezoid's grid, and its points (count, N, 2) in the front view."""
    share = np.linspace(0.0, 1.0, count)[:, None]
    half = halves[0] + share * (halves[1] - halves[0])
    height = heights[0] + share * (heights[1] - heights[0])
    plan = np.stack(np.broadcast_arrays(half * _ACROSS, height), axis=-1)
    return laid(hull, front_points(hull, plan).reshape(-1, 3)), plan
