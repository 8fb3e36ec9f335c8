"""Patterns in space: veins, grain, speckles, cracks, patches; and the noise that they are made of.

Points are canonical millimetres, so that patterns follow the anatomy and have no seams.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from portraiture.engine.concepts.concept import Pattern
from portraiture.engine.head import HeadModel
from portraiture.engine.skin.detail import cell_spots, fractal, hash_unit, noise
from portraiture.engine.skin.layout import anatomy
from portraiture.ops.inner import inner, kernel
from portraiture.ops.parallel import in_threads

CLOUDS, SPOTS, CELLS, STREAKS, VEINS, GRAIN = range(6)
"""Fields: soft noise in about [-1, 1]; round spots; distance to the border of cells, 0 on it;
streaks along y; thin curved sheets; rings of wood. All but the first are in [0, 1]."""


def field(
    points: Float[ndarray, "N 3"], kind: int, size: float, *, chance: float = 1.0, seed: int = 1
) -> Float32[ndarray, "N"]:
    """A field at points, mm. size: of its features, mm. chance: of a spot in a cell."""
    out = np.empty(len(points), np.float32)
    flat = np.ascontiguousarray(points, np.float32)
    in_threads(_field, len(flat), flat, kind, float(size), float(chance), seed, out)
    return out


@lru_cache(maxsize=12)
def skin_field(
    model: HeadModel, texels: int, kind: int, size: float, *, chance: float = 1.0, seed: int = 1
) -> Float32[ndarray, "s s"]:
    """`field` at every texel of the skin, 0 where there is none. Shared: do not modify it."""
    maps = anatomy(model, texels)
    out = np.zeros((texels, texels), np.float32)
    out[maps.near] = field(maps.position[maps.near], kind, size, chance=chance, seed=seed)
    return out


def amount(
    points: Float[ndarray, "N 3"], pattern: Pattern, scale: float, seed: int = 5
) -> Float32[ndarray, "N"]:
    """Share of a substance's other colour, in [0, 1]. scale: mm."""
    match pattern:
        case "plain":
            return np.zeros(len(points), np.float32)
        case "veined":
            veins = field(points, VEINS, scale, seed=seed)
            clouds = field(points, CLOUDS, 1.6 * scale, seed=seed + 20)
            return np.clip(veins * (0.55 + 0.6 * clouds) + 0.22 * (clouds + 0.3), 0.0, 1.0)
        case "grained":
            return field(points, GRAIN, scale, seed=seed)
        case "speckled":
            dark = field(points, SPOTS, 0.14 * scale, chance=0.55, seed=seed)
            clouds = field(points, CLOUDS, scale, seed=seed + 20)
            return np.clip(0.75 * dark + 0.3 * clouds, 0.0, 1.0)
        case "cracked":
            border = field(points, CELLS, scale, seed=seed)
            return np.clip(1.0 - border / 0.045, 0.0, 1.0) ** 1.5
        case "patina":
            clouds = field(points, CLOUDS, scale, seed=seed)
            fine = field(points, CLOUDS, 0.2 * scale, seed=seed + 20)
            return np.clip(0.5 + 1.6 * (clouds - 0.25) + 0.35 * fine, 0.0, 1.0)
        case "mottled":
            return np.clip(0.5 + 0.75 * field(points, CLOUDS, scale, seed=seed), 0.0, 1.0)


@kernel
def _field(points, kind, size, chance, seed, out, first, end):
    for n in range(first, end):
        x, y, z = points[n, 0] / size, points[n, 1] / size, points[n, 2] / size
        if kind == 0:
            value = fractal(x, y, z, 3, seed)
        elif kind == 1:
            value = cell_spots(x, y, z, chance, 0.2, 0.42, seed)
        elif kind == 2:
            value = _cells(x, y, z, seed)
        elif kind == 3:
            bend = 0.35 * noise(0.5 * x, 0.3 * y, 0.5 * z, seed + 9)
            value = 0.5 + 0.5 * noise(7.0 * (x + bend), y, 7.0 * (z + bend), seed)
        elif kind == 4:
            warp = fractal(0.7 * x, 0.7 * y, 0.7 * z, 3, seed + 11)
            wide = abs(noise(0.8 * x + 0.9 * warp, 0.5 * y + 0.9 * warp, 0.8 * z, seed))
            thin = abs(noise(1.9 * x + warp, 1.4 * y - warp, 1.9 * z, seed + 5))
            value = max(1.0 - 7.0 * wide, 0.6 * (1.0 - 9.0 * thin))
        else:
            off = 0.30 * noise(0.4 * x, 0.12 * y, 0.4 * z, seed + 3)
            ring = 2.6 * np.sqrt((x + off + 0.4) ** 2 + (0.8 * z + off - 0.6) ** 2) + 0.25 * y
            saw = ring - np.floor(ring)
            fibre = noise(24.0 * x, 1.2 * y, 24.0 * z, seed + 7)
            value = 0.75 * saw * saw * saw + 0.22 * (0.5 + fibre)
        out[n] = value if kind == 0 else min(max(value, 0.0), 1.0)


@inner
def _cells(x, y, z, seed):
    """Distance to the second nearest less that to the nearest of jittered lattice points."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    near, second = 9.0, 9.0
    for a in range(-1, 2):
        for b in range(-1, 2):
            for c in range(-1, 2):
                u, v, w = i + a, j + b, k + c
                px = u + hash_unit(u, v, w, seed) - x
                py = v + hash_unit(u, v, w, seed + 1) - y
                pz = w + hash_unit(u, v, w, seed + 2) - z
                far = np.sqrt(px * px + py * py + pz * pz)
                if far < near:
                    second = near
                    near = far
                elif far < second:
                    second = far
    return second - near
