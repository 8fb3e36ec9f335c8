"""Points spaced evenly by throwing darts (Cook 1986)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from portraiture.ops.inner import inner, kernel


def spread(points: Float[ndarray, "N 3"], count: int) -> Int[ndarray, "K"]:
    """Select at most `count` evenly spaced points: those with no earlier neighbour within a radius
    found by bisection."""
    if len(points) <= count:
        return np.arange(len(points))
    low, high = 0.0, 0.02
    chosen = np.arange(count)
    first = np.empty(4 * len(points) + 1, np.int64)
    following = np.empty(len(points), np.int64)
    accepted = np.empty(len(points), np.bool_)
    for _ in range(10):
        radius = 0.5 * (low + high)
        for array, value in ((first, -1), (following, -1), (accepted, False)):
            array.fill(value)
        _darts(points, radius, first, following, accepted)
        kept = np.flatnonzero(accepted)
        if len(kept) > count:
            low = radius
        else:
            high, chosen = radius, kept
    return chosen


@kernel
def _darts(
    points: ndarray, radius: float, first: ndarray, following: ndarray, accepted: ndarray
) -> None:
    """Accept points in order, each unless an accepted point is nearer than `radius`.

    Accepted points are stored in a hashed grid with cells as wide as the radius: the first one of
    each slot and, of each point, the following one in its slot, -1 where there is none.
    """
    slots = first.shape[0]
    for i in range(points.shape[0]):
        x = int(np.floor(points[i, 0] / radius))
        y = int(np.floor(points[i, 1] / radius))
        z = int(np.floor(points[i, 2] / radius))
        free = True
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    j = first[_slot(x + dx, y + dy, z + dz, slots)]
                    while j >= 0 and free:
                        d = points[i] - points[j]
                        free = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] >= radius * radius
                        j = following[j]
        if free:
            accepted[i] = True
            slot = _slot(x, y, z, slots)
            following[i] = first[slot]
            first[slot] = i


@inner
def _slot(x: int, y: int, z: int, slots: int) -> int:
    return (x * 73856093 ^ y * 19349663 ^ z * 83492791) % slots
