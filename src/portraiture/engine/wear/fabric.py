"""Cloth textures: jersey, oxford, wool or satin, ribbing and trim in one 512² texture.

The texture tiles horizontally only. From the bottom: a strip of plain trim (buttons), a strip of
ribbing, and the fabric. Heights are converted to normals; colour varies slightly between yarns.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.types import Material

SIZE = 512
TRIM_V = (0.01, 0.09)
RIB_V = (0.115, 0.205)
EDGE_V = (0.130, 0.195)
"""Cloth that fades from shadow (lowest v) to full light: in the ribbing's strip of woven cloth."""
FABRIC_V = (0.225, 0.995)
"""Strips of the texture as (lowest, highest) v."""
FABRIC_HEIGHT_M = 0.29
"""Physical height of the fabric strip; the texture's width follows from the same scale."""
WIDTH_M = FABRIC_HEIGHT_M / (FABRIC_V[1] - FABRIC_V[0])
EDGE_TONE = 0.68
RIB_PERIOD_PX = 8
STRIPE_PX = 32
"""Distance of a tie's stripes; it divides `SIZE`, so that they meet where the texture repeats."""


Weave = Literal["jersey", "oxford", "wool", "satin", "knit"]
Rgb = tuple[float, float, float]


def cloth_material(weave: Weave, color: Rgb) -> Material:
    """The material of a cloth of this sRGB colour: jersey for T-shirts, oxford cotton for shirts,
    wool twill for jackets, striped satin for ties, a thick knit for sweaters."""
    rgb = np.array(color)
    tone, normal, roughness = _weave(weave)
    albedo = np.clip(cloth_color(rgb)[None, None] * tone[..., None], 0.0, 1.0)
    if weave in ("jersey", "oxford"):
        albedo[_in_trim()] = np.clip(0.55 + 0.4 * rgb, 0.0, 1.0)
    opaque = np.ones((SIZE, SIZE, 1))
    return Material(
        kind="cloth",
        base_color=_bytes(np.concatenate([albedo, opaque], axis=2)),
        normal=normal,
        roughness=roughness,
        double_sided=True,
    )


@lru_cache(maxsize=5)
def _weave(weave: Weave) -> tuple[ndarray, ndarray, ndarray]:
    """Tone (S, S), normal map and roughness of the whole texture. The arrays are shared."""
    rng = np.random.default_rng(23)
    makers = {
        "jersey": _jersey, "oxford": _oxford, "wool": _wool, "satin": _satin, "knit": _knit,
    }  # fmt: skip
    height, tone = makers[weave](rng)
    rows = 1.0 - (np.arange(SIZE) + 0.5) / SIZE
    in_trim = _in_trim()
    if weave in ("jersey", "knit"):
        rib, rib_tone = _ribbing(rng)
        in_rib = (rows < 0.5 * (RIB_V[1] + FABRIC_V[0])) & ~in_trim
        height[in_rib], tone[in_rib] = rib[in_rib], rib_tone[in_rib]
    else:
        lit = np.clip((rows - EDGE_V[0]) / (EDGE_V[1] - EDGE_V[0]), 0.0, 1.0)
        tone *= np.where(rows < FABRIC_V[0], EDGE_TONE + (1.0 - EDGE_TONE) * lit, 1.0)[:, None]
    height[in_trim], tone[in_trim] = 0.0, 1.0 if weave in ("jersey", "oxford") else EDGE_TONE
    base = {"jersey": 0.86, "oxford": 0.86, "wool": 0.92, "satin": 0.48, "knit": 0.95}[weave]
    rough = np.clip(base - 0.04 * height, 0.0, 1.0)
    if weave in ("jersey", "oxford"):
        rough[in_trim] = 0.35
    strength = 1.1 if weave in ("jersey", "knit") else 0.9
    return tone, height_normals(height, strength), _bytes(rough)


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


def _knit(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Height and tone of a thick sweater in stocking stitch: wide columns of Vs of fluffy yarn."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    inside = np.abs((x / 8.0) % 1.0 - 0.5)
    stitch = np.sin(2 * np.pi * (y / 6.4 + 1.3 * inside))
    fluff = _blotches(rng, (0.8, 0.8))
    height = 0.55 * np.cos(4 * np.pi * inside) + 0.35 * stitch + 0.12 * fluff
    tone = 1.0 + 0.05 * height + 0.025 * fluff + 0.015 * _blotches(rng, (14.0, 14.0))
    return height, tone


def _oxford(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Height and tone of a plain weave whose weft is slightly lighter than its warp."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    over = ((x // 2 + y // 2) % 2).astype(float)
    height = 0.3 * gaussian_filter(over, 0.6, mode="wrap") + 0.12 * _blotches(rng, (0.6, 4.0))
    thread = 0.6 * _blotches(rng, (0.5, 24.0)) + 0.6 * _blotches(rng, (24.0, 0.5))
    tone = 1.0 + 0.04 * (over - 0.5) + 0.015 * thread
    return height, tone


def _wool(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Height and tone of a worsted twill: fine diagonal ribs of slightly mixed yarns."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    rib = np.cos(2 * np.pi * (x + y) / 4.0)
    fibre = _blotches(rng, (0.5, 0.5))
    height = 0.16 * rib + 0.08 * fibre
    yarn = 0.6 * _blotches(rng, (0.5, 16.0)) + 0.4 * _blotches(rng, (16.0, 0.5))
    tone = 1.0 + 0.03 * rib + 0.04 * fibre + 0.04 * yarn
    return height, tone


def _satin(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Height and tone of silk: broad diagonal stripes of another weave, with a thin light line."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    across = ((x + y) % STRIPE_PX) / STRIPE_PX
    stripe = np.clip((np.abs(across - 0.5) - 0.27) * 12.0, -0.5, 0.5)
    line = np.exp(-(((across - 0.5) / 0.035) ** 2))
    rib = np.cos(2 * np.pi * (x - y) / 4.0)
    height = 0.10 * rib * (stripe > 0.0) + 0.05 * _blotches(rng, (0.5, 3.0))
    tone = 1.0 + 0.26 * stripe + 0.55 * line + 0.02 * _blotches(rng, (0.6, 6.0))
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
