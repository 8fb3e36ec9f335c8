"""Twelve procedural surroundings of a portrait: studios, windows, rooms and skies.

Each gives an `Environment`'s image without the key light, and the key light, in relative units;
a random generator varies them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.render.environment import directions, panel
from portraiture.types import KeyShape

WARM = np.array([1.0, 0.82, 0.62])
COOL = np.array([0.80, 0.90, 1.0])
FLASH = np.array([1.0, 0.95, 0.88])


class Scenery(NamedTuple):
    """radiance: (32, 64, 3). direction, color: of the key light. size, shape: see `Environment`."""

    radiance: Float[ndarray, "32 64 3"]
    direction: Float[ndarray, "3"]
    color: Float[ndarray, "3"]
    size: float
    shape: KeyShape


def towards(azimuth: float, elevation: float) -> Float[ndarray, "3"]:
    """Unit vector; azimuth from the front towards the person's left, radians."""
    c = np.cos(elevation)
    return np.array([np.sin(azimuth) * c, np.sin(elevation), np.cos(azimuth) * c])


def softbox(rng: np.random.Generator) -> Scenery:
    """Square key light, a large reflector beside, strip lights behind."""
    side = _side(rng)
    key = towards(side * rng.uniform(0.2, 0.95), rng.uniform(0.25, 0.75))
    fill = panel(towards(-side * rng.uniform(0.7, 1.1), 0.15), 0.4, 0.6, soft=0.1)
    image = _box(rng.uniform(0.2, 0.42) * np.ones(3), floor=0.6, ceiling=0.8)
    image = image + rng.uniform(1.0, 3.5) * fill * COOL
    image = image + _strips(rng.uniform(0.0, 3.5), rng.uniform(0.0, 3.5))
    return Scenery(image, key, rng.uniform(0.6, 1.1) * FLASH, rng.uniform(0.09, 0.17), "square")


def clamshell(rng: np.random.Generator) -> Scenery:
    """A round key light above the camera, a reflector below it, a bright backdrop."""
    key = towards(rng.uniform(-0.2, 0.2), rng.uniform(0.45, 0.7))
    below = panel(towards(0.0, -0.6), 0.6, 0.3, soft=0.15)
    back = _lobe(towards(np.pi, 0.1), 2.0)
    image = _box(rng.uniform(0.2, 0.35) * np.ones(3)) + rng.uniform(1.0, 2.2) * below
    image = image + rng.uniform(0.3, 0.9) * back
    return Scenery(image, key, rng.uniform(0.7, 1.0) * FLASH, rng.uniform(0.11, 0.18), "round")


def low_key(rng: np.random.Generator) -> Scenery:
    """One light high at a side in a dark room, and a hair light."""
    side = _side(rng)
    key = towards(side * rng.uniform(0.55, 0.85), rng.uniform(0.45, 0.7))
    fill = _lobe(towards(-side * 0.7, 0.1), 1.5)
    image = _box(rng.uniform(0.16, 0.26) * np.ones(3), floor=0.7, ceiling=0.6)
    image = image + rng.uniform(0.15, 0.35) * fill
    image = image + rng.uniform(2.0, 5.0) * panel(towards(-side * 2.4, 0.7), 0.25, 0.4)
    return Scenery(image, key, rng.uniform(0.7, 1.0) * FLASH, rng.uniform(0.1, 0.16), "square")


def cross_light(rng: np.random.Generator) -> Scenery:
    """A key light at one side and a strip light at the other."""
    side = _side(rng)
    key = towards(side * rng.uniform(0.5, 0.9), rng.uniform(0.25, 0.5))
    strip = panel(towards(-side * rng.uniform(0.9, 1.4), 0.15), 0.22, 0.8)
    image = _box(rng.uniform(0.18, 0.3) * np.ones(3)) + rng.uniform(2.0, 4.0) * strip * COOL
    return Scenery(image, key, rng.uniform(0.5, 0.8) * FLASH, rng.uniform(0.1, 0.15), "square")


def window(rng: np.random.Generator) -> Scenery:
    """A room of warm walls with one large window at a side."""
    side = _side(rng)
    azimuth = side * rng.uniform(0.65, 1.15)
    key = towards(azimuth, rng.uniform(0.1, 0.4))
    walls = rng.uniform(0.26, 0.42) * WARM ** rng.uniform(0.3, 1.0)
    image = _box(walls, floor=0.7, ceiling=1.25)
    image = image + rng.uniform(0.6, 1.1) * _lobe(key, 2.0) * COOL
    further = panel(towards(azimuth + side * 0.75, 0.2), 0.25, 0.45)
    image = image + rng.choice((0.0, 3.5)) * further * COOL
    return Scenery(image, key, rng.uniform(0.4, 0.8) * COOL, rng.uniform(0.14, 0.22), "window")


def loft(rng: np.random.Generator) -> Scenery:
    """A white room with a row of windows."""
    side = _side(rng)
    image = _box(rng.uniform(0.4, 0.55) * np.array([1.0, 0.98, 0.95]), floor=0.6, ceiling=1.1)
    for azimuth in (1.45, 2.1, 2.75):
        pane = panel(towards(side * azimuth, 0.25), 0.2, 0.5)
        image = image + rng.uniform(1.5, 3.0) * pane * COOL
    key = towards(side * rng.uniform(0.5, 0.85), rng.uniform(0.2, 0.4))
    return Scenery(image, key, rng.uniform(0.3, 0.6) * COOL, rng.uniform(0.14, 0.2), "window")


def office(rng: np.random.Generator) -> Scenery:
    """Rows of panels in the ceiling, and a brighter one, the key light."""
    d = directions()
    above = np.maximum(d[..., 1:2], 1e-3)
    x, z = d[..., :1] / above, d[..., 2:] / above
    near = (d[..., 1:2] > 0.2) * np.clip(2.0 - 0.5 * np.hypot(x, z), 0.0, 1.0)
    panels = _bump(x / 1.2 + rng.uniform(), 0.3) * _bump(z / 1.2 + rng.uniform(), 0.22) * near
    tint = WARM ** rng.uniform(0.0, 0.7)
    image = _box(rng.uniform(0.35, 0.55) * tint, floor=0.55, ceiling=1.2)
    image = image + rng.uniform(1.5, 3.0) * panels * tint
    key = towards(rng.uniform(-0.7, 0.7), rng.uniform(0.6, 0.95))
    return Scenery(image, key, rng.uniform(0.25, 0.5) * tint, rng.uniform(0.12, 0.2), "square")


def living_room(rng: np.random.Generator) -> Scenery:
    """Warm lamps, and a cool window behind."""
    side = _side(rng)
    tint = WARM ** rng.uniform(0.4, 1.0)
    image = _box(rng.uniform(0.35, 0.55) * tint, floor=0.6, ceiling=1.15)
    image = image + rng.uniform(2.0, 4.0) * panel(towards(-side * 1.2, 0.0), 0.16, 0.2) * WARM
    image = image + rng.uniform(1.0, 2.5) * panel(towards(side * 2.3, 0.2), 0.35, 0.5) * COOL
    key = towards(side * rng.uniform(0.3, 0.9), rng.uniform(0.4, 0.8))
    return Scenery(image, key, rng.uniform(0.3, 0.6) * tint, rng.uniform(0.1, 0.16), "round")


def overcast(rng: np.random.Generator) -> Scenery:
    """A white sky, brighter towards the zenith, over grey ground."""
    up = directions()[..., 1:2]
    sky = (0.75 + 0.35 * up) * np.array([0.95, 0.98, 1.0])
    ground = rng.uniform(0.22, 0.42) * np.array([1.0, 0.96, 0.88])
    key = towards(rng.uniform(-0.8, 0.8), rng.uniform(0.5, 1.0))
    return Scenery(
        _over(sky, ground, 8.0), key, np.full(3, rng.uniform(0.12, 0.3)),
        rng.uniform(0.2, 0.28), "round",
    )  # fmt: skip


def open_shade(rng: np.random.Generator) -> Scenery:
    """In the shade of a house: blue sky above the front, a dark wall behind, lit ground before."""
    d = directions()
    sky = rng.uniform(0.8, 1.1) * np.array([0.82, 0.92, 1.05]) * (0.9 + 0.2 * d[..., 2:])
    wall = 0.28 * np.array([1.0, 0.92, 0.82])
    front = 1.0 / (1.0 + np.exp(-6.0 * (d[..., 2:] + 0.3)))
    ground = rng.uniform(0.35, 0.6) * np.array([1.0, 0.95, 0.86]) * (0.6 + 0.4 * front)
    image = _over(front * sky + (1.0 - front) * wall, ground, 8.0)
    key = towards(rng.uniform(-0.7, 0.7), rng.uniform(0.4, 0.8))
    return Scenery(image, key, rng.uniform(0.15, 0.35) * COOL, rng.uniform(0.2, 0.28), "square")


def sunny(rng: np.random.Generator) -> Scenery:
    """The sun in a blue sky over bright ground."""
    key = towards(rng.uniform(-1.0, 1.0), rng.uniform(0.45, 0.9))
    sky = rng.uniform(0.4, 0.6) * np.array([0.70, 0.85, 1.1]) + 0.5 * _lobe(key, 8.0)
    ground = rng.uniform(0.3, 0.5) * np.array([1.0, 0.93, 0.82])
    return Scenery(
        _over(sky, ground, 8.0), key, rng.uniform(0.7, 1.1) * WARM**0.4,
        rng.uniform(0.04, 0.08), "round",
    )  # fmt: skip


def low_sun(rng: np.random.Generator) -> Scenery:
    """The last hour of the sun: a glow around it, a dim cool sky elsewhere."""
    side = _side(rng)
    key = towards(side * rng.uniform(0.5, 1.3), rng.uniform(0.12, 0.3))
    up = directions()[..., 1:2]
    sky = 0.5 * COOL * (0.9 + 0.3 * up) + 0.7 * _lobe(key, 3.0) * WARM
    ground = 0.4 * WARM * (1.0 + 0.0 * up)
    return Scenery(
        _over(sky, ground, 5.0), key, rng.uniform(0.5, 0.85) * WARM, rng.uniform(0.05, 0.1), "round"
    )


def _side(rng: np.random.Generator) -> float:
    return float(rng.choice((-1.0, 1.0)))


def _lobe(direction: ndarray, sharpness: float) -> Float[ndarray, "32 64 1"]:
    """A glow: 1 at its centre, falling off with the angle."""
    return np.exp(sharpness * (directions() @ direction - 1.0))[..., None]


def _box(
    walls: Float[ndarray, "3"], *, floor: float = 0.7, ceiling: float = 1.0
) -> Float[ndarray, "32 64 3"]:
    """A room; the floor and the ceiling relative to the walls."""
    up = directions()[..., 1:2]
    top, bottom = (1.0 / (1.0 + np.exp(-10.0 * (s * up - 0.55))) for s in (1.0, -1.0))
    return walls * (1.0 + top * (ceiling - 1.0) + bottom * (floor - 1.0))


def _strips(left: float, right: float) -> Float[ndarray, "32 64 1"]:
    """Tall lights behind both shoulders, of these radiances."""
    return sum(
        level * panel(towards(azimuth, 0.25), 0.16, 0.7)
        for azimuth, level in ((2.15, left), (-2.15, right))
    )  # type: ignore[return-value]


def _over(sky: ndarray, ground: ndarray, sharpness: float) -> ndarray:
    blend = 1.0 / (1.0 + np.exp(-sharpness * directions()[..., 1:2]))
    return blend * sky + (1.0 - blend) * ground


def _bump(x: ndarray, width: float) -> ndarray:
    """1 within `width` of every integer, with soft edges."""
    return np.clip((width - np.abs((x + 0.5) % 1.0 - 0.5)) / 0.1 + 0.5, 0.0, 1.0)
