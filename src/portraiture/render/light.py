"""Light of a portrait in linear radiance: studio light, one key light, sampled light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.render import scenery
from portraiture.render.environment import directions, panel, project_environment
from portraiture.render.flat_tones import TOWARDS_KEY
from portraiture.render.harmonics import (
    diffuse_ambient,
    even_directions,
    project_light,
    sh_basis,
)
from portraiture.render.scenery import Scenery, towards
from portraiture.types import Environment, Light

SCENES: tuple[tuple[float, Callable[[np.random.Generator], Scenery]], ...] = (
    (0.16, scenery.softbox),
    (0.08, scenery.clamshell),
    (0.05, scenery.low_key),
    (0.05, scenery.cross_light),
    (0.12, scenery.window),
    (0.08, scenery.loft),
    (0.10, scenery.office),
    (0.08, scenery.living_room),
    (0.10, scenery.overcast),
    (0.07, scenery.open_shade),
    (0.07, scenery.sunny),
    (0.04, scenery.low_sun),
)
"""Surroundings that `sample_light` chooses from, with their probabilities."""

STUDIO_EXPOSURE = 0.975
"""Mean radiance under `studio_light` of white surfaces facing forward or half sideways."""

KEYED, UMBRELLA, FILL = 1.5, 0.2, 0.3
"""Of `keyed`: the key's directed light relative to that measured, the tangent of half the angle
that the key subtends, an umbrella's, and the least share of the mean light that stays as fill. A
lamp of an umbrella's size has more directed light than the sum with its fill, which the fit's
regularisation flattens besides; the fill then comes rather from the sides."""
LOWEST = 0.35
"""Least sine of the key's elevation: lamps of portraits hang above the face."""


def studio_light() -> Light:
    """Clamshell light as in official portraits: a key above the camera, a little to the left of the
    image, a reflector below it, cool fill from the right and slight rim lights.

    Cheeks and the skin below the eyes come out as light as they are in portraits.
    """
    walls = np.array([0.204, 0.21, 0.223]) * np.ones((32, 64, 1))
    fill = np.array([0.59, 0.62, 0.65]) * panel(towards(0.85, 0.15), 0.36, 0.6, soft=0.1)
    front = np.array([1.5, 1.46, 1.42]) * panel(towards(-0.1, 0.62), 0.5, 0.3, soft=0.1)
    below = np.array([2.8, 2.77, 2.74]) * panel(towards(0.0, -0.55), 0.5, 0.13, soft=0.06)
    rims = np.array([3.1, 3.25, 3.5]) * (
        panel(towards(2.15, 0.35), 0.18, 0.7) + 0.6 * panel(towards(-2.15, 0.4), 0.18, 0.7)
    )
    scene = Scenery(
        walls + fill + front + below + rims,
        TOWARDS_KEY,
        np.array([0.51, 0.487, 0.459]),
        0.16,
        "square",
    )
    return _exposed(_lit(scene), STUDIO_EXPOSURE)


def portrait_light(*, azimuth: float, elevation: float, contrast: float, exposure: float) -> Light:
    """One key light with soft, uniform fill.

    azimuth: of the key, radians from the front towards the person's left. elevation: radians.
    contrast: the key's fraction of the light, in [0, 1]. exposure: mean radiance of white surfaces
    facing forward or half sideways. Raises ValueError when no light reaches those.
    """
    d = even_directions(1024)
    sky = np.array([0.97, 1.0, 1.03]) * (0.85 + 0.2 * d[:, 1:2] + 0.15 * d[:, 2:3])
    ambient = (1.0 - contrast) * project_light(d, sky)
    key = contrast * np.array([1.06, 1.0, 0.94])
    return _exposed(Light(ambient, towards(azimuth, elevation), key), exposure)


def keyed(light: Light, *, share: float = KEYED, size: float = UMBRELLA) -> Light:
    """The same diffuse light with a key light, which has `share` of its directed part.

    Of a photo's light only the SH of order 2 can be measured (`fit.light`), in which no lamp has
    shadows or highlights. The key's direction is that of the linear band, at least `LOWEST` above
    the horizon; its SH are taken from the ambient light, whose mean stays at least `FILL` of what
    it was. Light that has a key or no direction is returned as it is. size: tangent of half the
    angle that the key subtends.
    """
    ambient = np.asarray(light.ambient, np.float64)
    grey = ambient.mean(1)
    slope = np.array([grey[3], grey[1], grey[2]])
    strength = float(np.linalg.norm(slope))
    if np.max(light.key_color) > 0.0 or grey[0] <= 0.0 or strength < 1e-3 * grey[0]:
        return light
    direction = _raised(slope / strength)
    shape = sh_basis(direction)
    radiance = share * strength / np.linalg.norm(shape[1:4])
    radiance = min(radiance, (1.0 - FILL) * grey[0] / shape[0])
    color = radiance * ambient[0] / grey[0]
    fill = ambient - shape[:, None] * color
    around = sh_basis(directions()) @ fill
    return Light(
        fill,
        direction,
        color / np.pi,
        Environment(np.maximum(around, 0.0).astype(np.float16), size, "square"),
    )


def _raised(direction: Float[ndarray, "3"]) -> Float[ndarray, "3"]:
    """A unit vector turned upwards until it is `LOWEST` above the horizon; from the front where it
    has no azimuth."""
    if direction[1] >= LOWEST:
        return direction
    x, z = direction[0], direction[2]
    level = float(np.hypot(x, z))
    x, z = (x / level, z / level) if level > 1e-6 else (0.0, 1.0)
    along = float(np.sqrt(1.0 - LOWEST**2))
    return np.array([along * x, LOWEST, along * z])


def sample_light(rng: np.random.Generator) -> Light:
    """Sample a natural portrait light: one of `SCENES`, varied.

    The face is always well exposed: white surfaces facing forward or half sideways have a mean
    radiance of 0.7 to 1.05, and white balance removes most of the colour cast.
    """
    scene = SCENES[rng.choice(len(SCENES), p=[chance for chance, _ in SCENES])][1]
    light = _balanced(_lit(scene(rng)), keep=rng.uniform(0.15, 0.45))
    return _exposed(light, rng.uniform(0.7, 1.05))


def scaled(light: Light, gain: float | Float[ndarray, "3"]) -> Light:
    """The same light, `gain` times as bright, a number or one for each channel."""
    around = light.environment
    if around is not None:
        around = replace(around, radiance=(around.radiance * gain).astype(np.float16))
    return replace(
        light,
        ambient=light.ambient * gain,
        key_color=light.key_color * gain,
        environment=around,
    )


def _lit(scene: Scenery) -> Light:
    radiance = np.maximum(scene.radiance, 0.0)
    return Light(
        project_environment(radiance),
        scene.direction,
        scene.color,
        Environment(radiance.astype(np.float16), scene.size, scene.shape),
    )


def _face_exposure(light: Light) -> Float[ndarray, "3"]:
    """Mean radiance of white surfaces facing forward or half sideways."""
    d = even_directions(256)
    n = d[(d[:, 2] > 0.4) & (np.abs(d[:, 1]) < 0.6)]
    key = np.maximum(n @ light.key_direction, 0.0)[:, None] * light.key_color
    return (diffuse_ambient(light.ambient, n) + key).mean(0)


def _exposed(light: Light, exposure: float) -> Light:
    seen = _face_exposure(light).mean()
    if not seen > 0.0:
        raise ValueError("a key light behind the head alone does not light the face")
    return scaled(light, exposure / seen)


def _balanced(light: Light, *, keep: float) -> Light:
    """White-balance on the light of the face; `keep`: fraction of the colour cast that remains."""
    seen = _face_exposure(light)
    return scaled(light, (seen.mean() / seen) ** (1.0 - keep))
