"""Density, length and direction of beard growth on the canonical face.

Heights and distances are in metres on the base mesh. `around` is the angle around the head's
vertical axis, 0 in front and about pi/2 at the ear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.parameters import BeardStyle

_MOUTH_Y_M = 0.6603
_LIPS_M = (0.0285, 0.0132)


@dataclass(frozen=True)
class BeardZone:
    """density: (P,) in [0, 1]. length: (P,) fraction of the style's length. direction: (P, 3)
    growth direction on the base mesh. hang: (P,) how strongly gravity bends the hair downwards."""

    density: Float[ndarray, "P"]
    length: Float[ndarray, "P"]
    direction: Float[ndarray, "P 3"]
    hang: Float[ndarray, "P"]


def beard_zone(points: Float[ndarray, "P 3"], style: BeardStyle) -> BeardZone:
    """Evaluate the zone of a style at canonical points."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    side = np.sign(points[:, 0])
    around = np.arctan2(x, z - 0.06)
    moustache, beard = _moustache(x, y, z), _cheeks_and_chin(x, y, z, around)
    chin, patch = _chin(x, y, z), _soul_patch(x, y, z)
    links = _links(x, y, z)
    burns = _sideburns(y, z, around)
    if style in ("stubble", "short_beard", "full_beard"):
        density = np.maximum.reduce([moustache, 0.6 * beard, 0.8 * links, 0.6 * burns, patch])
    elif style == "moustache":
        density = moustache
    elif style == "goatee":
        density = np.maximum(chin, patch)
    elif style == "circle":
        density = np.maximum.reduce([moustache, chin, links, patch])
    elif style == "sideburns":
        density = burns
    else:
        density = np.zeros(len(points))
    density = density * _ramp(lip_distance(points) / 0.0035)
    on_lip = np.clip(moustache * 2.0, 0.0, 1.0)
    return BeardZone(
        density,
        _length(style, y, z, around, on_lip),
        _direction(x, y, side, around, on_lip),
        np.where(on_lip > 0.3, 0.55, 1.0),
    )


def lip_distance(points: Float[ndarray, "P 3"]) -> Float[ndarray, "P"]:
    """Signed distance (metres) to the lips' outline, negative inside, large away from the front of
    the face."""
    x, y = points[:, 0] / _LIPS_M[0], (points[:, 1] - _MOUTH_Y_M) / _LIPS_M[1]
    radius = np.hypot(x, y)
    away = (radius - 1.0) * np.where(np.abs(y) > np.abs(x), _LIPS_M[1], 0.6 * _LIPS_M[0])
    return np.where(points[:, 2] > 0.115, away, 1.0)


def _moustache(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    top = 0.6800 - 0.30 * np.clip(x - 0.013, 0.0, None)
    bottom = 0.6695 - 0.42 * np.clip(x - 0.012, 0.0, None)
    rows = _ramp((top - y) / 0.004 + 0.2) * _ramp((y - bottom) / 0.003 + 0.6)
    philtrum = 1.0 - 0.25 * np.exp(-((x / 0.0035) ** 2)) * _ramp((y - 0.673) / 0.004)
    return rows * philtrum * _ramp((0.036 - x) / 0.016) * (z > 0.12)


def _cheeks_and_chin(x: ndarray, y: ndarray, z: ndarray, around: ndarray) -> ndarray:
    cheek = np.interp(
        around,
        [0.0, 0.30, 0.45, 0.75, 1.05, 1.3, 1.6],
        [0.650, 0.664, 0.667, 0.672, 0.685, 0.71, 0.73],
    )
    cheek = np.where(x < 0.026, np.minimum(cheek, 0.6500), cheek)
    neck = np.interp(around, [0.0, 0.5, 0.9, 1.4, 1.8], [0.603, 0.609, 0.619, 0.640, 0.655])
    rows = _ramp((cheek - y) / 0.018 + 0.35) * _ramp((y - neck) / 0.020 + 0.35)
    throat = _ramp((z - 0.085) / 0.010 + np.clip((y - 0.618) / 0.008, 0.0, 1.0))
    return rows * throat * _ramp((z - 0.045) / 0.012) * _ramp((1.75 - around) / 0.15)


def _chin(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    half = np.interp(y, [0.605, 0.62, 0.64, 0.65], [0.020, 0.026, 0.024, 0.017])
    rows = _ramp((0.6445 - y) / 0.005 + 0.2) * _ramp((half - x) / 0.006 + 0.3)
    return rows * _ramp((z - 0.106) / 0.012) * _ramp((y - 0.600) / 0.006)


def _soul_patch(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    width = np.interp(y, [0.636, 0.650], [0.006, 0.011])
    return (
        _ramp((width - x) / 0.004 + 0.2)
        * _ramp((0.6505 - y) / 0.002)
        * _ramp((y - 0.634) / 0.004)
        * (z > 0.13)
    )


def _links(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    """Strips beside the mouth that connect moustache and chin."""
    middle = np.interp(y, [0.632, 0.650, 0.668], [0.024, 0.0325, 0.0330])
    rows = _ramp((0.670 - y) / 0.004) * _ramp((y - 0.628) / 0.006)
    return rows * _ramp((0.0062 - np.abs(x - middle)) / 0.004 + 0.2) * (z > 0.11)


def _sideburns(y: ndarray, z: ndarray, around: ndarray) -> ndarray:
    front = np.interp(y, [0.66, 0.70, 0.76], [0.096, 0.090, 0.091])
    back = np.interp(y, [0.66, 0.70, 0.76], [0.062, 0.066, 0.062])
    rows = _ramp((0.764 - y) / 0.028) * _ramp((y - 0.682) / 0.010)
    return rows * _ramp((front - z) / 0.008) * _ramp((z - back) / 0.006) * (around > 0.9)


def _length(style: BeardStyle, y: ndarray, z: ndarray, around: ndarray, on_lip: ndarray) -> ndarray:
    if style == "full_beard":
        fall = np.interp(around, [0.0, 0.4, 0.9, 1.3, 1.6], [1.0, 0.88, 0.62, 0.40, 0.28])
        fall = fall * np.interp(y, [0.62, 0.65, 0.70, 0.76], [1.0, 0.80, 0.62, 0.50])
        return np.where(on_lip > 0.3, 0.30, fall)
    if style == "goatee":
        return np.interp(y, [0.62, 0.648], [1.0, 0.4])
    if style in ("short_beard", "circle"):
        fall = np.interp(y, [0.62, 0.68, 0.76], [1.0, 0.8, 0.6])
        return np.where(on_lip > 0.3, 0.85, fall)
    if style == "sideburns":
        return np.interp(y, [0.69, 0.76], [1.0, 0.7])
    return np.ones_like(y)


def _direction(
    x: ndarray, y: ndarray, side: ndarray, around: ndarray, on_lip: ndarray
) -> Float[ndarray, "P 3"]:
    """Downward, slightly forward on the jaw; on the upper lip outward and down along the mouth."""
    forward = np.interp(around, [0.0, 0.6, 1.2], [0.10, 0.30, 0.22])
    down = np.stack([0.10 * side, -np.ones_like(x), forward], axis=1)
    outward = np.interp(x, [0.0, 0.006, 0.02, 0.034], [0.35, 0.9, 1.0, 0.45])
    across = np.stack([side * outward, -np.ones_like(x) * 0.75, -0.1 * np.ones_like(x)], axis=1)
    share = on_lip[:, None]
    return share * across + (1.0 - share) * down


def _ramp(x: ndarray) -> ndarray:
    """Smoothstep of x clipped to [0, 1]."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
