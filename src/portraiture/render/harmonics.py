"""Real spherical harmonics up to order 2, and their use as light.

Order of the nine coefficients: Y00; Y1-1 (y), Y10 (z), Y11 (x); Y2-2 (xy), Y2-1 (yz),
Y20 (3z² - 1), Y21 (xz), Y22 (x² - y²).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

COSINE_LOBE = np.array([1.0] + [2.0 / 3.0] * 3 + [0.25] * 5)
"""Zonal coefficients of the clamped cosine divided by pi (Ramamoorthi and Hanrahan 2001, eq. 8)."""


def sh_basis(normals: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 9"]:
    """The nine real spherical harmonics up to order 2 at unit directions."""
    x, y, z = np.moveaxis(np.asarray(normals), -1, 0)
    return np.stack(
        [
            np.full_like(x, 0.28209479177387814),
            0.4886025119029199 * y,
            0.4886025119029199 * z,
            0.4886025119029199 * x,
            1.0925484305920792 * x * y,
            1.0925484305920792 * y * z,
            0.31539156525252005 * (3.0 * z * z - 1.0),
            1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ],
        axis=-1,
    )


def diffuse_ambient(
    ambient: Float[ndarray, "9 3"], normals: Float[ndarray, "*n 3"]
) -> Float[ndarray, "*n 3"]:
    """Radiance of a white Lambertian surface under the SH light (irradiance over pi)."""
    return sh_basis(normals) @ (COSINE_LOBE[:, None] * ambient)


def project_light(
    directions: Float[ndarray, "N 3"], radiance: Float[ndarray, "N 3"]
) -> Float[ndarray, "9 3"]:
    """Project radiance, given at N evenly spaced directions on the sphere, to SH coefficients."""
    return sh_basis(directions).T @ radiance * (4.0 * np.pi / len(directions))


def even_directions(count: int) -> Float[ndarray, "N 3"]:
    """Evenly spaced directions on the sphere (Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    y = 1.0 - 2.0 * i / count
    turn = np.pi * (1.0 + 5.0**0.5) * i
    r = np.sqrt(1.0 - y * y)
    return np.stack([r * np.sin(turn), y, r * np.cos(turn)], axis=1)
