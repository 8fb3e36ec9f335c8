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
SHIRT_TIP_M = 0.512
"""Height on the base mesh at which the fronts of an open shirt meet."""


@dataclass(frozen=True)
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


@lru_cache(maxsize=8)
def neckline(model: HeadModel, kind: Neckline) -> Line:
    """Build the neckline of a garment. Raises ValueError for bare shoulders, which have none."""
    if kind == "crew":
        return _round(((0.0, 0.0665), (0.6, 0.064), (1.4, 0.058), (2.2, 0.057), (np.pi, 0.057)))
    if kind == "v_neck":
        return _pointed(model, tip=(0.0, 0.482), side=(0.074, 0.583), bulge=0.006)
    if kind == "shirt":
        return _pointed(model, tip=(0.0, SHIRT_TIP_M), side=(0.066, 0.585), bulge=-0.004)
    raise ValueError(f"{kind} has no neckline")


def _round(knots: tuple[tuple[float, float], ...]) -> Line:
    """Build a symmetric line by smooth interpolation of descents over the absolute angle."""
    angle, descent = np.array(knots).T
    both = np.concatenate([-angle[:0:-1], angle]), np.concatenate([descent[:0:-1], descent])
    samples = np.linspace(-np.pi, np.pi, _AROUND)
    return Line(samples, PchipInterpolator(*both)(samples))


def _pointed(
    model: HeadModel, tip: tuple[float, float], side: tuple[float, float], bulge: float
) -> Line:
    """Build a V, given in the front view by its tip and its intersection with the shoulder (x, y in
    metres); bulge: outward bow of its arms, metres."""
    points = pattern.body_hull(model).points
    front = points[points[:, 2] > 0.012]
    depth = LinearNDInterpolator(front[:, :2], front[:, 2])
    t = np.linspace(0.0, 1.0, 40)
    x = tip[0] + t * (side[0] - tip[0]) + bulge * np.sin(np.pi * t)
    y = tip[1] + t * (side[1] - tip[1])
    curve = np.stack([x, y, depth(x, y)], axis=1)
    curve = curve[np.isfinite(curve).all(1)]
    angle, descent = angle_of(curve), descent_of(curve)
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(angle)) > 1e-4])
    angle, descent = angle[rising], descent[rising]
    angle = np.concatenate([angle, [2.3, np.pi]])
    descent = np.concatenate([descent, [0.057, 0.057]])
    # More samples near the tip, where the angle changes quickly along the line.
    half = np.unique(np.concatenate([np.linspace(0.0, np.pi, _AROUND // 2 + 1), angle[:-2]]))
    samples = np.concatenate([-half[:0:-1], half])
    return Line(samples, np.interp(np.abs(samples), angle, descent))
