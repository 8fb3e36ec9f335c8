"""Light in linear radiance: order-2 spherical harmonics, studio light and sampled portrait light.

SH order of the nine coefficients: Y00; Y1-1 (y), Y10 (z), Y11 (x); Y2-2 (xy), Y2-1 (yz),
Y20 (3z² - 1), Y21 (xz), Y22 (x² - y²).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.types import Light

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


def _unit(*xyz: float) -> ndarray:
    v = np.array(xyz, np.float64)
    return v / np.linalg.norm(v)


def _lobe(directions: ndarray, towards: ndarray, sharpness: float) -> ndarray:
    """A soft light lobe: 1 at its centre, falling off with the angle; (N, 1)."""
    return np.exp(sharpness * (directions @ towards - 1.0))[:, None]


def studio_light() -> Light:
    """A large warm key light from the upper left of the image, cool fill and a slight rim light."""
    d = even_directions(_SKY_DIRECTIONS)
    sky = np.array([0.31, 0.33, 0.37]) * (0.75 + 0.25 * d[:, 1:2])
    fill = np.array([0.40, 0.44, 0.50]) * _lobe(d, _unit(0.75, 0.1, 0.7), 3.0)
    front = np.array([0.28, 0.27, 0.26]) * _lobe(d, _unit(-0.3, 0.4, 1.0), 2.0)
    rim = np.array([0.60, 0.63, 0.70]) * (
        _lobe(d, _unit(0.9, 0.4, -0.6), 6.0) + 0.6 * _lobe(d, _unit(-0.9, 0.5, -0.6), 6.0)
    )
    return Light(
        ambient=project_light(d, sky + fill + front + rim),
        key_direction=_unit(-0.52, 0.50, 0.82),
        key_color=np.array([0.84, 0.77, 0.68]),
    )


def portrait_light(*, azimuth: float, elevation: float, contrast: float, exposure: float) -> Light:
    """One key light with soft, uniform fill.

    azimuth: of the key, radians from the front towards the person's left. elevation: radians.
    contrast: the key's fraction of the light, in [0, 1]. exposure: mean radiance of white surfaces
    facing forward or half sideways. Raises ValueError when no light reaches those.
    """
    d = even_directions(_SKY_DIRECTIONS)
    sky = np.array([0.97, 1.0, 1.03]) * (0.85 + 0.2 * d[:, 1:2] + 0.15 * d[:, 2:3])
    ambient = (1.0 - contrast) * project_light(d, sky)
    light = Light(ambient, _from(azimuth, elevation), contrast * np.array([1.06, 1.0, 0.94]))
    seen = _face_exposure(light).mean()
    if not seen > 0.0:
        raise ValueError("a key light behind the head alone does not light the face")
    gain = exposure / seen
    return Light(light.ambient * gain, light.key_direction, light.key_color * gain)


def sample_light(rng: np.random.Generator) -> Light:
    """Sample a natural portrait light: studio, window, room, overcast, sun or low sun.

    The face is always well exposed: white surfaces facing forward or half sideways have a mean
    radiance of 0.7 to 1.05, and white balance removes most of the colour cast.
    """
    scenes = (_studio, _window, _room, _overcast, _sun, _low_sun)
    chances = (0.3, 0.2, 0.2, 0.15, 0.1, 0.05)
    d = even_directions(_SKY_DIRECTIONS)
    sky, direction, key = scenes[rng.choice(len(scenes), p=chances)](rng, d)
    ambient = project_light(d, np.maximum(sky, 0.0))
    light = _balanced(Light(ambient, direction, key), keep=rng.uniform(0.15, 0.45))
    gain = rng.uniform(0.7, 1.05) / _face_exposure(light).mean()
    return Light(light.ambient * gain, light.key_direction, light.key_color * gain)


_SKY_DIRECTIONS = 1024
_WARM = np.array([1.0, 0.82, 0.62])
_COOL = np.array([0.80, 0.90, 1.0])


def _face_exposure(light: Light) -> Float[ndarray, "3"]:
    """Mean radiance of white surfaces facing forward or half sideways."""
    d = even_directions(256)
    n = d[(d[:, 2] > 0.4) & (np.abs(d[:, 1]) < 0.6)]
    key = np.maximum(n @ light.key_direction, 0.0)[:, None] * light.key_color
    return (diffuse_ambient(light.ambient, n) + key).mean(0)


def _balanced(light: Light, *, keep: float) -> Light:
    """White-balance on the light of the face; `keep`: fraction of the colour cast that remains."""
    seen = _face_exposure(light)
    gain = (seen.mean() / seen) ** (1.0 - keep)
    return Light(light.ambient * gain, light.key_direction, light.key_color * gain)


def _from(azimuth: float, elevation: float) -> ndarray:
    """Unit vector; azimuth from the front towards the person's left, radians."""
    c = np.cos(elevation)
    return np.array([np.sin(azimuth) * c, np.sin(elevation), np.cos(azimuth) * c])


def _side(rng: np.random.Generator) -> float:
    return float(rng.choice((-1.0, 1.0)))


def _studio(rng: np.random.Generator, d: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    side = _side(rng)
    key = _from(side * rng.uniform(0.2, 0.95), rng.uniform(0.25, 0.75))
    fill = rng.uniform(0.25, 0.7) * _lobe(d, _from(-side * 0.8, 0.1), 2.5)
    rim = rng.uniform(0.0, 0.9) * _lobe(d, _from(-side * 2.2, 0.4), 6.0)
    sky = rng.uniform(0.2, 0.45) * np.ones((1, 3)) + fill * _COOL + rim
    return sky, key, rng.uniform(0.6, 1.1) * np.array([1.0, 0.95, 0.88])


def _window(rng: np.random.Generator, d: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    side = _side(rng)
    key = _from(side * rng.uniform(0.7, 1.2), rng.uniform(0.1, 0.45))
    room = rng.uniform(0.22, 0.4) * _WARM * (1.0 + 0.2 * d[:, 1:2])
    glow = rng.uniform(0.7, 1.2) * _lobe(d, key, 2.0) * _COOL
    return room + glow, key, rng.uniform(0.35, 0.75) * _COOL


def _room(rng: np.random.Generator, d: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    key = _from(rng.uniform(-0.9, 0.9), rng.uniform(0.6, 1.05))
    tint = _WARM ** rng.uniform(0.2, 1.0)
    ceiling = rng.uniform(0.4, 0.8) * _lobe(d, _unit(0.0, 1.0, 0.3), 1.2)
    walls = rng.uniform(0.35, 0.6) * (0.8 + 0.3 * d[:, 2:3])
    return (ceiling + walls) * tint, key, rng.uniform(0.25, 0.55) * tint


def _overcast(rng: np.random.Generator, d: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    key = _from(rng.uniform(-0.8, 0.8), rng.uniform(0.5, 1.0))
    sky = np.where(d[:, 1:2] > 0.0, 0.75 + 0.35 * d[:, 1:2], 0.75) * np.array([0.95, 0.98, 1.0])
    ground = rng.uniform(0.2, 0.4) * np.array([1.0, 0.96, 0.88])
    blend = 1.0 / (1.0 + np.exp(-8.0 * d[:, 1:2]))
    return blend * sky + (1.0 - blend) * ground, key, np.full(3, rng.uniform(0.1, 0.3))


def _sun(rng: np.random.Generator, d: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    key = _from(rng.uniform(-1.0, 1.0), rng.uniform(0.45, 0.9))
    blend = 1.0 / (1.0 + np.exp(-6.0 * d[:, 1:2]))
    sky = rng.uniform(0.4, 0.6) * np.array([0.70, 0.85, 1.1])
    ground = rng.uniform(0.3, 0.5) * np.array([1.0, 0.93, 0.82])
    return blend * sky + (1.0 - blend) * ground, key, rng.uniform(0.8, 1.2) * _WARM**0.4


def _low_sun(rng: np.random.Generator, d: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    side = _side(rng)
    key = _from(side * rng.uniform(0.5, 1.3), rng.uniform(0.1, 0.3))
    sky = 0.45 * _COOL * (0.9 + 0.3 * d[:, 1:2]) + 0.4 * _lobe(d, key, 1.5) * _WARM
    return sky, key, rng.uniform(0.5, 0.9) * _WARM
