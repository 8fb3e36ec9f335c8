"""Necklines of garments as level functions on the base mesh.

A point is described by its angle around the neck's axis (0 in front, positive to the person's left)
and a descent that increases outward and down. A neckline is a descent for every angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import LinearNDInterpolator, PchipInterpolator

from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import Neckline
from portraiture.engine.wear import pattern

AXIS_Y_M, AXIS_Z_M = 0.6, 0.028
_AROUND = 129
SHIRT_TIP_M = 0.514
"""Height on the base mesh at which the fronts of an open shirt meet."""


@lru_cache(maxsize=2)
def _front_depth(hull: pattern.Hull) -> LinearNDInterpolator:
    front = hull.points[hull.points[:, 2] > 0.012]
    return LinearNDInterpolator(front[:, :2], front[:, 2])


def front_points(hull: pattern.Hull, places: Float[ndarray, "... 2"]) -> Float[ndarray, "... 3"]:
    """The points of the base mesh's chest and shoulders at places (x, y) of its front view; NaN
    where there are none."""
    return np.concatenate([places, _front_depth(hull)(places)[..., None]], axis=-1)


Knots = tuple[tuple[float, float], ...]
"""(angle, descent) of points of a symmetric line: radians and metres."""


NAPE: Knots = ((2.3, 0.057), (np.pi, 0.057))
SHIRT_SEAM: Knots = ((0.0, 0.066), (0.7, 0.064), (1.5, 0.060), (np.pi, 0.061))
"""Where a T-shirt ends behind, and where a shirt's collar is sewn on."""


@dataclass(frozen=True, eq=False)
class Line:
    """samples: (N,) angles from -pi to pi. descent: (N,) metres at those angles."""

    samples: Float[ndarray, "N"]
    descent: Float[ndarray, "N"]

    def level(self, points: Float[ndarray, "P 3"]) -> Float[ndarray, "P"]:
        """Metres of descent below the neckline; negative towards the neck."""
        return descent_of(points) - np.interp(angle_of(points), self.samples, self.descent)


def angle_of(points: Float[ndarray, "P 3"]) -> Float[ndarray, "P"]:
    """Angle around the neck, radians in (-pi, pi]."""
    return np.arctan2(points[:, 0], points[:, 2] - AXIS_Z_M)


def descent_of(points: Float[ndarray, "P 3"]) -> Float[ndarray, "P"]:
    """Descent (metres), a combination of outward and downward distance that suits the neck's
    slope."""
    radius = np.hypot(points[:, 0], points[:, 2] - AXIS_Z_M)
    return 0.6 * radius + 0.8 * (AXIS_Y_M - points[:, 1])


@lru_cache(maxsize=16)
def neckline(model: HeadModel, kind: Neckline) -> Line:
    """Build the neckline of a garment's innermost layer.

    Raises ValueError for bare shoulders, which have none.
    """
    if kind == "crew":
        return symmetric(((0.0, 0.0665), (0.6, 0.064), (1.4, 0.058), (2.2, 0.057), (np.pi, 0.057)))
    if kind == "v_neck":
        return _in_front(model, _v((0.0, 0.482), (0.074, 0.583), 0.006), NAPE)
    if kind in ("shirt", "suit_open"):
        return _in_front(model, _v((0.0, SHIRT_TIP_M), (0.017, 0.5555), 0.002), SHIRT_SEAM[1:])
    if kind == "suit_tie":
        return symmetric(SHIRT_SEAM)
    if kind == "knit":
        return symmetric(((0.0, 0.066), (0.6, 0.064), (1.4, 0.060), (2.2, 0.059), (np.pi, 0.059)))
    if kind == "hoodie":
        return symmetric(((0.0, 0.082), (0.35, 0.072), (1.0, 0.063), (2.2, 0.059), (np.pi, 0.059)))
    if kind == "dress":
        return _in_front(model, _scoop(0.502, (0.112, 0.568)), ((2.2, 0.098), (np.pi, 0.094)))
    if kind == "blouse_jacket":
        return _in_front(model, _scoop(0.527, (0.080, 0.580)), ((2.3, 0.074), (np.pi, 0.074)))
    raise ValueError(f"{kind} has no neckline")


@lru_cache(maxsize=4)
def opening(model: HeadModel) -> Line:
    """The fold of a jacket's lapels and collar: from the button up to the neck and around it."""
    behind = ((2.3, 0.045), (np.pi, 0.043))
    return _in_front(model, _v((0.0, 0.295), (0.0625, 0.586), 0.005), behind)


@lru_cache(maxsize=16)
def symmetric(knots: Knots) -> Line:
    """Build a symmetric line by monotone interpolation of descents over the absolute angle."""
    angle, descent = np.array(knots).T
    if angle[0] > 0.0:
        angle, descent = np.append(0.0, angle), np.append(descent[0], descent)
    both = np.concatenate([-angle[:0:-1], angle]), np.concatenate([descent[:0:-1], descent])
    samples = np.linspace(-np.pi, np.pi, _AROUND)
    return Line(samples, PchipInterpolator(*both)(samples))


def _v(tip: tuple[float, float], side: tuple[float, float], bulge: float) -> Float[ndarray, "N 2"]:
    """The left arm of a V in the front view, from its tip to its side (x, y in metres), bowed
    outwards by `bulge` metres."""
    t = np.linspace(0.0, 1.0, 40)[:, None]
    return np.array(tip) + t * np.subtract(side, tip) + bulge * np.sin(np.pi * t) * [1.0, 0.0]


def _scoop(bottom: float, side: tuple[float, float]) -> Float[ndarray, "N 2"]:
    """The left half of a round neckline in the front view, from its bottom (y) to a side (x, y)."""
    turn = np.linspace(0.0, 0.5 * np.pi, 40)
    return np.stack([side[0] * np.sin(turn), side[1] + (bottom - side[1]) * np.cos(turn)], axis=1)


def _in_front(model: HeadModel, half: Float[ndarray, "N 2"], behind: Knots) -> Line:
    """Build a line from its left half in the front view and (angle, descent) behind."""
    curve = front_points(pattern.body_hull(model), half)
    curve = curve[np.isfinite(curve).all(1)]
    angle, descent = angle_of(curve), descent_of(curve)
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(angle)) > 1e-4])
    rising &= angle < behind[0][0]
    in_front = angle[rising]
    angle = np.concatenate([in_front, np.array(behind)[:, 0]])
    descent = np.concatenate([descent[rising], np.array(behind)[:, 1]])
    # More samples near the tip, where the angle changes quickly along the line.
    half_turn = np.unique(np.concatenate([np.linspace(0.0, np.pi, _AROUND // 2 + 1), in_front]))
    samples = np.concatenate([-half_turn[:0:-1], half_turn])
    return Line(samples, np.interp(np.abs(samples), angle, descent))
