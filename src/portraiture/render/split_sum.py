"""GGX reflection integrated over uniform light, by importance sampling."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

ROUGHNESSES, COSINES, SAMPLES = 24, 24, 256
LEAST_ALPHA = 0.01


def half_vectors(
    view: Float[ndarray, "*n 3"], alpha: Float[ndarray, "*n"], uniform: Float[ndarray, "*n 2"]
) -> Float[ndarray, "*n 3"]:
    """Sample the GGX normals that are visible from `view` (Heitz 2018, "Sampling the GGX
    distribution of visible normals", listing 1). The surface's normal is +z; uniform: in [0, 1)."""
    stretched = _unit(view * np.stack([alpha, alpha, np.ones_like(alpha)], axis=-1))
    x, y, z = np.moveaxis(stretched, -1, 0)
    flat = np.maximum(np.sqrt(x * x + y * y), 1e-12)
    first = np.stack([-y / flat, x / flat, np.zeros_like(z)], axis=-1)
    first = np.where((x * x + y * y > 1e-20)[..., None], first, [1.0, 0.0, 0.0])
    second = np.cross(stretched, first)
    r, turn = np.sqrt(uniform[..., 0]), 2.0 * np.pi * uniform[..., 1]
    t1, t2 = r * np.cos(turn), r * np.sin(turn)
    s = 0.5 * (1.0 + z)
    t2 = (1.0 - s) * np.sqrt(1.0 - t1 * t1) + s * t2
    t3 = np.sqrt(np.maximum(1.0 - t1 * t1 - t2 * t2, 0.0))
    bump = t1[..., None] * first + t2[..., None] * second + t3[..., None] * stretched
    return _unit(bump * np.stack([alpha, alpha, np.ones_like(alpha)], axis=-1))


def smith(cosine: Float[ndarray, "*n"], alpha: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Smith's Lambda of GGX (Heitz 2014, eq. 72) at an angle to the normal."""
    c2 = np.maximum(cosine * cosine, 1e-12)
    return 0.5 * (np.sqrt(1.0 + alpha * alpha * (1.0 - c2) / c2) - 1.0)


@lru_cache(maxsize=1)
def reflectance_table() -> Float[ndarray, "24 24 2"]:
    """Scale and bias of the reflectance at normal incidence that give the reflectance of a rough
    surface under uniform light (Karis 2013, "Real shading in Unreal Engine 4"). Rows: roughness
    from 0 to 1. Columns: cosine of the view from 0 to 1."""
    alpha = np.maximum(np.linspace(0.0, 1.0, ROUGHNESSES) ** 2, LEAST_ALPHA)[:, None, None]
    cosine = np.maximum(np.linspace(0.0, 1.0, COSINES), 0.01)[None, :, None]
    i = np.arange(SAMPLES)
    uniform = np.stack([(i + 0.5) / SAMPLES, i * 0.5 * (5.0**0.5 - 1.0) % 1.0], axis=-1)
    alpha, cosine, _ = np.broadcast_arrays(alpha, cosine, i)
    view = np.stack([np.sqrt(1.0 - cosine**2), np.zeros_like(cosine), cosine], axis=-1)
    half = half_vectors(view, alpha, np.broadcast_to(uniform, (*alpha.shape, 2)))
    along = (view * half).sum(-1)
    down = 2.0 * along * half[..., 2] - view[..., 2]
    out = smith(cosine, alpha)
    share = (1.0 + out) / (1.0 + out + smith(down, alpha)) * (down > 0.0)
    grazing = (1.0 - np.clip(along, 0.0, 1.0)) ** 5
    return np.stack([(share * (1.0 - grazing)).mean(-1), (share * grazing).mean(-1)], axis=-1)


def rough_reflectance(
    f0: float, roughness: float, cosine: Float[ndarray, "*n"]
) -> Float[ndarray, "*n"]:
    """Reflectance under uniform light: the twin of `reflection_numba.reflectance`."""
    table = reflectance_table()
    row = roughness * (ROUGHNESSES - 1)
    low = min(int(row), ROUGHNESSES - 2)
    entry = table[low] + (row - low) * (table[low + 1] - table[low])
    at = np.linspace(0.0, 1.0, COSINES)
    scale, bias = (np.interp(cosine, at, entry[:, k]) for k in range(2))
    return (f0 * scale + bias) * (1.0 + f0 * (1.0 / (scale + bias) - 1.0))


def _unit(v: ndarray) -> ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
