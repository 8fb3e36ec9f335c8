"""A smooth skull: the head's radius in every direction, without ears and face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.face.follicles import canonical_skin, carry
from portraiture.engine.shape import HeadShape
from portraiture.types import Segment

_DEGREE = 6
_TILT_RAD = 0.20
_SIDES = np.array([[0.0735, 0.762, 0.040], [-0.0735, 0.762, 0.040]])


@dataclass(frozen=True)
class Skull:
    """centre: (3,) metres. coefficients: of the radius in the polynomial basis `_basis`."""

    centre: Float[ndarray, "3"]
    coefficients: Float[ndarray, "K"]

    def radius(self, directions: Float[ndarray, "P 3"]) -> Float[ndarray, "P"]:
        """Distance (metres) from the centre to the skin along unit directions."""
        return _basis(directions) @ self.coefficients

    def polar(
        self, points: Float[ndarray, "P 3"]
    ) -> tuple[Float[ndarray, "P"], Float[ndarray, "P"], Float[ndarray, "P"]]:
        """Azimuth (0 in front, positive to the person's left), elevation and radius of points
        about an axis tilted back, so that a hat's rim has nearly constant elevation."""
        offset = np.asarray(points, np.float64) - self.centre
        radius = np.linalg.norm(offset, axis=1)
        x, up, ahead = (offset @ _axes().T / np.maximum(radius, 1e-9)[:, None]).T
        return np.arctan2(x, ahead), np.arcsin(np.clip(up, -1.0, 1.0)), radius

    def directions(
        self, azimuth: Float[ndarray, "*S"], elevation: Float[ndarray, "*S"]
    ) -> Float[ndarray, "*S 3"]:
        """Unit vectors of `polar` angles, radians."""
        flat = np.cos(elevation)
        local = np.stack(
            [flat * np.sin(azimuth), np.sin(elevation) + 0.0 * azimuth, flat * np.cos(azimuth)],
            axis=-1,
        )
        return local @ _axes()


def fit_skull(shape: HeadShape) -> Skull:
    """Fit the radius to the cranium's skin by ridge regression; the ridge bounds it elsewhere."""
    canonical = canonical_skin(shape.model)
    ears = np.isin(
        shape.model.arrays["skin_segment"], (Segment.LEFT_EAR, Segment.RIGHT_EAR, Segment.NECK)
    )
    used = np.zeros(len(canonical), bool)
    used[shape.faces[~ears].ravel()] = True
    x, y, z = canonical.T
    used &= (y > 0.715) & ((y > 0.752) | (z < 0.06)) & (y < 0.9)
    used &= (np.abs(x) > 0.02) | (y > 0.752) | (z < 0.0)
    centre = carry(_SIDES, shape).mean(0)
    offset = shape.skin[used].astype(np.float64) - centre
    radius = np.linalg.norm(offset, axis=1)
    basis = _basis(offset / radius[:, None])
    ridge = 1e-3 * len(basis) * np.eye(basis.shape[1])
    mean = radius.mean()
    moment = basis.T @ basis + ridge * 1e-2
    solved = np.linalg.solve(moment, basis.T @ (radius - mean))
    return Skull(centre, solved + _constant(mean, moment))


def _constant(value: float, moment: ndarray) -> ndarray:
    """Coefficients of the constant `value`, which is value * (x² + y² + z²)³ on the sphere."""
    out = np.zeros(len(moment))
    for row, (i, j, k) in enumerate(_powers()):
        if i + j + k == _DEGREE and i % 2 == j % 2 == k % 2 == 0:
            out[row] = value * _multinomial(i // 2, j // 2, k // 2)
    return out


def _multinomial(i: int, j: int, k: int) -> int:
    factorial = (1, 1, 2, 6)
    return factorial[i + j + k] // (factorial[i] * factorial[j] * factorial[k])


def _powers() -> list[tuple[int, int, int]]:
    """Exponents of the monomials of the two highest degrees, which span all spherical harmonics up
    to `_DEGREE` on the sphere."""
    return [
        (i, j, degree - i - j)
        for degree in (_DEGREE - 1, _DEGREE)
        for i in range(degree + 1)
        for j in range(degree + 1 - i)
    ]


def _basis(directions: ndarray) -> ndarray:
    x, y, z = directions.reshape(-1, 3).T
    columns = [x**i * y**j * z**k for i, j, k in _powers()]
    return np.stack(columns, axis=1)


def _axes() -> ndarray:
    """Rows: left, up (tilted back), forward."""
    c, s = np.cos(_TILT_RAD), np.sin(_TILT_RAD)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
