"""Where balding heads still have hair: the hairline's recession and the density over the scalp."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import PchipInterpolator

from portraiture.engine.hair.scalp import RADIUS
from portraiture.engine.parameters import AvatarParameters
from portraiture.ops.vectors import smooth

_AZIMUTH = np.array([0.0, 40.0, 49.0, 58.0, 72.0, 100.0, 125.0, 150.0, 180.0])
_RIM = np.array([-60.0, -12.0, 16.0, 26.0, 31.0, 34.0, 31.0, 25.0, 21.0])
"""Upper edge of the horseshoe: azimuth from the face and elevation, degrees."""

_RIM_RANGE = 14.0
"""Change of the rim's elevation, degrees, from `hair_line` 0 to 1."""

_RIM_FADE = 0.03
"""Metres below the rim over which the hair rises to full density."""


def recession(parameters: AvatarParameters) -> float:
    """Recession of `scalp.hairline`: above 1 the temples are deeper than in any other style."""
    match parameters.hair_style:
        case "receding":
            return 0.66 + 0.55 * parameters.hair_line
        case "horseshoe":
            return 0.65
        case _:
            return parameters.hair_line


def density(
    azimuth: Float[ndarray, "..."], elevation: Float[ndarray, "..."], parameters: AvatarParameters
) -> Float[ndarray, "..."]:
    """Fraction of the hairs that remain, in [0, 1]; 1 everywhere in styles that do not bald.

    azimuth, elevation: degrees in the chart of the average head.
    """
    azimuth = np.abs(azimuth)
    match parameters.hair_style:
        case "receding":
            top = smooth((elevation - 26.0) / 30.0)
            forelock = 0.35 * smooth((38.0 - azimuth) / 26.0) * smooth((80.0 - elevation) / 25.0)
            return 1.0 - top * np.clip(0.2 + 0.65 * parameters.hair_line - forelock, 0.0, 0.85)
        case "horseshoe":
            rim = PchipInterpolator(_AZIMUTH, _RIM)(azimuth)
            rim = rim + _RIM_RANGE * (0.5 - parameters.hair_line)
            rim = rim + 1.8 * np.sin(np.radians(7.0 * azimuth)) * np.sin(np.radians(17.0 * azimuth))
            return smooth(RADIUS * np.radians(rim - elevation) / _RIM_FADE)
        case _:
            return np.ones(np.broadcast_shapes(azimuth.shape, np.shape(elevation)))
