"""Clumps: strands gathered into a few thick tapered locks, as a sculptor or draughtsman shows hair.

strands ──cluster by course──▶ members ──mean──▶ lines, radii ──▶ dense `Samples`

Dimension letters: P strands, T points along each, K clumps, N samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import KDTree

POINTS = 14
"""T."""

_ROUNDS = 3

_ROOT = 1.6
"""Weight of the roots' distance: locks stay narrow where hair parts."""

_SLENDER = 0.2
"""Largest radius over the lock's length: short hair shows points, not pebbles."""


@dataclass(frozen=True)
class Clumps:
    """Middles of tapered locks, root first. line: (K, T, 3) metres. radius: (K, T) metres."""

    line: Float[ndarray, "K T 3"]
    radius: Float[ndarray, "K T"]


@dataclass(frozen=True)
class Samples:
    """Points on the middles of all clumps.

    tree: over point (N, 3), metres. radius: (N,). clump: (N,) index. along: (N,) 0 at the root, 1
    at the tip.
    """

    tree: KDTree
    point: Float[ndarray, "N 3"]
    radius: Float[ndarray, "N"]
    clump: Int[ndarray, "N"]
    along: Float[ndarray, "N"]


def resampled(strands: Float[ndarray, "P M 3"], points: int = POINTS) -> Float[ndarray, "P T 3"]:
    """`points` points along each strand, evenly in its own parameter."""
    at = np.linspace(0.0, strands.shape[1] - 1.0, points)
    low = np.minimum(at.astype(int), strands.shape[1] - 2)
    share = (at - low)[None, :, None]
    return (1.0 - share) * strands[:, low] + share * strands[:, low + 1]


def gather(
    strands: Float[ndarray, "P T 3"],
    height: Float[ndarray, "P"],
    count: int,
    *,
    taper: float,
    girth: float = 1.0,
    limits: tuple[float, float] = (0.0045, 0.0125),
    slender: bool = True,
) -> Clumps:
    """Cluster strands by their course (k-means, seeded by farthest points) and take the mean of
    each cluster's outer half.

    height: of each strand over the skin, metres. taper: radius at the tip as a fraction. girth:
    radius relative to the root mean square distance of the members. limits: of the radius, metres.
    slender: whether short locks are thin.
    """
    course = strands[:, [1, len(strands[0]) // 2, -1]] * [[_ROOT], [1.0], [1.0]]
    course = course.reshape(len(strands), -1)
    owner = _clustered(course, min(count, len(strands)))
    lines, radii = [], []
    for k in range(owner.max() + 1):
        own = np.flatnonzero(owner == k)
        if len(own) < 3:
            continue
        outer = own[height[own] >= np.median(height[own])]
        line = strands[outer].mean(0)
        away = np.linalg.norm(strands[own] - line, axis=2)
        lines.append(line)
        radii.append(np.sqrt((away**2).mean(0)))
    line, spread = np.stack(lines), np.stack(radii)
    radius = np.clip(girth * np.median(spread, axis=1), *limits)
    if slender:
        length = np.linalg.norm(np.diff(line, axis=1), axis=2).sum(1)
        radius = np.clip(_SLENDER * length, 0.6 * limits[0], radius)
    radius = radius[:, None]
    t = np.linspace(0.0, 1.0, line.shape[1])
    profile = np.interp(t, [0.0, 0.2, 0.55, 1.0], [0.7, 1.0, 1.0, taper])
    return Clumps(_relaxed(line), radius * profile)


def sample(clumps: Clumps, step: float) -> Samples:
    """Samples about `step` metres apart along the clumps."""
    length = np.linalg.norm(np.diff(clumps.line, axis=1), axis=2).sum(1)
    points, radii, owner, along = [], [], [], []
    for k, line in enumerate(clumps.line):
        count = max(int(np.ceil(length[k] / step)) + 1, 2)
        t = np.linspace(0.0, 1.0, count)
        knots = np.linspace(0.0, 1.0, len(line))
        points.append(np.stack([np.interp(t, knots, line[:, c]) for c in range(3)], axis=1))
        radii.append(np.interp(t, knots, clumps.radius[k]))
        owner.append(np.full(count, k))
        along.append(t)
    point = np.concatenate(points)
    return Samples(
        KDTree(point), point, np.concatenate(radii), np.concatenate(owner), np.concatenate(along)
    )


def _clustered(course: Float[ndarray, "P D"], count: int) -> Int[ndarray, "P"]:
    """Index of each row's cluster. Deterministic."""
    centre = course.mean(0, keepdims=True)
    far = ((course - centre) ** 2).sum(1)
    chosen = [int(np.argmax(far))]
    nearest = ((course - course[chosen[0]]) ** 2).sum(1)
    for _ in range(count - 1):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, ((course - course[chosen[-1]]) ** 2).sum(1))
    means = course[chosen]
    owner = np.zeros(len(course), int)
    for _ in range(_ROUNDS):
        owner = np.asarray(KDTree(means).query(course)[1])
        number = np.maximum(np.bincount(owner, minlength=len(means)), 1)[:, None]
        sums = [np.bincount(owner, c, minlength=len(means)) for c in course.T]
        means = np.stack(sums, axis=1) / number
    return owner


def _relaxed(line: Float[ndarray, "K T 3"]) -> Float[ndarray, "K T 3"]:
    """Two rounds of smoothing along the lines, ends kept."""
    for _ in range(2):
        between = 0.5 * (line[:, :-2] + line[:, 2:])
        line = np.concatenate([line[:, :1], 0.5 * (line[:, 1:-1] + between), line[:, -1:]], axis=1)
    return line
