"""Cloth textures: jersey and oxford weave, ribbing and trim in one 512² texture.

The texture tiles horizontally only. From the bottom: a strip of plain trim (buttons), a strip of
ribbing, and the fabric. Heights are converted to normals; colour varies slightly between yarns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.parameters import AvatarParameters
from portraiture.types import Material

SIZE = 512
TRIM_V = (0.01, 0.09)
RIB_V = (0.115, 0.205)
FABRIC_V = (0.225, 0.995)
"""Strips of the texture as (lowest, highest) v."""
FABRIC_HEIGHT_M = 0.29
"""Physical height of the fabric strip; the texture's width follows from the same scale."""
WIDTH_M = FABRIC_HEIGHT_M / (FABRIC_V[1] - FABRIC_V[0])
RIB_PERIOD_PX = 8


def cloth_material(parameters: AvatarParameters) -> Material:
    """Jersey for T-shirts, oxford cotton for shirts, in the parameters' cloth colour."""
    color = np.array([parameters.cloth_red, parameters.cloth_green, parameters.cloth_blue])
    tone, normal, roughness = _weave(parameters.neckline == "shirt")
    albedo = np.clip(cloth_color(color)[None, None] * tone[..., None], 0.0, 1.0)
    albedo[_in_trim()] = np.clip(0.55 + 0.4 * color, 0.0, 1.0)
    opaque = np.ones((SIZE, SIZE, 1))
    return Material(
        kind="cloth",
        base_color=_bytes(np.concatenate([albedo, opaque], axis=2)),
        normal=normal,
        roughness=roughness,
        double_sided=True,
    )


@lru_cache(maxsize=2)
def _weave(shirt: bool) -> tuple[ndarray, ndarray, ndarray]:
    """Tone (S, S), normal map and roughness of the whole texture. The arrays are shared."""
    rng = np.random.default_rng(23)
    height, tone = _oxford(rng) if shirt else _jersey(rng)
    rows = 1.0 - (np.arange(SIZE) + 0.5) / SIZE
    in_trim = _in_trim()
    if not shirt:
        rib, rib_tone = _ribbing(rng)
        in_rib = (rows < 0.5 * (RIB_V[1] + FABRIC_V[0])) & ~in_trim
        height[in_rib], tone[in_rib] = rib[in_rib], rib_tone[in_rib]
    height[in_trim], tone[in_trim] = 0.0, 1.0
    rough = np.where(in_trim[:, None], 0.35, np.clip(0.86 - 0.04 * height, 0.0, 1.0))
    return tone, height_normals(height, 0.9 if shirt else 1.1), _bytes(rough)


def _in_trim() -> ndarray:
    """Rows of the texture that hold plain trim."""
    rows = 1.0 - (np.arange(SIZE) + 0.5) / SIZE
    return rows <= 0.5 * (TRIM_V[1] + RIB_V[0])


def cloth_color(color: Float[ndarray, "3"]) -> Float[ndarray, "3"]:
    """Compress sRGB to [0.05, 0.93]: dyed cloth is never pure black or pure white."""
    return 0.05 + 0.88 * np.asarray(color)


def height_normals(height: Float[ndarray, "h w"], strength: float) -> UInt8[ndarray, "h w 3"]:
    """Tangent-space normal map (glTF, +y up) of a tiling height field; height in texels."""
    dx = 0.5 * strength * (np.roll(height, -1, 1) - np.roll(height, 1, 1))
    dy = 0.5 * strength * (np.roll(height, 1, 0) - np.roll(height, -1, 0))
    normal = np.stack([-dx, -dy, np.ones_like(dx)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    return _bytes(0.5 + 0.5 * normal)


def _jersey(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Height (texels) and tone of knitted jersey: columns of small Vs."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    wale = 4.0
    inside = np.abs((x / wale) % 1.0 - 0.5)
    stitch = np.sin(2 * np.pi * (y / 4.0 + 1.2 * inside))
    height = 0.28 * np.cos(2 * np.pi * inside * 2) + 0.16 * stitch
    yarn = _blotches(rng, (0.6, 0.9))
    height = height + 0.08 * yarn
    tone = 1.0 + 0.03 * height + 0.012 * yarn + 0.008 * _blotches(rng, (12.0, 12.0))
    return height, tone


def _oxford(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Height and tone of a plain weave whose weft is slightly lighter than its warp."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    over = ((x // 2 + y // 2) % 2).astype(float)
    height = 0.3 * gaussian_filter(over, 0.6, mode="wrap") + 0.12 * _blotches(rng, (0.6, 4.0))
    thread = 0.6 * _blotches(rng, (0.5, 24.0)) + 0.6 * _blotches(rng, (24.0, 0.5))
    tone = 1.0 + 0.04 * (over - 0.5) + 0.015 * thread
    return height, tone


def _ribbing(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    x = np.arange(SIZE, dtype=float)[None, :]
    wave = np.cos(2 * np.pi * x / RIB_PERIOD_PX)
    height = 0.9 * np.sign(wave) * np.abs(wave) ** 0.6 + 0.12 * _blotches(rng, (0.6, 0.9))
    tone = 0.97 + 0.07 * wave + 0.02 * _blotches(rng, (1.0, 4.0))
    return height, np.broadcast_to(tone, (SIZE, SIZE)).copy()


def _blotches(rng: np.random.Generator, sigma: tuple[float, float]) -> ndarray:
    """Tiling smooth noise of unit variance; sigma in texels (across, along the warp)."""
    noise = gaussian_filter(rng.normal(size=(SIZE, SIZE)), sigma[::-1], mode="wrap")
    return noise / noise.std()


def _bytes(values: ndarray) -> ndarray:
    return (np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
