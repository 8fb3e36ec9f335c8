"""Materials of hats: rib-knitted wool and cotton twill, as tiling textures."""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.wear.fabric import cloth_color, height_normals
from portraiture.types import Material

_SIZE = 256
_RIBS = 12
_STITCHES = 24


def hat_material(parameters: AvatarParameters) -> Material:
    """Knit for the beanie, twill for the cap, in the parameters' hat colour."""
    knit = parameters.hat_style == "beanie"
    rng = np.random.default_rng(31)
    height, tone = _rib_knit(rng) if knit else _twill(rng)
    color = cloth_color(np.array([parameters.hat_red, parameters.hat_green, parameters.hat_blue]))
    rgb = np.clip(color[None, None] * tone[..., None], 0.0, 1.0)
    rgba = np.concatenate([rgb, np.ones((_SIZE, _SIZE, 1))], axis=2)
    return Material(
        kind="cloth",
        base_color=(rgba * 255.0 + 0.5).astype(np.uint8),
        normal=height_normals(height, 0.9 if knit else 0.7),
        roughness_factor=0.95 if knit else 0.85,
        double_sided=True,
    )


def _rib_knit(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Ribs of V-shaped stitches along v, with fibres. Height in texels."""
    y, x = np.mgrid[0:_SIZE, 0:_SIZE] / _SIZE
    across = (x * _RIBS) % 1.0 - 0.5
    rib = np.cos(2 * np.pi * across)
    slant = np.abs(across) * 1.6
    stitch = np.cos(2 * np.pi * (y * _STITCHES - slant))
    fibre = _noise(rng, (0.6, 1.4))
    height = 3.2 * rib + 1.0 * stitch * (0.6 + 0.4 * rib) + 0.25 * fibre
    tone = 0.90 + 0.13 * rib + 0.06 * stitch + 0.03 * fibre
    return height, tone


def _twill(rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Fine diagonal lines. Height in texels."""
    y, x = np.mgrid[0:_SIZE, 0:_SIZE] / _SIZE
    line = np.cos(2 * np.pi * (48 * x + 48 * y))
    yarn = _noise(rng, (0.6, 0.6))
    return 0.45 * line + 0.15 * yarn, 1.0 + 0.03 * line + 0.02 * yarn + 0.01 * _noise(rng, (9, 9))


def _noise(rng: np.random.Generator, sigma: tuple[float, float]) -> ndarray:
    noise = gaussian_filter(rng.normal(size=(_SIZE, _SIZE)), sigma[::-1], mode="wrap")
    return noise / noise.std()
