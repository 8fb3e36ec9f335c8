"""Environments: equirectangular images of distant light, their diffuse and their glossy blur.

Directions: row 0 is up, the middle columns are +z, columns further right are towards +x.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from portraiture.recent import Recent
from portraiture.render.harmonics import sh_basis
from portraiture.render.reflection_numba import COLUMNS, ROWS
from portraiture.types import Light

LEVELS = 6
"""Blurred images of an environment, for roughness 0, 0.2, … 1."""

CATCHLIGHT = 0.7
"""Fraction of the directed part of ambient light that is taken for a lamp where nothing is known of
the light's shape."""
LEAST_LAMP = 0.12
"""Least share of all light that comes from it: flat light of portraits has lamps, too."""
UNIFORM = 0.1
"""Directed part of the light, relative to its mean, below which there is less of a lamp."""
CATCHLIGHT_SIZE = 0.09
"""Tangent of half the angle that this lamp subtends."""


@lru_cache(maxsize=1)
def directions() -> Float[ndarray, "32 64 3"]:
    """Unit directions of the pixels' centres."""
    up = np.pi * (0.5 - (np.arange(ROWS) + 0.5) / ROWS)[:, None]
    turn = 2.0 * np.pi * ((np.arange(COLUMNS) + 0.5) / COLUMNS - 0.5)[None]
    level = np.cos(up)
    return np.stack([level * np.sin(turn), np.sin(up) + 0.0 * turn, level * np.cos(turn)], axis=-1)


@lru_cache(maxsize=1)
def solid_angles() -> Float[ndarray, "32"]:
    """Of one pixel of each row, steradians."""
    edge = np.sin(np.pi * (0.5 - np.arange(ROWS + 1) / ROWS))
    return (edge[:-1] - edge[1:]) * (2.0 * np.pi / COLUMNS)


def project_environment(radiance: Float[ndarray, "32 64 3"]) -> Float[ndarray, "9 3"]:
    """SH coefficients of an environment."""
    return np.einsum("rck,rcx,r->kx", sh_basis(directions()), radiance, solid_angles())


@lru_cache(maxsize=1)
def _spectra() -> ndarray:
    """Azimuthal spectra (LEVELS - 1, 32, 32, 33) of the normalised GGX lobes between two rows.

    With normal = view = reflected direction (Karis 2013, "Real shading in Unreal Engine 4") a
    lobe depends on the angle to it alone, so that its blur is a convolution along each pair of
    rows: D(h) n·l, h half way between the two directions.
    """
    up = np.pi * (0.5 - (np.arange(ROWS) + 0.5) / ROWS)
    turn = 2.0 * np.pi * np.arange(COLUMNS) / COLUMNS
    sine, level = np.sin(up), np.cos(up)
    cosine = sine[:, None, None] * sine[None, :, None] + level[:, None, None] * level[
        None, :, None
    ] * np.cos(turn)
    spectra = []
    for roughness in np.arange(1, LEVELS) / (LEVELS - 1):
        a2 = roughness**4
        lobe = np.maximum(cosine, 0.0) / ((0.5 + 0.5 * cosine) * (a2 - 1.0) + 1.0) ** 2
        lobe *= solid_angles()[None, :, None]
        lobe /= lobe.sum((1, 2), keepdims=True)
        spectra.append(np.fft.rfft(lobe, axis=2).real)
    return np.stack(spectra)


def prefiltered(radiance: Float[ndarray, "32 64 3"]) -> Float32[ndarray, "6 32 64 3"]:
    """The environment blurred by the GGX lobes of roughness 0, 0.2, … 1."""
    radiance = np.asarray(radiance, np.float64)
    image = np.fft.rfft(radiance, axis=1)
    blurred = np.einsum("lijk,jkc->likc", _spectra(), image)
    rough = np.fft.irfft(blurred, n=COLUMNS, axis=2)
    return np.concatenate([radiance[None], rough]).astype(np.float32)


_recent: Recent[tuple[bytes, bytes | None], ndarray] = Recent(8)


def reflections(light: Light) -> Float32[ndarray, "6 32 64 3"]:
    """`prefiltered` environment of a light, which it may have to be made for."""
    given = light.environment
    shown = None if given is None else given.radiance.tobytes()
    key = (np.concatenate([light.ambient, light.key_color[None]]).tobytes(), shown)
    return _recent.get(
        key, lambda: prefiltered(imagined(light) if given is None else given.radiance)
    )


def seen(
    levels: Float32[ndarray, "6 32 64 3"], towards: Float[ndarray, "*n 3"], roughness: float
) -> Float[ndarray, "*n 3"]:
    """Look up a blurred environment in unit directions: the twin of
    `reflection_numba.surroundings`."""
    level = roughness * (LEVELS - 1)
    low = min(int(level), LEVELS - 2)
    image = levels[low] + (level - low) * (levels[low + 1] - levels[low])
    y = np.arccos(np.clip(towards[..., 1], -1.0, 1.0)) * (ROWS / np.pi) - 0.5
    x = (np.arctan2(towards[..., 0], towards[..., 2]) + np.pi) * (COLUMNS / (2.0 * np.pi)) - 0.5
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    v, u = (y - top)[..., None], (x - left)[..., None]
    above, below = (
        (1.0 - u) * image[row, left % COLUMNS] + u * image[row, (left + 1) % COLUMNS]
        for row in (np.maximum(top, 0), np.minimum(top + 1, ROWS - 1))
    )
    return above + v * (below - above)


def imagined(light: Light) -> Float[ndarray, "32 64 3"]:
    """An environment for a light of which SH alone are known.

    Without a key light, `CATCHLIGHT` of the directed light, or `LEAST_LAMP` of all, comes from a
    square lamp above the horizon; the smooth rest makes up for it, so that the sum's SH remain
    about the same.
    """
    ambient = np.asarray(light.ambient, np.float64)
    if np.max(light.key_color) > 0.0:
        return np.maximum(sh_basis(directions()) @ ambient, 0.0)
    grey = ambient.mean(1)
    slope = np.array([grey[3], grey[1], grey[2]])
    strength = float(np.linalg.norm(slope))
    towards = slope + np.array([0.0, 0.2, 0.8]) * strength
    length = float(np.linalg.norm(towards))
    if length < 1e-6 or grey[0] <= 0.0:
        return np.maximum(sh_basis(directions()) @ ambient, 0.0)
    lamp = panel(towards / length, CATCHLIGHT_SIZE, CATCHLIGHT_SIZE)
    lamp = lamp * np.maximum(ambient[0] / grey[0], 0.0)
    shape = project_environment(lamp)
    size = np.linalg.norm(shape[1:4].mean(1))
    gain = CATCHLIGHT * strength / max(float(size), 1e-9)
    least = LEAST_LAMP * min(grey[0], strength / UNIFORM)
    gain = max(gain, least / max(float(shape[0].mean()), 1e-9))
    rest = np.maximum(sh_basis(directions()) @ (ambient - gain * shape), 0.0)
    return rest + gain * lamp


def panel(
    towards: Float[ndarray, "3"], width: float, height: float, *, soft: float = 0.05
) -> Float[ndarray, "32 64 1"]:
    """A rectangle of radiance 1 that faces the origin, upright. width, height: tangents of half
    the angles that it subtends. soft: width of its edge."""
    side = np.array([towards[2], 0.0, -towards[0]])
    side = side / max(float(np.linalg.norm(side)), 1e-9)
    x, y, z = (directions() @ axis for axis in (side, np.cross(towards, side), towards))
    before = np.maximum(z, 1e-3)
    across = _ramp((width - np.abs(x) / before) / soft)
    along = _ramp((height - np.abs(y) / before) / soft)
    return (across * along * (z > 0.0))[..., None]


def _ramp(x: ndarray) -> ndarray:
    """0 below -1, 1 above 1, smooth between."""
    t = np.clip(0.5 + 0.5 * x, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
