"""Map six Gaussian numbers to the camera and light of an image.

Together with a person's latent (`people.latent`) they form the z of one image, as image generators
need it: z ~ N(0, 1) of `IMAGE_LATENT_SIZE` numbers, the person first.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import ndtr

from portraiture.people.latent import LATENT_SIZE
from portraiture.render.light import portrait_light
from portraiture.types import Light

SCENE_NUMBERS = ("yaw", "pitch", "light_side", "light_height", "contrast", "exposure")
SCENE_SIZE = len(SCENE_NUMBERS)
IMAGE_LATENT_SIZE = LATENT_SIZE + SCENE_SIZE

LIMIT = 2.2
"""Numbers are clipped at this many standard deviations."""

YAW, PITCH = radians(20.0), radians(7.0)
"""Standard deviation of the camera's angles."""

SIDE, HEIGHT, LOW = radians(35.0), radians(15.0), radians(25.0)
"""Standard deviation of the key light's azimuth and elevation, and the mean elevation."""

CONTRAST, EXPOSURE = (0.1, 0.75), (0.7, 1.0)


@dataclass(frozen=True)
class Scene:
    """Camera and light of one image. yaw, pitch: of the camera (`camera.eg3d_orbit`), radians."""

    yaw: float
    pitch: float
    light: Light


def scene_from_numbers(numbers: Float[ndarray, "S"]) -> Scene:
    """Decode a scene from `SCENE_SIZE` standard normal numbers: yaw within 44° and pitch within
    15°, a key light with azimuth within 77° and elevation from below the eyes to 58°.

    Raises ValueError on a wrong length or on numbers that are not finite.
    """
    numbers = np.asarray(numbers, np.float64)
    if numbers.shape != (SCENE_SIZE,) or not np.isfinite(numbers).all():
        raise ValueError(f"a scene is {SCENE_SIZE} finite numbers in a row")
    yaw, pitch, side, height, contrast, exposure = np.clip(numbers, -LIMIT, LIMIT).tolist()
    return Scene(
        yaw=YAW * yaw,
        pitch=PITCH * pitch,
        light=portrait_light(
            azimuth=SIDE * side,
            elevation=LOW + HEIGHT * height,
            contrast=_between(CONTRAST, contrast),
            exposure=_between(EXPOSURE, exposure),
        ),
    )


def _between(span: tuple[float, float], number: float) -> float:
    return span[0] + (span[1] - span[0]) * float(ndtr(number))
